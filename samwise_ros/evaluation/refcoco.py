"""IoU on the photographs of RefCOCO, RefCOCO+ and RefCOCOg. Called by `samwise evaluate`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from samwise_ros.data.described import DescribedClip, Truth
from samwise_ros.errors import DatasetError
from samwise_ros.evaluation.described import check_size, track_clips
from samwise_ros.evaluation.jf import overlap_px
from samwise_ros.model.segmenter import Segmenter

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""IoU above which an expression counts as found, for P@K."""


@dataclass(frozen=True, slots=True)
class RefCocoScores:
    """Agreement over photographs.

    Attributes:
        count: number of expressions.
        oiou: overall IoU: all pixels of intersections by all pixels of unions, 0..1.
        miou: mean IoU over expressions, 0..1.
        precision: for each of THRESHOLDS, the share of expressions with a larger IoU.
    """

    count: int
    oiou: float
    miou: float
    precision: tuple[float, ...]


def evaluate_refcoco(segmenter: Segmenter[Any, Any, Any], clips: Iterable[DescribedClip[Truth]]) -> RefCocoScores:
    """Find what each expression describes in its photograph.

    Args:
        segmenter: the model.
        clips: of one frame; those of one photograph one after the other share its features.

    Returns:
        Over all expressions; IoU is 1 where mask and truth are empty.

    Raises:
        DatasetError: there is no expression, or a file cannot be read.

    Source: tools/metrics.py of the reference implementation.
    """
    count, iou_sum, common_px, union_px = 0, 0.0, 0, 0
    found = [0] * len(THRESHOLDS)
    for clip, index, mask in track_clips(segmenter, clips):
        truth = clip.truth.mask(index)
        check_size(truth, mask, clip, index)
        common, union = overlap_px(mask, truth)
        iou = common / union if union else 1.0
        found = [hits + (iou > threshold) for hits, threshold in zip(found, THRESHOLDS, strict=True)]
        count, iou_sum, common_px, union_px = count + 1, iou_sum + iou, common_px + common, union_px + union
    if count == 0:
        raise DatasetError("the data set holds no expression, expected at least one: check the file of annotations")
    oiou = common_px / union_px if union_px else 1.0
    return RefCocoScores(count, oiou, iou_sum / count, tuple(hits / count for hits in found))


def format_refcoco(scores: RefCocoScores) -> str:
    """A Markdown table of one row."""
    names = ["expressions", "oIoU", "mIoU", *(f"P@{threshold}" for threshold in THRESHOLDS)]
    values = [str(scores.count), *(f"{value:.3f}" for value in (scores.oiou, scores.miou, *scores.precision))]
    return "\n".join([f"| {' | '.join(names)} |", "|---" * len(names) + "|", f"| {' | '.join(values)} |"])
