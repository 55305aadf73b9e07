"""J on held-out clips of the synthetic world, frame by frame as a robot sees them. Called by `samwise evaluate`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from samwise_ros.data.synthetic import EXPRESSION_KINDS, FIRST_TRAINING_SEED, Clip, Expression, render_clip
from samwise_ros.engine.tracker import Tracker
from samwise_ros.errors import DatasetError
from samwise_ros.evaluation.jf import object_to_mask, region_similarity
from samwise_ros.model.segmenter import Segmenter
from samwise_ros.types import Frame

ABSENT = "absent"
"""Row of the expressions that are true of nothing in view."""


def evaluate_clips(
    segmenter: Segmenter[Any, Any, Any], seeds: Iterable[int], *, frames: int, height_px: int, width_px: int
) -> Iterator[dict[str, float]]:
    """Track through held-out clips, in each one expression of every kind that it has.

    Args:
        segmenter: the model.
        seeds: of the clips; below FIRST_TRAINING_SEED.
        frames: length of a clip.
        height_px: rows of the camera image.
        width_px: columns of the camera image.

    Yields:
        For each clip, by kind of expression (or `ABSENT`), the mean J over the clip's frames, 0..1.

    Raises:
        DatasetError: a seed is one of the training set's.
    """
    for seed in seeds:
        if seed >= FIRST_TRAINING_SEED:
            raise DatasetError(f"seed {seed} belongs to the training set, expected one below {FIRST_TRAINING_SEED}")
        clip = render_clip(seed, frames=frames, height=height_px, width=width_px)
        yield _evaluate_clip(segmenter, clip, one_per_kind(clip.expressions))


def one_per_kind(expressions: Iterable[Expression]) -> dict[str, Expression]:
    """The first expression of each kind; those true of nothing make a kind of their own."""
    chosen: dict[str, Expression] = {}
    for expression in expressions:
        chosen.setdefault(expression.kind if expression.object_index else ABSENT, expression)
    return chosen


def format_table(scores: Iterable[dict[str, float]]) -> str:
    """Mean J by kind.

    Args:
        scores: from `evaluate_clips`.

    Returns:
        A Markdown table, a row per kind and one for the mean over all expressions.
    """
    by_kind: dict[str, list[float]] = {kind: [] for kind in (*EXPRESSION_KINDS, ABSENT)}
    for clip in scores:
        for kind, value in clip.items():
            by_kind[kind].append(value)
    rows = ["| expression | clips | mean J |", "|---|---|---|"]
    rows += [f"| {kind} | {len(values)} | {np.mean(values):.3f} |" for kind, values in by_kind.items() if values]
    every = [value for values in by_kind.values() for value in values]
    return "\n".join([*rows, f"| **all** | {len(every)} | **{np.mean(every):.3f}** |"])


def _evaluate_clip(segmenter: Segmenter[Any, Any, Any], clip: Clip, chosen: dict[str, Expression]) -> dict[str, float]:
    tracker = Tracker(segmenter, max_targets=max(1, len(chosen)))
    targets = {kind: tracker.add(expression.text) for kind, expression in chosen.items()}
    truths = {kind: clip.mask(expression) for kind, expression in chosen.items()}
    sums = dict.fromkeys(chosen, 0.0)
    for index, result in enumerate(tracker.run(map(Frame, clip.rgb))):
        found = {thing.target: thing for thing in result.objects}
        for kind, target in targets.items():
            mask = object_to_mask(found[target], *clip.rgb.shape[1:3])
            sums[kind] += region_similarity(mask, truths[kind][index])
    return {kind: total / len(clip.rgb) for kind, total in sums.items()}
