"""Where a training's samples come from, and what its network is judged on. Called by `training.loop`.

The loop knows `Source` alone, so that another kind of data is another class here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from samwise_ros.config import image_step_px, preset
from samwise_ros.data import refcoco
from samwise_ros.data.described import read_frame
from samwise_ros.data.photographs import load_photographs
from samwise_ros.data.synthetic import render_clip
from samwise_ros.data.tracks import MOTIONS
from samwise_ros.data.vocabulary import COLOURS, KINDS, sample_texts
from samwise_ros.engine.overlay import draw_overlay
from samwise_ros.engine.tracker import Tracker
from samwise_ros.errors import ConfigError, DatasetError
from samwise_ros.evaluation.described import evaluate_jf
from samwise_ros.evaluation.refcoco import evaluate_refcoco
from samwise_ros.evaluation.synthetic import evaluate_clips, one_per_kind, summarise
from samwise_ros.model.segmenter import Segmenter
from samwise_ros.training.described import WHOLE_VIDEO, DescribedSamples, last_videos, read_split
from samwise_ros.training.interrupts import ignore_interrupt
from samwise_ros.training.recipe import Recipe, Splits, Stage, Worlds, take_turns
from samwise_ros.training.samples import SURFACES, Batch, Sample, SyntheticSamples, samples_to_batch
from samwise_ros.types import Frame

PART_STEPS = 1000
"""Steps after which the stream of synthetic samples starts anew with other worlds. A resumed run makes what it has
already seen of its part once more, to throw it away, so that it goes on with the same samples."""

WORLDS_PER_STEP = 10_000
"""Distance between the first worlds of two neighbouring steps: more than a step can use."""

FIRST_VALIDATION_SEED = 500_000
VALIDATION_FRAMES = 12
VALIDATION_SIZE_PX = (240, 320)
"""Rows and columns of the validation's clips; pictures of real clips have as many rows."""

PICTURED_CLIPS = 3
PICTURED_FRAMES = 3
PICTURED_EXPRESSIONS = 4
"""Of a real video, so many at once are to be seen."""


class Source(Protocol):
    """A data set to train on."""

    @property
    def classes(self) -> tuple[int, ...]:
        """Numbers of names of each sort that `Batch.shown` tells."""
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
            At least one batch, and none of a later group of stages.
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


def open_source(recipe: Recipe) -> Source:
    """What a recipe says to train on.

    Raises:
        ConfigError: a data set is unknown or does not suit.
        DatasetError: a data set's file or folder is missing or has another layout.
    """
    if isinstance(recipe.data, Splits):
        return DescribedSource(recipe, recipe.data)
    return SyntheticSource(recipe, recipe.data)


class SyntheticSource:
    """The synthetic world.

    Args:
        recipe: says which sizes and steps.
        worlds: says which worlds and expressions.

    Raises:
        DatasetError: the photographs are missing or cannot be read.
    """

    classes: tuple[int, ...] = (len(COLOURS), len(KINDS), len(SURFACES), len(MOTIONS))

    def __init__(self, recipe: Recipe, worlds: Worlds) -> None:
        self._recipe, self._worlds = recipe, worlds
        self._photographs = Path(worlds.photographs) if worlds.photographs else None
        if self._photographs:
            load_photographs(self._photographs, torch.device("cpu"))  # once: the processes that make samples share it

    def texts(self) -> Iterator[str]:
        """Each phrase with each noun."""
        yield from sample_texts()

    def batches(self, step: int, workers: int) -> Iterator[Batch]:
        """See `Source.batches`; stops at the end of a part of `PART_STEPS` steps."""
        group, done = self._recipe.group_at(step)
        skipped = done % PART_STEPS
        order = take_turns(group)[done - skipped :][:PART_STEPS]
        first_world = self._worlds.first_world + (step - skipped) * WORLDS_PER_STEP
        batches = []
        for index, stage in enumerate(group):
            samples = SyntheticSamples(
                side_px=stage.side_px,
                frames=stage.frames,
                expressions=stage.expressions,
                zoom=stage.zoom,
                weights=self._worlds.expression_weights,
                reworded=self._worlds.reworded,
                photographs=self._photographs,
                first_world=first_world + index * len(order) * WORLDS_PER_STEP // len(group),
            )
            readers = max(workers and 1, workers // len(group))
            loader = _make_loader(samples, self._recipe, stage, readers, prefetch_factor=4)
            batches.append(islice(loader, int((order[:skipped] == index).sum()), None))
        yield from _without_tracebacks(_in_turn(batches, order[skipped:]))

    def validate(self, segmenter: Segmenter[Any, Any, Any], picture: Path) -> dict[str, float]:
        """Mean J by kind of expression; see `Source.validate`."""
        seeds = range(FIRST_VALIDATION_SEED, FIRST_VALIDATION_SEED + self._recipe.validation_clips)
        height_px, width_px = VALIDATION_SIZE_PX
        clips = evaluate_clips(segmenter, seeds, frames=VALIDATION_FRAMES, height_px=height_px, width_px=width_px)
        summary = summarise(list(clips))
        save_rows([draw_synthetic(segmenter, seed) for seed in seeds[:PICTURED_CLIPS]], picture)
        return {kind: means["j"] for kind, means in summary["by_kind"].items()} | {"all": summary["j"]}


READERS = 8
"""At most so many processes read real data: each holds all expressions, and two batches, of 134 MB at 1024 px."""


class DescribedSource:
    """Real data sets.

    Args:
        recipe: says which sizes and steps.
        splits: says which data sets.

    Raises:
        ConfigError: a data set is unknown, keeps its masks to itself, or nothing is left to train on.
        DatasetError: a file or folder is missing or has another layout.
    """

    classes: tuple[int, ...] = ()

    def __init__(self, recipe: Recipe, splits: Splits) -> None:
        self._recipe, self._splits = recipe, splits
        read = {split: read_split(split) for split in dict.fromkeys((*splits.train, splits.validate))}
        judged, count = read[splits.validate], recipe.validation_clips
        judged = last_videos(judged, count) if splits.validate in splits.train else judged
        self._judged = judged[:count]
        # RefCOCO, RefCOCO+ and RefCOCOg have photographs in common, which another one's training part may hold.
        held_out = {clip.frame_paths[0] for clip in judged}
        self._clips = [
            (clip, split.dataset in WHOLE_VIDEO)
            for split in splits.train
            for clip in read[split]
            if clip.frame_paths[0] not in held_out
        ]
        if not self._clips:
            raise ConfigError(
                f"the validation takes all pictures, of {len(judged)} expressions, expected some to be left to train "
                "on: add a split, or where one serves both lower validation_clips"
            )

    def texts(self) -> Iterator[str]:
        """All expressions that are trained on."""
        yield from (clip.text for clip, _ in self._clips)

    def batches(self, step: int, workers: int) -> Iterator[Batch]:
        """See `Source.batches`; a batch does not even depend on `workers`."""
        group, done = self._recipe.group_at(step)
        order = take_turns(group)
        loaders = []
        workers = max(1, min(workers, READERS) // len(group))
        for index, stage in enumerate(group):
            samples = DescribedSamples(
                self._clips,
                side_px=stage.side_px,
                frames=stage.frames,
                augment=self._splits.augment,
                seed=(self._recipe.seed, step - done + index),
            )
            left = range(int((order[:done] == index).sum()) * stage.batch, stage.steps * stage.batch)
            loaders.append(_make_loader(samples, self._recipe, stage, workers, sampler=left))
        yield from _without_tracebacks(_in_turn(loaders, order[done:]))

    def validate(self, segmenter: Segmenter[Any, Any, Any], picture: Path) -> dict[str, float]:
        """J, F and J&F of videos, oIoU and mIoU of photographs; see `Source.validate`."""
        videos = [list(group) for _, group in groupby(self._judged, key=lambda clip: clip.frame_paths)]
        rows = []
        for clips in videos[:PICTURED_CLIPS]:
            paths = clips[0].frame_paths[:VALIDATION_FRAMES]
            texts = [clip.text for clip in clips[:PICTURED_EXPRESSIONS]]
            rows.append(draw_row(segmenter, texts, (Frame(read_frame(path)) for path in paths), len(paths)))
        save_rows(rows, picture)
        if self._splits.validate.dataset in refcoco.SPLITS:
            photographs = evaluate_refcoco(segmenter, self._judged)
            return {"oIoU": photographs.oiou, "mIoU": photographs.miou, "all": photographs.miou}
        scores = evaluate_jf(segmenter, self._judged)
        return {"J": scores.j, "F": scores.f, "all": scores.jf}


def draw_synthetic(segmenter: Segmenter[Any, Any, Any], seed: int) -> npt.NDArray[np.uint8]:
    """`draw_row` of a held-out clip of the synthetic world, with one expression of each kind."""
    height_px, width_px = VALIDATION_SIZE_PX
    clip = render_clip(seed, frames=VALIDATION_FRAMES, height=height_px, width=width_px)
    texts = [expression.text for expression in one_per_kind(clip.expressions)]
    return draw_row(segmenter, texts, map(Frame, clip.rgb), VALIDATION_FRAMES)


def draw_row(
    segmenter: Segmenter[Any, Any, Any], texts: Sequence[str], frames: Iterable[Frame], count: int
) -> npt.NDArray[np.uint8]:
    """Some frames of a clip in a row, with the masks found.

    Args:
        segmenter: the model.
        texts: expressions.
        frames: of the clip.
        count: how many there are.

    Returns:
        (H, up to PICTURED_FRAMES * W, 3) uint8, RGB, H being that of VALIDATION_SIZE_PX.
    """
    tracker = Tracker(segmenter, max_targets=max(1, len(texts)))
    for text in texts:
        tracker.add(text)
    shown = {round(index) for index in np.linspace(0, count - 1, PICTURED_FRAMES)}
    drawn = [draw_overlay(result) for index, result in enumerate(tracker.run(frames)) if index in shown]
    height_px = VALIDATION_SIZE_PX[0]
    scaled = [cv2.resize(one, (round(one.shape[1] * height_px / len(one)), height_px)) for one in drawn]
    return np.asarray(np.concatenate(scaled, 1), np.uint8)


def save_rows(rows: Sequence[npt.NDArray[np.uint8]], path: Path) -> None:
    """Write rows (H, W_i, 3), one below the other, as a PNG; shorter ones end in black."""
    width = max(row.shape[1] for row in rows)
    picture = np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def _make_loader(
    samples: Dataset[Sample], recipe: Recipe, stage: Stage, workers: int, **options: Any
) -> Iterable[Batch]:
    """Batches of one stage, made by processes of their own."""
    return DataLoader(
        samples,
        batch_size=stage.batch,
        collate_fn=partial(samples_to_batch, step_px=_step_px(recipe, stage)),
        num_workers=workers,
        worker_init_fn=ignore_interrupt,
        generator=torch.Generator(),  # not the training's, which a resumed run would draw from once more
        **options,
    )


def _in_turn(batches: Iterable[Iterable[Batch]], order: npt.NDArray[np.intp]) -> Iterator[Batch]:
    """The next batch of that stage which is in turn."""
    left = [iter(one) for one in batches]
    for index in order:
        yield next(left[index])


def _without_tracebacks(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches; a worker's error has the worker's traceback in its text, and is told in its sentence alone."""
    try:
        yield from batches
    except DatasetError as error:
        message = str(error).strip().rsplit("DatasetError: ", 1)[-1]
        # Its own traceback would keep the workers alive.
        raise DatasetError(message) from error.with_traceback(None)


def _step_px(recipe: Recipe, stage: Stage) -> int:
    """What the pictures' sides are multiples of, as where the model is at work; see `Segmenter.image_step_px`."""
    return image_step_px(replace(preset(recipe.model), image_side_px=stage.side_px))
