"""An endless stream of training samples from the synthetic world. Called by `training.source`.

Several moments of each world are filmed at once, which is faster; a shuffle buffer keeps neighbours apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from samwise_ros.data.expressions import Expression
from samwise_ros.data.facts import Noun
from samwise_ros.data.synthetic import FIRST_TRAINING_SEED, Clip, World
from samwise_ros.data.tracks import MOTIONS, SceneObject
from samwise_ros.data.vocabulary import COLOURS, HELD_OUT_PAIRS, KINDS, MATERIALS
from samwise_ros.data.wording import reword
from samwise_ros.engine.preprocess import MEAN, fitted_size, whole_steps
from samwise_ros.errors import DatasetError
from samwise_ros.training.vary import retone, squash, swap_sides, vary

SURFACES = ("", *MATERIALS)
"""Materials that have a word; the first stands for all that have none."""

LAST_FRAME = 100
"""Worlds are filmed between frame 0 and this one, when most of what happens in them does."""

EVENTFUL = 0.6
"""Share of the clips that are taken where something begins to move or comes into view."""

ASPECTS = {(4, 3): 0.4, (16, 9): 0.3, (1, 1): 0.2, (3, 4): 0.1}
"""Camera formats (width, height) and how often they are drawn."""

SPEEDS_M = (0.008, 0.03)
"""Range of the worlds' fastest things, in metres per frame."""

STRIDES = (1, 3)
"""Least and most frames of a world from one frame of a clip to the next: fast and slow cameras."""

VARIED = 0.6
"""Share of the worlds with things of other shapes, poses and colours, in which names are not taken strictly. Real
footage is rather like these; the others look as those that are tested on, so that strictness is learnt for these."""

FARTHEST = 0.8
"""Least zoom of varied worlds: things are so much smaller than usual. All zooms' logarithms are as likely."""

GRIPPED, SQUASHED, RETONED = 0.45, 0.6, 0.6
"""Shares of the varied worlds in which a hand holds a thing, of those whose pictures have another shape than the
camera's, and of their clips whose light is changed."""

SQUASHES = (0.7, 1.43)
"""Range of a picture's width over what the camera's shape would have made it."""

MAX_USELESS = 200
"""After so many worlds in a row of which too little can be said, it is the recipe that cannot be."""

FRAMES_AT_ONCE = 10
"""Frames that are filmed of each world; of clips two at least."""

NAMED_FRAMES_AT_ONCE = 4
"""The same where frames are only named: different things teach more than other views, and cost a quarter more each."""

BUFFER_FRAMES = 512
"""Frames among which those of the next sample are drawn."""

SHOWINGS = 4
"""So often a frame that is only named is drawn on average, each time varied: filming takes as long as learning."""

DESCRIBED_SHOWINGS = 3
"""The same of a clip that is spoken of, each time with other expressions: most have thirty."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One clip and K expressions.

    Attributes:
        rgb: (T, S, S, 3) uint8; below and to the right of the picture lies the network's padding.
        masks: (K, T, S, S) bool, the described objects; empty where an expression is true of nothing.
        shown: (T, 8, S, S) int8, of the object at each pixel: its number, 0 for none; its colour, kind and surface as
            indices into COLOURS, KINDS and SURFACES, -1 for none; its motion as an index into MOTIONS, -1 for none or
            an unknown one; and its normal as `Clip` has it. (T, 0, 0, 0) where nobody knows, as in real data sets.
        things: (K, 2, 3) int64, of an expression's noun and of what it compares with: the set of those in view that it
            fits, in which bit k stands for number k, and its colour and kind as indices into COLOURS and KINDS, -1
            where it does not say; 0, -1 and -1 where there is none or nobody knows.
        texts: the expressions.
        size_px: (rows, columns) of the picture; the rest is padding.
    """

    rgb: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.bool_]
    shown: npt.NDArray[np.int8]
    things: npt.NDArray[np.int64]
    texts: tuple[str, ...]
    size_px: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Batch:
    """R samples as tensors; B = R K expressions, those of a clip one after the other.

    Attributes:
        rgb: (R, T, H, W, 3) uint8; H and W are S, or less where no picture needs them.
        sizes_px: (R, 2) int64, rows and columns of the pictures; the rest is padding.
        mask: (B * T, H, W) bool.
        shown: (R * T, 8, H, W) int8, see `Sample`.
        things: (B, 2, 3) int64, see `Sample`.
        texts: B expressions.
    """

    rgb: Tensor
    sizes_px: Tensor
    mask: Tensor
    shown: Tensor
    things: Tensor
    texts: list[str]


class SyntheticSamples(IterableDataset[Sample]):
    """Samples for ever; no world is made twice.

    Args:
        side_px: side S of the square pictures.
        frames: length T of a clip.
        expressions: K, asked of each clip; with 0 nothing is said of the samples, which are varied.
        zoom: the cameras of varied worlds come up to so much closer than usual, from FARTHEST on.
        weights: how often each kind of expression is drawn, by name; kinds that a clip cannot have are left out.
        reworded: share of the expressions that are put in other words.
        first_world: number of the first world, counted from FIRST_TRAINING_SEED.
        photographs: folder of photographs in varied worlds; see `data.synthetic`.

    Raises:
        DatasetError: while iterating: no world has so many expressions of the weighted kinds, or the photographs cannot
            be read.
    """

    def __init__(
        self,
        *,
        side_px: int,
        frames: int,
        expressions: int,
        zoom: float,
        weights: Mapping[str, float],
        reworded: float = 0.0,
        first_world: int = 0,
        photographs: Path | None = None,
    ) -> None:
        self._side_px, self._frames, self._weights = side_px, frames, dict(weights)
        self._first_world, self._expressions = first_world, expressions
        self._zoom, self._reworded, self._photographs = zoom, reworded, photographs

    def __iter__(self) -> Iterator[Sample]:
        """Draw from the buffer; each data-loader worker has worlds of its own."""
        worker = get_worker_info()
        offset, step = (worker.id, worker.num_workers) if worker else (0, 1)
        seed = FIRST_TRAINING_SEED + self._first_world + offset
        rng = np.random.default_rng([seed, self._frames])
        buffer: list[Clip] = []
        last_usable = seed
        while True:
            for filmed in self._film(seed, rng):
                last_usable = seed
                if len(buffer) < max(1, BUFFER_FRAMES // self._frames):
                    buffer.append(filmed)
                    continue
                for _ in range((DESCRIBED_SHOWINGS if self._expressions else SHOWINGS) - 1):
                    yield self._to_sample(buffer[int(rng.integers(len(buffer)))], rng)
                place = int(rng.integers(len(buffer)))
                drawn, buffer[place] = buffer[place], filmed
                yield self._to_sample(drawn, rng)
            seed += step
            if seed - last_usable > MAX_USELESS * step:
                raise DatasetError(
                    f"of {MAX_USELESS} worlds none has {self._expressions} expressions that can be asked of "
                    f"{self._frames} frames with weights {self._weights}, expected some: ask fewer expressions, weigh "
                    "more kinds, or take more frames (motion and late truths need four)"
                )

    def _to_sample(self, clip: Clip, rng: np.random.Generator) -> Sample:
        if not self._expressions:
            return clip_to_sample(vary(pad_clip(clip, self._side_px), rng), [])
        height_px, width_px = clip.instances.shape[1:]
        clip = mirror(clip) if rng.random() < 0.5 else clip
        said = draw_expressions(clip.expressions, self._weights, self._expressions, rng)
        if self._reworded:
            said = [self._reword(expression, rng) for expression in said]
        return clip_to_sample(pad_clip(clip, self._side_px), said, (height_px, width_px))

    def _reword(self, expression: Expression, rng: np.random.Generator) -> Expression:
        if rng.random() >= self._reworded:
            return expression
        return replace(expression, text=reword(expression.text, rng))

    def _film(self, seed: int, rng: np.random.Generator) -> Iterator[Clip]:
        """Clips of one world of which enough can be said."""
        varied = rng.random() < VARIED
        formats = list(ASPECTS)
        width, height = formats[int(rng.choice(len(formats), p=list(ASPECTS.values())))] if varied else (4, 3)
        height_px, width_px = fitted_size(height, width, self._side_px)
        # Videos are often shown in another shape than they were taken in.
        squashed = math.exp(rng.uniform(*np.log(SQUASHES))) if varied and rng.random() < SQUASHED else 1.0
        world = World(
            seed,
            height=height_px,
            width=round(squashed * width_px),
            speed_m=float(rng.uniform(*SPEEDS_M)),
            zoom=math.exp(rng.uniform(math.log(FARTHEST), math.log(self._zoom))) if varied else 1.0,
            grip=varied and rng.random() < GRIPPED,
            varied=varied,
            photographs=self._photographs,
        )
        if not self._expressions and self._frames == 1:
            for clip in world.stills(rng.uniform(0, LAST_FRAME, NAMED_FRAMES_AT_ONCE)):
                yield squash(clip, height_px, width_px)
            return
        stride = int(rng.integers(STRIDES[0], STRIDES[1] + 1))
        starts = [self._choose_start(world, stride, rng) for _ in range(max(2, FRAMES_AT_ONCE // self._frames))]
        for clip in world.clips(starts, self._frames, stride):
            clip = replace(clip, expressions=tuple(one for one in clip.expressions if not denies_held_out(one)))
            if sum(self._weights.get(said.kind, 0) > 0 for said in clip.expressions) >= self._expressions:
                # What is only named gets other light in each showing, by `vary`.
                if varied and self._expressions and rng.random() < RETONED:
                    clip = replace(clip, rgb=retone(clip.rgb, rng))
                yield squash(clip, height_px, width_px)

    def _choose_start(self, world: World, stride: int, rng: np.random.Generator) -> int:
        """Any frame, or one from which an event falls into the clip."""
        if self._frames > 1 and world.events and rng.random() < EVENTFUL:
            ahead = stride * int(rng.integers(1, self._frames))
            return max(0, int(rng.choice(world.events)) - ahead)
        return int(rng.integers(LAST_FRAME))


def denies_held_out(expression: Expression) -> bool:
    """Whether an expression says of a held-out pair of colour and kind that it is not there.

    No training shows these, so that in it they never are: what is only ever denied is taken for what does not exist.
    """
    noun = expression.noun
    return not expression.object_index and noun is not None and (noun.colour, noun.kind) in HELD_OUT_PAIRS


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
    by_kind = shuffle_by_kind(expressions, rng)
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


def shuffle_by_kind(expressions: tuple[Expression, ...], rng: np.random.Generator) -> dict[str, list[Expression]]:
    """The expressions of each kind, in any order."""
    by_kind: dict[str, list[Expression]] = {}
    for index in rng.permutation(len(expressions)):
        by_kind.setdefault(expressions[index].kind, []).append(expressions[index])
    return by_kind


def mirror(clip: Clip) -> Clip:
    """Swap left and right, in the pictures and in the words: as true as before."""
    normals = None if clip.normals is None else clip.normals[:, :, ::-1] * np.array([-1, 1, 1], np.int8)
    return replace(
        clip,
        rgb=clip.rgb[:, :, ::-1],
        instances=clip.instances[:, :, ::-1],
        normals=normals,
        motions=tuple(map(swap_sides, clip.motions)),
        expressions=tuple(replace(expression, text=swap_sides(expression.text)) for expression in clip.expressions),
    )


def pad_clip(clip: Clip, side_px: int) -> Clip:
    """Pad a clip at the bottom and right to a square, in the colour that normalises to zero."""
    height, width = clip.rgb.shape[1:3]
    pad = ((0, 0), (0, side_px - height), (0, side_px - width))
    rgb = np.empty((len(clip.rgb), side_px, side_px, 3), np.uint8)
    rgb[:] = np.round(255 * np.array(MEAN)).astype(np.uint8)
    rgb[:, :height, :width] = clip.rgb
    normals = None if clip.normals is None else np.pad(clip.normals, (*pad, (0, 0)))
    return replace(clip, rgb=rgb, instances=np.pad(clip.instances, pad), normals=normals)


def clip_to_sample(clip: Clip, expressions: list[Expression], size_px: tuple[int, int] | None = None) -> Sample:
    """Ask some expressions of a clip whose normals are known; `size_px` is (rows, columns) before it was padded."""
    assert clip.normals is not None
    _, height_px, width_px = clip.instances.shape
    masks = [clip.mask(expression) for expression in expressions]
    motions = clip.motions or ("",) * len(clip.objects)
    named = [
        (thing.index, COLOURS.index(thing.colour), _kind(thing), _surface(thing), _motion(motion))
        for thing, motion in zip(clip.objects, motions, strict=True)
    ]
    names = np.array([(0, -1, -1, -1, -1), *named], np.int8)[clip.instances]
    return Sample(
        rgb=clip.rgb,
        masks=np.array(masks, bool).reshape(len(masks), *clip.instances.shape),
        shown=np.concatenate((names, clip.normals), -1).transpose(0, 3, 1, 2),
        things=np.array([_things(expression) for expression in expressions], np.int64).reshape(-1, 2, 3),
        texts=tuple(expression.text for expression in expressions),
        size_px=size_px or (height_px, width_px),
    )


def samples_to_batch(samples: list[Sample], step_px: int) -> Batch:
    """Stack samples of one side and length, without what is padding in all of them, but for multiples of `step_px`."""
    sizes = zip(*(sample.size_px for sample in samples), strict=True)
    rows, columns = (whole_steps(max(size), step_px) for size in sizes)

    def stack(arrays: list[npt.NDArray[Any]]) -> Tensor:
        return torch.from_numpy(np.stack(arrays))

    return Batch(
        rgb=stack([sample.rgb[:, :rows, :columns] for sample in samples]),
        sizes_px=torch.tensor([sample.size_px for sample in samples]),
        mask=stack([sample.masks[..., :rows, :columns] for sample in samples]).flatten(0, 2),
        shown=stack([sample.shown[..., :rows, :columns] for sample in samples]).flatten(0, 1),
        things=stack([sample.things for sample in samples]).flatten(0, 1),
        texts=[text for sample in samples for text in sample.texts],
    )


def _things(expression: Expression) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    compared = (expression.landmark,) if expression.landmark else ()
    return _role(expression.noun, expression.called), _role(expression.landmark_noun, compared)


def _role(noun: Noun | None, indices: tuple[int, ...]) -> tuple[int, int, int]:
    noun = noun or Noun()
    colour = COLOURS.index(noun.colour) if noun.colour else -1
    kind = KINDS.index(noun.kind) if noun.kind else -1
    return sum(1 << index for index in indices), colour, kind


def _motion(name: str) -> int:
    return MOTIONS.index(name) if name else -1


def _kind(thing: SceneObject) -> int:
    return -1 if thing.odd else KINDS.index(thing.kind)


def _surface(thing: SceneObject) -> int:
    if not thing.material:
        return -1
    return SURFACES.index(thing.material) if thing.material in SURFACES else 0
