"""Lets masks follow the edges of the picture, without a weight. Called by the segmenters of our own small presets.

Their logits have a cell for every four (`compact`) or two (`refsam_compact`) pixels of the network's image: eight and
five of a camera of 640x480.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

REACH = 4
"""Cells to each side of the windows in which a mask is explained by colours."""

FLATNESS = 6e-4
"""Variance of a colour, in the units of normalised images, below which it explains nothing."""

TRUST = 4.0
"""A mask follows the colours wholly where they explain one part in so many of its variance, not at all where none."""

SOFTNESS = 0.7
"""How many logits make a cell a little more sure."""


def follow_edges(mask_logits: Tensor, image: Tensor) -> Tensor:
    """Upsample mask logits to an image, so that their edges lie where its colours change.

    In every window the mask is taken for a linear function of the colour, which is fitted to the cells and then
    computed of the image's pixels.

    Args:
        mask_logits: (N, h, w).
        image: (3, H, W) normalised, which the cells cover.

    Returns:
        (N, H, W) float32, hardly beyond -2 and 2; positive in the mask.

    Source: He & Sun, "Fast Guided Filter" (arXiv 1505.00996), with a colour image as guide.

    Differs: what is filtered are probabilities, so that very sure cells do not outweigh the edge; where colours explain
    nothing the mask is upsampled bilinearly instead of being blurred.
    """
    colours = image[None].float()
    small = F.interpolate(colours, mask_logits.shape[-2:], mode="area")
    red, green, blue = small[0]
    products = torch.stack((red * red, red * green, red * blue, green * green, green * blue, blue * blue))
    means, squares = _window_means(torch.cat((small, products[None]), 1))[0].split((3, 6))
    r, g, b = means
    rr, rg, rb, gg, gb, bb = squares - torch.stack((r * r, r * g, r * b, g * g, g * b, b * b))
    rr, gg, bb = rr + FLATNESS, gg + FLATNESS, bb + FLATNESS
    # Elimination of the colours' covariance. Of a grey picture its determinant is lost in rounding, these numbers not.
    by_red, by_red_too = rg / rr, rb / rr
    gg, gb = gg - by_red * rg, gb - by_red * rb
    by_green = gb / gg
    bb = bb - by_red_too * rb - by_green * gb

    inside = torch.sigmoid(mask_logits.float()[:, None] / SOFTNESS) - 0.5
    sums = _window_means(torch.cat((inside, inside * inside, inside * small), 1))
    mean, spread = sums[:, 0], sums[:, 1] - sums[:, 0].square()
    covariance = sums[:, 2:] - mean[:, None] * means
    red, green, blue = covariance.unbind(1)
    green = green - by_red * red
    slope_blue = (blue - by_red_too * red - by_green * green) / bb
    slope_green = green / gg - by_green * slope_blue
    slope_red = red / rr - by_red * slope_green - by_red_too * slope_blue
    slope = torch.stack((slope_red, slope_green, slope_blue), 1)
    offset = mean - (slope * means).sum(1)
    explained = (slope * covariance).sum(1) / (spread + 1e-3)
    fitted = _window_means(torch.cat((slope, torch.stack((offset, explained), 1)), 1))
    fitted = F.interpolate(torch.cat((fitted, inside), 1), image.shape[-2:], mode="bilinear", align_corners=False)
    followed = (fitted[:, :3] * colours).sum(1) + fitted[:, 3]
    # Four times a probability's distance from a half is a logit, near the edge.
    return 4 * torch.lerp(fitted[:, 5], followed, (TRUST * fitted[:, 4]).clamp(0, 1))


def _window_means(maps: Tensor) -> Tensor:
    """Means of maps (N, C, h, w) over the part of each cell's window that they cover."""
    rows, columns = (_window(size, maps.device) for size in maps.shape[-2:])
    return rows @ (maps @ columns.T)


def _window(size: int, device: torch.device) -> Tensor:
    """(size, size): a row for each cell of an axis, whose product with what is there is the mean of its window.

    A CPU multiplies with it in a fifth of the time that pooling takes.
    """
    place = torch.arange(size, device=device)
    near = ((place[:, None] - place).abs() <= REACH).float()
    return near / near.sum(1, keepdim=True)
