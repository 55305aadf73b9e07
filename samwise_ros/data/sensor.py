"""From light, as `data.filming` gives it, to a camera's picture: lens, exposure, white balance, noise, JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_JPEG_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


@dataclass(frozen=True, slots=True)
class Sensor:
    """F cameras' habits.

    Attributes:
        gain: (F, 3) exposure and white balance, a factor for each of R, G, B.
        blur_px: (F,) standard deviation of the lens's blur.
        noise: (F,) standard deviation of the noise at mid grey, as a share of white.
        quality: (F,) coarseness of the JPEG's steps; 0 leaves the picture as it is, 1 is quality 50.
        vignette: (F,) how much light the corners lose, 0..1.
    """

    gain: Tensor
    blur_px: Tensor
    noise: Tensor
    quality: Tensor
    vignette: Tensor


@torch.no_grad()
def expose(light: Tensor, sensor: Sensor, noise: Tensor) -> Tensor:
    """Take the pictures.

    Args:
        light: (F, H, W, 3) linear.
        sensor: F cameras.
        noise: (F, H, W, 3) standard normal values, so that a picture can be taken again.

    Returns:
        (F, H, W, 3) uint8, sRGB.
    """
    height, width = light.shape[1:3]
    rows = torch.linspace(-1, 1, height, device=light.device)[:, None]
    columns = torch.linspace(-1, 1, width, device=light.device)
    corner = (rows * rows + columns * columns) / 2
    exposed = light * sensor.gain[:, None, None] * (1 - sensor.vignette[:, None, None] * corner)[..., None]
    blurred = _blur(exposed.permute(0, 3, 1, 2), sensor.blur_px)
    # Photons come one by one: bright places have more noise, in linear light.
    grain = sensor.noise[:, None, None, None] * noise.permute(0, 3, 1, 2) * (0.25 + blurred.clamp(0, 1)).sqrt()
    linear = (blurred + grain).clamp(0, 1)
    # The 2.4th root, in a third of the time that `pow` takes.
    root = (linear.clamp(min=1e-4).log_() / 2.4).exp_()
    encoded = torch.where(linear < 0.0031308, 12.92 * linear, 1.055 * root - 0.055)
    return (_compress(encoded, sensor.quality) * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def _blur(picture: Tensor, sigma_px: Tensor) -> Tensor:
    """Blur each frame (F, 3, H, W) by its own Gaussian."""
    radius = 4
    offsets = torch.arange(-radius, radius + 1, device=picture.device)
    kernel = torch.exp(-0.5 * (offsets / sigma_px.clamp(min=0.05)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)[:, None]
    flat = picture.reshape(1, -1, *picture.shape[2:])
    padded = F.pad(flat, (radius,) * 4, mode="replicate")
    across = F.conv2d(padded, kernel[:, :, None], groups=len(kernel))
    return F.conv2d(across, kernel[..., None], groups=len(kernel)).reshape(picture.shape)


def _compress(picture: Tensor, coarseness: Tensor) -> Tensor:
    """What JPEG loses: the cosine transform of 8x8 blocks, rounded; (F, 3, H, W) 0..1 in and out."""
    height, width = picture.shape[-2:]
    padded = F.pad(picture, (0, -width % 8, 0, -height % 8), mode="replicate")
    n = torch.arange(8, device=picture.device, dtype=torch.float32)
    basis = torch.cos(torch.pi / 8 * (n + 0.5) * n[:, None]) * 0.5
    basis[0] /= 2**0.5
    both = torch.kron(basis, basis)  # of a block's 64 pixels in one product
    blocks = padded.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8)).transpose(-3, -2).flatten(-2)
    table = torch.tensor(_JPEG_LUMA, device=picture.device, dtype=torch.float32)
    step = (table * coarseness[:, None, None]).clamp(min=1).flatten(1)[:, None, None, None]
    rounded = ((blocks * 255) @ both.T / step).round() * step @ both / 255
    back = rounded.unflatten(-1, (8, 8)).transpose(-3, -2).flatten(-4, -3).flatten(-2, -1)[..., :height, :width]
    return torch.where(coarseness[:, None, None, None] > 0, back, picture)
