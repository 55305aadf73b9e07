"""An endless stream of training samples from the synthetic world. Called by `training.loop`.

Making a world costs more than filming it, so several moments of each are filmed and several expressions asked of each
moment; a shuffle buffer keeps neighbours apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from samwise_ros.data.synthetic import COLOURS, FIRST_TRAINING_SEED, KINDS, Clip, Expression, World
from samwise_ros.engine.preprocess import MEAN, fitted_size

LAST_FRAME = 2000
"""Worlds are filmed between frame 0 and this one; their motions repeat sooner."""

ASPECTS = {(4, 3): 0.4, (16, 9): 0.3, (1, 1): 0.2, (3, 4): 0.1}
"""Camera formats (width, height) and how often they are drawn."""

SPEEDS = (0.006, 0.025)
"""Range of the worlds' fastest objects, in picture widths per frame: a slow and a fast camera."""

BUFFER_SIZE = 256
"""Samples among which the next one is drawn."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One clip and one expression.

    Attributes:
        rgb: (T, S, S, 3) uint8; below and to the right of the picture lies the network's padding.
        mask: (T, S, S) bool, the described object; empty where the expression is true of nothing.
        colour: (T, S, S) int8, index into COLOURS of the object at each pixel, -1 for background.
        kind: (T, S, S) int8, index into KINDS, likewise.
        text: the expression.
    """

    rgb: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    colour: npt.NDArray[np.int8]
    kind: npt.NDArray[np.int8]
    text: str


@dataclass(frozen=True, slots=True)
class Batch:
    """B samples as tensors.

    Attributes:
        rgb: (B, T, S, S, 3) uint8.
        mask: (B * T, S, S) bool.
        colour: (B * T, S, S) int64.
        kind: (B * T, S, S) int64.
        texts: B expressions.
    """

    rgb: Tensor
    mask: Tensor
    colour: Tensor
    kind: Tensor
    texts: list[str]


class SyntheticSamples(IterableDataset[Sample]):
    """Samples for ever; no world is made twice.

    Args:
        side_px: side S of the square pictures.
        frames: length T of a clip.
        weights: how often each kind of expression is drawn, by name; kinds that a clip cannot have are left out.
        first_world: number of the first world, counted from FIRST_TRAINING_SEED.
        moments: clips filmed of each world.
        expressions: samples made of each clip.
    """

    def __init__(
        self,
        *,
        side_px: int,
        frames: int,
        weights: Mapping[str, float],
        first_world: int = 0,
        moments: int = 2,
        expressions: int = 2,
    ) -> None:
        self._side_px, self._frames, self._weights = side_px, frames, dict(weights)
        self._first_world, self._moments, self._expressions = first_world, moments, expressions

    def __iter__(self) -> Iterator[Sample]:
        """Draw from the buffer; each data-loader worker has worlds of its own."""
        worker = get_worker_info()
        offset, step = (worker.id, worker.num_workers) if worker else (0, 1)
        seed = FIRST_TRAINING_SEED + self._first_world + offset
        rng = np.random.default_rng([seed, self._frames])
        buffer: list[Sample] = []
        while True:
            for sample in self._film(seed, rng):
                if len(buffer) < BUFFER_SIZE:
                    buffer.append(sample)
                    continue
                place = int(rng.integers(BUFFER_SIZE))
                drawn, buffer[place] = buffer[place], sample
                yield drawn
            seed += step

    def _film(self, seed: int, rng: np.random.Generator) -> Iterator[Sample]:
        formats = list(ASPECTS)
        width, height = formats[int(rng.choice(len(formats), p=list(ASPECTS.values())))]
        height_px, width_px = fitted_size(height, width, self._side_px)
        world = World(seed, height=height_px, width=width_px, max_speed=float(rng.uniform(*SPEEDS)))
        for _ in range(self._moments):
            clip = world.clip(int(rng.integers(LAST_FRAME)), self._frames)
            clip = pad_clip(mirror(clip) if rng.random() < 0.5 else clip, self._side_px)
            for expression in draw_expressions(clip.expressions, self._weights, self._expressions, rng):
                yield clip_to_sample(clip, expression)


def draw_expressions(
    expressions: tuple[Expression, ...], weights: Mapping[str, float], count: int, rng: np.random.Generator
) -> list[Expression]:
    """Draw without replacement: first a kind by its weight, then one of that kind.

    Args:
        expressions: what there is.
        weights: by kind.
        count: how many to draw; fewer come where there are fewer.
        rng: decides.

    Returns:
        The drawn expressions.
    """
    by_kind: dict[str, list[Expression]] = {}
    for index in rng.permutation(len(expressions)):
        by_kind.setdefault(expressions[index].kind, []).append(expressions[index])
    drawn: list[Expression] = []
    while len(drawn) < count and by_kind:
        kinds = list(by_kind)
        share = np.array([weights.get(kind, 0.0) for kind in kinds])
        if share.sum() == 0:
            break
        kind = kinds[int(rng.choice(len(kinds), p=share / share.sum()))]
        drawn.append(by_kind[kind].pop())
        if not by_kind[kind]:
            del by_kind[kind]
    return drawn


def mirror(clip: Clip) -> Clip:
    """Swap left and right, in the pictures and in the words: as true as before."""

    def swap(text: str) -> str:
        return re.sub("left|right", lambda side: "right" if side[0] == "left" else "left", text)

    return replace(
        clip,
        rgb=clip.rgb[:, :, ::-1],
        instances=clip.instances[:, :, ::-1],
        expressions=tuple(replace(expression, text=swap(expression.text)) for expression in clip.expressions),
    )


def pad_clip(clip: Clip, side_px: int) -> Clip:
    """Pad a clip at the bottom and right to a square, in the colour that normalises to zero."""
    height, width = clip.rgb.shape[1:3]
    pad = ((0, 0), (0, side_px - height), (0, side_px - width))
    rgb = np.empty((len(clip.rgb), side_px, side_px, 3), np.uint8)
    rgb[:] = np.round(255 * np.array(MEAN)).astype(np.uint8)
    rgb[:, :height, :width] = clip.rgb
    return replace(clip, rgb=rgb, instances=np.pad(clip.instances, pad))


def clip_to_sample(clip: Clip, expression: Expression) -> Sample:
    """Ask one expression of a clip."""
    colour = np.array([-1, *(COLOURS.index(thing.colour) for thing in clip.objects)], np.int8)
    kind = np.array([-1, *(KINDS.index(thing.kind) for thing in clip.objects)], np.int8)
    return Sample(
        rgb=clip.rgb,
        mask=clip.mask(expression),
        colour=colour[clip.instances],
        kind=kind[clip.instances],
        text=expression.text,
    )


def samples_to_batch(samples: list[Sample]) -> Batch:
    """Stack samples of one size and length."""

    def stack(name: str) -> Tensor:
        return torch.from_numpy(np.stack([getattr(sample, name) for sample in samples]))

    return Batch(
        rgb=stack("rgb"),
        mask=stack("mask").flatten(0, 1),
        colour=stack("colour").flatten(0, 1).long(),
        kind=stack("kind").flatten(0, 1).long(),
        texts=[sample.text for sample in samples],
    )
