"""From mask logits to objects in camera pixels. Called by `engine.tracker`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from samwise_ros.engine.preprocess import fitted_size
from samwise_ros.model.segmenter import Prediction
from samwise_ros.types import Frame, FrameResult, Target, TrackedObject


def logits_to_camera(logits: Tensor, side_px: int, height_px: int, width_px: int) -> Tensor:
    """Bring low-resolution logits to the camera's size.

    Args:
        logits: (N, S/4, S/4) of the padded square.
        side_px: side S of the square.
        height_px: rows of the camera image.
        width_px: columns of the camera image.

    Returns:
        (N, H, W) float32: upsampled to S, padding cut off, resized, all bilinear.

    Source: SAMWISE, mask postprocessing of the reference implementation.
    """
    rows, columns = fitted_size(height_px, width_px, side_px)
    full = F.interpolate(logits[:, None].float(), (side_px, side_px), mode="bilinear", align_corners=False)
    full = full[..., :rows, :columns]
    if (rows, columns) != (height_px, width_px):
        full = F.interpolate(full, (height_px, width_px), mode="bilinear", align_corners=False)
    return full[:, 0]


def predictions_to_result(
    frame: Frame, targets: Sequence[Target], prediction: Prediction | None, side_px: int
) -> FrameResult:
    """Make one frame's published values; everything but the crops is computed where the logits are.

    Args:
        frame: the camera image.
        targets: N targets, 0 to 255.
        prediction: what the model says of them; None where there are none.
        side_px: side S of the network's square.

    Returns:
        The objects and the label image.
    """
    height_px, width_px = frame.rgb.shape[:2]
    if prediction is None:
        return FrameResult(frame, (), np.zeros((height_px, width_px), np.uint8))
    logits = logits_to_camera(prediction.mask_logits, side_px, height_px, width_px)
    masks = logits > 0
    largest, owner = logits.max(0)
    labels = torch.where(largest > 0, owner + 1, 0).to(torch.uint8).cpu().numpy()
    scores = torch.sigmoid(prediction.score_logits.float())
    rows, columns = masks.sum(2), masks.sum(1)
    objects = tuple(
        _describe(target, score, row.numpy(), column.numpy(), mask)
        for target, score, row, column, mask in zip(
            targets, scores.tolist(), rows.cpu(), columns.cpu(), masks, strict=True
        )
    )
    return FrameResult(frame, objects, labels)


def _describe(
    target: Target, score: float, pixels_per_row: np.ndarray, pixels_per_column: np.ndarray, mask: Tensor
) -> TrackedObject:
    """One object from its mask (H, W) bool and the mask's row and column sums."""
    area_px = int(pixels_per_row.sum())
    if area_px == 0:
        return TrackedObject(target, score, None, np.zeros((0, 0), np.bool_), None, 0)
    occupied_rows, occupied_columns = np.flatnonzero(pixels_per_row), np.flatnonzero(pixels_per_column)
    top, bottom = int(occupied_rows[0]), int(occupied_rows[-1]) + 1
    left, right = int(occupied_columns[0]), int(occupied_columns[-1]) + 1
    x_px = float(pixels_per_column @ np.arange(len(pixels_per_column))) / area_px
    y_px = float(pixels_per_row @ np.arange(len(pixels_per_row))) / area_px
    crop = mask[top:bottom, left:right].cpu().numpy()
    return TrackedObject(target, score, (left, top, right, bottom), crop, (x_px, y_px), area_px)
