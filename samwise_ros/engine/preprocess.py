"""From a camera image to the network's input. Called by `engine.tracker`, `ros`, `cli` and `training`."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

MEAN = (0.485, 0.456, 0.406)
"""Mean of R, G, B in 0..1 that the image encoder expects to be taken off."""

STD = (0.229, 0.224, 0.225)
"""Standard deviation of R, G, B that it expects to be divided out."""

SQUARE_MARGIN_PX = 4
"""A square frame is fitted to this much less than the network's side, as the reference does."""


def fitted_size(height_px: int, width_px: int, side_px: int) -> tuple[int, int]:
    """Size of a frame after it is fitted into the network's square.

    Args:
        height_px: rows of the frame.
        width_px: columns of the frame.
        side_px: side S of the square.

    Returns:
        (height, width) in pixels, each at least 1; the long side is S, or S - 4 where both are equal.
    """
    long = side_px - SQUARE_MARGIN_PX if height_px == width_px else side_px
    scale = long / max(height_px, width_px)
    return max(1, round(height_px * scale)), max(1, round(width_px * scale))


def padded_size(height_px: int, width_px: int, side_px: int, step_px: int) -> tuple[int, int]:
    """Size of the network's image of a frame.

    Args:
        height_px: rows of the frame.
        width_px: columns of the frame.
        side_px: side S of the square into which it is fitted.
        step_px: divides S; see `Segmenter.image_step_px`.

    Returns:
        (height, width) in pixels, of which one is S.
    """
    rows, columns = fitted_size(height_px, width_px, side_px)
    return whole_steps(rows, step_px), whole_steps(columns, step_px)


def whole_steps(length_px: int, step_px: int) -> int:
    """The smallest multiple of `step_px` that is not less than a length."""
    return math.ceil(length_px / step_px) * step_px


def normalise(rgb: Tensor) -> Tensor:
    """Scale pixels as the image encoder expects them.

    Args:
        rgb: (N, H, W, 3) uint8.

    Returns:
        (N, 3, H, W) float32, about zero mean and unit deviation.
    """
    return _normalise(rgb.permute(0, 3, 1, 2).float())


def rgb_to_input(rgb: npt.NDArray[np.uint8], size_px: tuple[int, int], device: torch.device) -> Tensor:
    """Fit a camera image into the network's square, or a part of it.

    Args:
        rgb: (H, W, 3) uint8; not written to.
        size_px: (rows, columns) of the result, its `padded_size`.
        device: where the result lives; the image crosses to it once, as bytes.

    Returns:
        (1, 3, rows, columns) float32: resized bilinearly with antialiasing, normalised, zero-padded at the
        bottom and right.

    Source: SAMWISE, input preparation of the reference implementation.

    Differs: pads less than to the square where `size_px` is less; on a CPU it resizes to whole levels of 0..255.
    """
    height_px, width_px = fitted_size(rgb.shape[0], rgb.shape[1], max(size_px))
    pixels = torch.from_numpy(np.ascontiguousarray(rgb) if rgb.flags.writeable else rgb.copy())
    if device.type == "cuda":
        # From pinned memory, which PyTorch uses again once the copy is done, the CPU need not wait for it.
        # It does not resize bytes, which take a CPU a fifth of the time of floats.
        pixels = pixels.pin_memory().to(device, non_blocking=True).float()
    image = pixels[None].permute(0, 3, 1, 2)
    if image.shape[-2:] != (height_px, width_px):
        image = F.interpolate(image, (height_px, width_px), mode="bilinear", align_corners=False, antialias=True)
    rows, columns = size_px
    return F.pad(_normalise(image.float()), (0, columns - width_px, 0, rows - height_px))


def _normalise(image: Tensor) -> Tensor:
    """(N, 3, H, W) 0..255 → about zero mean and unit deviation, channels last in memory as it came."""
    mean, std = _statistics(image.device)
    return (image - mean) / std


@cache
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    """MEAN and STD (3, 1, 1) for 0..255, copied to each device once."""
    with torch.inference_mode(False):
        mean, std = (torch.tensor(values, device=device)[:, None, None] * 255 for values in (MEAN, STD))
    return mean, std
