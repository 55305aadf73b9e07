"""Where a training's samples come from, and what its network is judged on. Called by `training.loop`.

The loop knows `Source` alone, so that another data set is another class here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.utils.data import DataLoader

from samwise_ros.data.synthetic import COLOURS, FIRST_TRAINING_SEED, KINDS, render_clip
from samwise_ros.engine.overlay import draw_overlay
from samwise_ros.engine.tracker import Tracker
from samwise_ros.evaluation.synthetic import evaluate_clips, one_per_kind
from samwise_ros.model.segmenter import Segmenter
from samwise_ros.training.interrupts import ignore_interrupt
from samwise_ros.training.recipe import Recipe
from samwise_ros.training.samples import Batch, SyntheticSamples, samples_to_batch
from samwise_ros.types import Frame

PART_STEPS = 1000
"""Steps after which the stream of samples starts anew with other worlds. A resumed run makes what it has already seen
of its part once more, to throw it away, so that it goes on with the same samples."""

WORLDS_PER_STEP = 10_000
"""Distance between the first worlds of two neighbouring steps: more than a step can use."""

CORPUS_WORLDS = 2000
"""Worlds whose expressions the tokenizer is made from."""

FIRST_VALIDATION_SEED = 500_000
VALIDATION_FRAMES = 12
VALIDATION_SIZE_PX = (240, 320)
"""Rows and columns of the validation's clips."""

PICTURED_CLIPS = 3
PICTURED_FRAMES = 3


class Source(Protocol):
    """A data set to train on."""

    @property
    def classes(self) -> tuple[int, int]:
        """Numbers of names that `Batch.colour` and `Batch.kind` count in."""
        ...

    def texts(self) -> Iterable[str]:
        """Expressions to make a tokenizer from, where the preset has none."""
        ...

    def batches(self, step: int, workers: int) -> Iterator[Batch]:
        """Make the batches for the steps from one on, each a function of the recipe, its step and `workers`.

        Args:
            step: the first one, counted from 0.
            workers: processes that make samples.

        Yields:
            At least one batch, and none of a later stage.
        """
        ...

    def validate(self, segmenter: Segmenter[Any, Any, Any], picture: Path) -> Mapping[str, float]:
        """Judge a network on held-out samples.

        Args:
            segmenter: the network in evaluation mode.
            picture: PNG to write, of some frames with the masks found.

        Returns:
            Scores by name, 0..1; `all` decides which weights are kept.
        """
        ...


class SyntheticSource:
    """The synthetic world.

    Args:
        recipe: says which worlds, sizes and expressions.
    """

    classes = (len(COLOURS), len(KINDS))

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def texts(self) -> Iterator[str]:
        """Expressions of the first training worlds."""
        for number in range(CORPUS_WORLDS):
            clip = render_clip(FIRST_TRAINING_SEED + number, frames=4, height=64, width=64)
            yield from (expression.text for expression in clip.expressions)

    def batches(self, step: int, workers: int) -> Iterator[Batch]:
        """See `Source.batches`; stops at the end of a part of `PART_STEPS` steps."""
        stage, left = self._recipe.stage_at(step)
        done = stage.steps - left  # of this stage
        skipped = done % PART_STEPS
        samples = SyntheticSamples(
            side_px=stage.side_px,
            frames=stage.frames,
            weights=self._recipe.expression_weights,
            first_world=self._recipe.first_world + (step - skipped) * WORLDS_PER_STEP,
        )
        loader = DataLoader(
            samples,
            batch_size=stage.batch,
            collate_fn=samples_to_batch,
            num_workers=workers,
            prefetch_factor=4,
            worker_init_fn=ignore_interrupt,
            generator=torch.Generator(),  # not the training's, which a resumed run would draw from once more
        )
        yield from islice(loader, skipped, min(PART_STEPS, left + skipped))

    def validate(self, segmenter: Segmenter[Any, Any, Any], picture: Path) -> dict[str, float]:
        """Mean J by kind of expression; see `Source.validate`."""
        seeds = range(FIRST_VALIDATION_SEED, FIRST_VALIDATION_SEED + self._recipe.validation_clips)
        height_px, width_px = VALIDATION_SIZE_PX
        size = {"frames": VALIDATION_FRAMES, "height_px": height_px, "width_px": width_px}
        by_kind: dict[str, list[float]] = {}
        for clip in evaluate_clips(segmenter, seeds, **size):
            for kind, value in clip.items():
                by_kind.setdefault(kind, []).append(value)
        rows = [draw_clip(segmenter, seed) for seed in seeds[:PICTURED_CLIPS]]
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(rows)).save(picture)
        every = [value for values in by_kind.values() for value in values]
        return {kind: float(np.mean(values)) for kind, values in by_kind.items()} | {"all": float(np.mean(every))}


def draw_clip(segmenter: Segmenter[Any, Any, Any], seed: int) -> npt.NDArray[np.uint8]:
    """Some frames of a held-out clip in a row, with the mask of one expression of each kind.

    Args:
        segmenter: the model.
        seed: of the clip.

    Returns:
        (H, PICTURED_FRAMES * W, 3) uint8, RGB.
    """
    height_px, width_px = VALIDATION_SIZE_PX
    clip = render_clip(seed, frames=VALIDATION_FRAMES, height=height_px, width=width_px)
    chosen = one_per_kind(clip.expressions)
    tracker = Tracker(segmenter, max_targets=max(1, len(chosen)))
    for expression in chosen.values():
        tracker.add(expression.text)
    shown = {round(index) for index in np.linspace(0, VALIDATION_FRAMES - 1, PICTURED_FRAMES)}
    results = enumerate(tracker.run(map(Frame, clip.rgb)))
    return np.concatenate([draw_overlay(result) for index, result in results if index in shown], 1)
