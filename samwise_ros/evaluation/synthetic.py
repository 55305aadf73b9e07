"""J&F on held-out clips of the synthetic world, frame by frame as a robot sees them. Called by `samwise evaluate`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from samwise_ros.data.expressions import Expression
from samwise_ros.data.synthetic import FIRST_TRAINING_SEED, Clip, render_clip
from samwise_ros.data.vocabulary import EXPRESSION_KINDS
from samwise_ros.data.wording import reword_untrained
from samwise_ros.engine.tracker import Tracker
from samwise_ros.errors import DatasetError
from samwise_ros.evaluation.jf import contour_accuracy, object_to_mask, region_similarity
from samwise_ros.model.segmenter import Segmenter
from samwise_ros.types import Frame

SPLITS = ("test", "held-out", "reworded")
"""What can be measured: worlds that were not trained on; others, with combinations never trained on; and those
of `test`, asked with words that were never trained on and change nothing."""


@dataclass(frozen=True, slots=True)
class Judged:
    """How well one expression was answered; J, F and shares are 0..1, means over the clip's frames.

    Attributes:
        expression: what was asked.
        j: region similarity.
        f: contour accuracy.
        empty: share of frames with an empty mask.
    """

    expression: Expression
    j: float
    f: float
    empty: float

    @property
    def jf(self) -> float:
        """J&F."""
        return (self.j + self.f) / 2


@dataclass(frozen=True, slots=True)
class ClipScores:
    """What came of one clip, all its expressions being followed at once.

    Attributes:
        seed: of the clip.
        judged: one expression of each kind.
        frames: length of the clip.
        tracking_s: time that its frames took, without filming and judging.
    """

    seed: int
    judged: tuple[Judged, ...]
    frames: int
    tracking_s: float


def evaluate_clips(
    segmenter: Segmenter[Any, Any, Any],
    seeds: Iterable[int],
    *,
    frames: int,
    height_px: int,
    width_px: int,
    split: str = "test",
) -> Iterator[ClipScores]:
    """Track through held-out clips, in each one expression of every kind that it has.

    Args:
        segmenter: the model.
        seeds: of the clips; below FIRST_TRAINING_SEED.
        frames: length of a clip.
        height_px: rows of the camera image.
        width_px: columns of the camera image.
        split: one of SPLITS.

    Yields:
        The scores of each clip.

    Raises:
        DatasetError: a seed is one of the training set's.
    """
    for seed in seeds:
        if seed >= FIRST_TRAINING_SEED:
            raise DatasetError(f"seed {seed} belongs to the training set, expected one below {FIRST_TRAINING_SEED}")
        clip = film_test_clip(seed, split, frames=frames, height_px=height_px, width_px=width_px)
        asked = one_per_kind(clip.expressions)
        masks, tracking_s = track_texts(segmenter, clip.rgb, [expression.text for expression in asked])
        judged = tuple(_judge(clip, *pair) for pair in zip(asked, masks, strict=True))
        yield ClipScores(seed, judged, frames, tracking_s)


def film_test_clip(seed: int, split: str, *, frames: int, height_px: int, width_px: int) -> Clip:
    """Film a clip of one of SPLITS, with the expressions that are asked of it."""
    clip = render_clip(seed, frames=frames, height=height_px, width=width_px, held_out=split == "held-out")
    if split != "reworded":
        return clip
    rng = np.random.default_rng(seed)
    said = (replace(one, text=reword_untrained(one.text, rng)) for one in clip.expressions)
    return replace(clip, expressions=tuple(said))


def one_per_kind(expressions: Iterable[Expression]) -> list[Expression]:
    """The first expression of each kind, in the order of EXPRESSION_KINDS."""
    chosen: dict[str, Expression] = {}
    for expression in expressions:
        chosen.setdefault(expression.kind, expression)
    return [chosen[kind] for kind in EXPRESSION_KINDS if kind in chosen]


def track_texts(
    segmenter: Segmenter[Any, Any, Any], rgb: npt.NDArray[np.uint8], texts: Sequence[str]
) -> tuple[npt.NDArray[np.bool_], float]:
    """Follow some things through a clip, all at once.

    Args:
        segmenter: the model.
        rgb: (T, H, W, 3), the video.
        texts: N referring expressions.

    Returns:
        Masks (N, T, H, W), and the seconds that the frames took.
    """
    tracker = Tracker(segmenter, max_targets=max(1, len(texts)))
    targets = [tracker.add(text) for text in texts]
    masks = np.zeros((len(texts), *rgb.shape[:3]), np.bool_)
    start = time.perf_counter()
    results = list(tracker.run(map(Frame, rgb)))
    tracking_s = time.perf_counter() - start
    for index, result in enumerate(results):
        found = {thing.target: thing for thing in result.objects}
        for row, target in enumerate(targets):
            masks[row, index] = object_to_mask(found[target], *rgb.shape[1:3])
    return masks, tracking_s


def summarise(clips: Sequence[ClipScores]) -> dict[str, Any]:
    """Scores of a whole run, for programs.

    Args:
        clips: from `evaluate_clips`.

    Returns:
        `jf`, `j` and `f`: means over all expressions; `by_kind`: by kind of expression, `count`, `jf`, `j` and `f`;
        `empty_rate`: share of frames with an empty mask where the expression is true of nothing, None without such;
        `frames_per_s` and `targets`: speed of the tracker, and how many targets it followed at once on average.
    """
    everything = [judged for clip in clips for judged in clip.judged]
    by_kind = {kind: [one for one in everything if one.expression.kind == kind] for kind in EXPRESSION_KINDS}
    absent = by_kind["absent"]
    return {
        **_means(everything),
        "by_kind": {kind: _means(ones) for kind, ones in by_kind.items() if ones},
        "empty_rate": float(np.mean([one.empty for one in absent])) if absent else None,
        "clips": len(clips),
        "frames_per_s": sum(clip.frames for clip in clips) / sum(clip.tracking_s for clip in clips),
        "targets": float(np.mean([len(clip.judged) for clip in clips])),
    }


def format_table(summary: dict[str, Any]) -> str:
    """A Markdown table of what `summarise` says, a row per kind and one for the mean over all expressions."""
    rows = ["| expression | clips | J&F | J | F |", "|---|---|---|---|---|"]
    for kind, means in summary["by_kind"].items():
        rows.append(f"| {kind} | {means['count']} | {means['jf']:.3f} | {means['j']:.3f} | {means['f']:.3f} |")
    rows.append(f"| **all** | {summary['count']} | **{summary['jf']:.3f}** | {summary['j']:.3f} | {summary['f']:.3f} |")
    if summary["empty_rate"] is not None:
        rows.append(f"\nTrue of nothing: {100 * summary['empty_rate']:.1f} % of the frames have an empty mask.")
    rows.append(f"{summary['frames_per_s']:.1f} frames/s with {summary['targets']:.1f} targets at once.")
    return "\n".join(rows)


def _means(judged: Sequence[Judged]) -> dict[str, float]:
    means = {name: float(np.mean([getattr(one, name) for one in judged])) for name in ("jf", "j", "f")}
    return {"count": len(judged), **means}


def _judge(clip: Clip, expression: Expression, masks: npt.NDArray[np.bool_]) -> Judged:
    pairs = list(zip(masks, clip.mask(expression), strict=True))
    j, f = (float(np.mean([measure(*pair) for pair in pairs])) for measure in (region_similarity, contour_accuracy))
    return Judged(expression, j, f, float(np.mean(~masks.any((1, 2)))))
