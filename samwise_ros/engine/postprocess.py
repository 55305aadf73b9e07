"""From mask logits to objects in camera pixels. Called by `engine.tracker`.

All that grows with the image is computed where the logits are; what the robot needs of it comes back in one copy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from samwise_ros.engine.preprocess import fitted_size
from samwise_ros.model.segmenter import Prediction
from samwise_ros.model.stages import stage
from samwise_ros.types import Frame, FrameResult, Target, TrackedObject

NUMBERS = ("score", "area", "left", "top", "right", "bottom", "x", "y")
"""What is measured of a mask, in this order; float64."""


def logits_to_camera(logits: Tensor, side_px: int, height_px: int, width_px: int) -> Tensor:
    """Bring low-resolution logits to the camera's size.

    Args:
        logits: (N, h, w) of the network's image.
        side_px: the image's longer side, S.
        height_px: rows of the camera image.
        width_px: columns of the camera image.

    Returns:
        (N, H, W) float32: upsampled to the image, padding cut off, resized, all bilinear.

    Source: SAMWISE, mask postprocessing of the reference implementation.
    """
    rows, columns = fitted_size(height_px, width_px, side_px)
    image = [size * side_px // max(logits.shape[-2:]) for size in logits.shape[-2:]]
    full = F.interpolate(logits[:, None].float(), image, mode="bilinear", align_corners=False)
    full = full[..., :rows, :columns]
    if (rows, columns) != (height_px, width_px):
        full = F.interpolate(full, (height_px, width_px), mode="bilinear", align_corners=False)
    return full[:, 0]


def predictions_to_result(
    frame: Frame, targets: Sequence[Target], prediction: Prediction | None, side_px: int
) -> FrameResult:
    """Make one frame's published values.

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
    with stage("postprocess"):
        on_device = pack_result(prediction, side_px, height_px, width_px)
    with stage("copy back"):
        packed = on_device.cpu().numpy()
    numbers, images = np.split(packed, [len(targets) * len(NUMBERS) * 8])
    labels, *bits = images.reshape(-1, height_px, width_px)
    objects = tuple(
        _describe(target, values, bits[index // 8] if bits else labels, index % 8)
        for index, (target, values) in enumerate(
            zip(targets, numbers.view(np.float64).reshape(-1, len(NUMBERS)).tolist(), strict=True)
        )
    )
    return FrameResult(frame, objects, labels)


def pack_result(prediction: Prediction, side_px: int, height_px: int, width_px: int) -> Tensor:
    """All that is published of a frame in one piece of memory, made without waiting for the device.

    Args:
        prediction: of N targets.
        side_px: side S of the network's square.
        height_px: rows H of the camera image.
        width_px: columns W of the camera image.

    Returns:
        uint8, one dimension: `NUMBERS` of each target; the label image, H * W; and where N > 1, for each eight
        targets, an image whose n-th bit says whether the pixel is in the mask of the n-th of them.
    """
    logits = logits_to_camera(prediction.mask_logits, side_px, height_px, width_px)
    masks = logits > 0
    images = [_label(logits, masks)]
    if len(masks) > 1:
        for group in masks.to(torch.uint8).split(8):
            images.append(torch.stack([mask << bit for bit, mask in enumerate(group)]).sum(0, dtype=torch.uint8))
    numbers = torch.stack((torch.sigmoid(prediction.score_logits.double()), *_measure(masks)), 1)
    return torch.cat([numbers.view(torch.uint8).flatten(), *(image.flatten() for image in images)])


def _label(logits: Tensor, masks: Tensor) -> Tensor:
    """The label image (H, W) uint8 of (N, H, W): the number, from 1, of the mask with the largest logit, else 0.

    On a CPU a fourth of the time that `max` over targets takes, which looks for places, too.
    """
    if len(masks) == 1:
        return masks[0].to(torch.uint8)
    first = torch.arange(len(masks), 0, -1, dtype=torch.uint8, device=masks.device)[:, None, None]
    rank = (((logits == logits.amax(0)) & masks) * first).amax(0)
    return (len(masks) + 1 - rank) * (rank > 0)


def _measure(masks: Tensor) -> list[Tensor]:
    """What follows the score in `NUMBERS`, N float64 each, of masks (N, H, W) bool; of an empty one area is right."""
    per_row, per_column = masks.sum(2, dtype=torch.int32), masks.sum(1, dtype=torch.int32)
    area = per_row.sum(1).double()
    (left, right, x), (top, bottom, y) = (_extent(counts, area) for counts in (per_column, per_row))
    return [area, left, top, right, bottom, x, y]


def _extent(counts: Tensor, area: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """First occupied place, one past the last, and mean place along an axis on which (N, L) pixels were counted."""
    place = torch.arange(counts.shape[1], device=counts.device, dtype=torch.float64)
    occupied = counts > 0
    first = torch.where(occupied, place, counts.shape[1]).amin(1)
    end = torch.where(occupied, place, -1).amax(1) + 1
    return first, end, (counts * place).sum(1) / area


def _describe(target: Target, numbers: Sequence[float], image: npt.NDArray[np.uint8], bit: int) -> TrackedObject:
    """One object of its `NUMBERS` and the image (H, W) that has its mask in one bit."""
    score, area, *box, x_px, y_px = numbers
    if area == 0:
        return TrackedObject(target, score, None, np.zeros((0, 0), np.bool_), None, 0)
    left, top, right, bottom = map(int, box)
    crop = (image[top:bottom, left:right] >> bit & 1).astype(np.bool_)
    return TrackedObject(target, score, (left, top, right, bottom), crop, (x_px, y_px), int(area))
