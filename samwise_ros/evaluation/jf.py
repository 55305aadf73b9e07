"""Agreement of two masks: region similarity J, contour accuracy F and J&F. Called by `evaluation` and the demo."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from samwise_ros.errors import ShapeError
from samwise_ros.types import TrackedObject

TOLERANCE = 0.008
"""How far apart two contours may run and still agree, as a share of the image's diagonal."""


@dataclass(frozen=True, slots=True)
class JF:
    """Mean agreement over some masks.

    Attributes:
        count: how many were averaged: expressions, or objects.
        j: mean region similarity, 0..1.
        f: mean contour accuracy, 0..1.
    """

    count: int
    j: float
    f: float

    @property
    def jf(self) -> float:
        """The mean of both, which benchmarks rank by."""
        return (self.j + self.f) / 2


def region_similarity(mask: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> float:
    """Jaccard index J of two masks.

    Args:
        mask: (H, W) bool, predicted.
        truth: (H, W) bool.

    Returns:
        Intersection over union, 0..1; 1 where both are empty.

    Raises:
        ShapeError: the masks differ in shape or are not bool.

    Source: Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation" (DAVIS).
    """
    common, union = overlap_px(mask, truth)
    return 1.0 if union == 0 else common / union


def overlap_px(mask: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Pixels of the intersection and of the union of two masks.

    Args:
        mask: (H, W) bool.
        truth: (H, W) bool.

    Returns:
        Both areas.

    Raises:
        ShapeError: the masks differ in shape or are not bool.
    """
    _check(mask, truth)
    return int(np.count_nonzero(mask & truth)), int(np.count_nonzero(mask | truth))


def contour_accuracy(mask: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> float:
    """Boundary measure F of two masks.

    A contour pixel agrees where the other mask's contour has a pixel within ceil(TOLERANCE * diagonal) px.

    Args:
        mask: (H, W) bool, predicted.
        truth: (H, W) bool.

    Returns:
        Harmonic mean of precision (share of `mask`'s contour that agrees) and recall (share of `truth`'s), 0..1;
        1 where neither has a contour, 0 where one of them has none.

    Raises:
        ShapeError: the masks differ in shape or are not bool.

    Source: Perazzi et al. (as above), by the rules of the DAVIS 2017 evaluation.
    """
    _check(mask, truth)
    found, wanted = _contour(mask), _contour(truth)
    found_px, wanted_px = int(found.sum()), int(wanted.sum())
    if found_px == 0 or wanted_px == 0:
        return float(found_px == wanted_px)
    disk = _disk(math.ceil(TOLERANCE * math.hypot(*mask.shape)))
    precision = int(np.logical_and(found, cv2.dilate(wanted, disk)).sum()) / found_px
    recall = int(np.logical_and(wanted, cv2.dilate(found, disk)).sum()) / wanted_px
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def object_to_mask(thing: TrackedObject, height_px: int, width_px: int) -> npt.NDArray[np.bool_]:
    """An object's mask at the camera's size.

    Args:
        thing: a tracked object.
        height_px: rows of the camera image.
        width_px: columns of the camera image.

    Returns:
        (H, W) bool.
    """
    mask = np.zeros((height_px, width_px), np.bool_)
    if thing.box_xyxy_px is not None:
        left, top, right, bottom = thing.box_xyxy_px
        mask[top:bottom, left:right] = thing.mask
    return mask


def _contour(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """(H, W) 1 where the pixel to the right, below, or right below differs; the image's edge is no contour."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    edges = (mask ^ padded[:-1, 1:]) | (mask ^ padded[1:, :-1]) | (mask ^ padded[1:, 1:])
    return edges.view(np.uint8)


def _disk(radius_px: int) -> npt.NDArray[np.uint8]:
    """(2 r + 1, 2 r + 1) 1 within the radius of the middle."""
    squares = np.square(np.arange(-radius_px, radius_px + 1))
    return (squares[:, None] + squares <= radius_px**2).astype(np.uint8)


def _check(mask: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> None:
    if mask.shape != truth.shape or mask.dtype != np.bool_ or truth.dtype != np.bool_:
        raise ShapeError(
            f"masks are {mask.dtype} {mask.shape} and {truth.dtype} {truth.shape}, expected bool of one shape: "
            "compare masks of the same frame"
        )
