"""A small convolutional pyramid that recognises things before any text is read, for the compact presets.

Called by `model.samwise` and `model.refsam`. Their transformers learn to tell shapes apart from a great many pictures,
which SAM's weights bring and the compact presets never see. Convolutions learn the same from far fewer (docs/log.md),
once per frame however many targets there are, and hand what they know to maps of the transformer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import fuse_conv_bn_eval

DEPTHS = (1, 2, 2, 2)
"""Residual blocks at strides 4, 8, 16 and 32."""

WIDTHS = (1, 2, 4, 6)
"""Channels there, as multiples of those at stride 4."""


def pyramid_widths(width: int) -> tuple[int, ...]:
    """Channels of a pyramid's four maps, that has `width` of them at stride 4."""
    return tuple(width * factor for factor in WIDTHS)


class ConvPyramid(nn.Module):
    """Residual convolutions down to stride 32, and from there up again to stride 4.

    Args:
        width: channels at stride 4.
        told: for each map of another network that is to be told, which of the four it is like (0..3) and its channels.

    Source: residual blocks of He et al. (arXiv 1512.03385), top-down path of Lin et al. (arXiv 1612.03144). That
    convolutions help a transformer which has seen little is known from the spatial prior module of Chen et al.
    (arXiv 2205.08534).

    Differs: nothing like it is in SAMWISE or RefSAM; of the presets the compact ones alone have it.
    """

    def __init__(self, width: int, told: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        widths = pyramid_widths(width)
        self.stem = nn.Sequential(*_conv_norm_relu(3, width // 2, 2), *_conv_norm_relu(width // 2, width, 2))
        before = (width, *widths)
        self.levels = nn.ModuleList(
            nn.Sequential(
                ResidualBlock(before[level], before[level + 1], 2 if level else 1),
                *(ResidualBlock(before[level + 1], before[level + 1], 1) for _ in range(depth - 1)),
            )
            for level, depth in enumerate(DEPTHS)
        )
        self.narrow = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(widths))
        self.merge = nn.ModuleList(nn.Sequential(*_conv_norm_relu(fine, fine, 1)) for fine in widths[:-1])
        self._told = tuple(level for level, _ in told)
        self.hand_over = nn.ModuleList(nn.Conv2d(widths[level], channels, 1) for level, channels in told)
        for parameter in self.hand_over.parameters():
            nn.init.zeros_(parameter)  # a network that was trained without a pyramid is at first left as it is

    def forward(self, images: Tensor) -> list[Tensor]:
        """See.

        Args:
            images: (N, 3, S, S) normalised.

        Returns:
            Maps (N, C_k, h_k, w_k) of strides 4, 8, 16 and 32, channels last in memory, C_k being `pyramid_widths`.
        """
        x: Tensor = self.stem(images.contiguous(memory_format=torch.channels_last))
        maps: list[Tensor] = []
        for level in self.levels:
            x = level(x)
            maps.append(x)
        for fine in (2, 1, 0):
            coarse = F.interpolate(self.narrow[fine](maps[fine + 1]), scale_factor=2.0, mode="nearest")
            maps[fine] = self.merge[fine](maps[fine] + coarse)
        return maps

    def tell(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """What to add to the maps that are told.

        Args:
            maps: from `forward`.

        Returns:
            For each of them (N, h, w, C), channels last, as a transformer has its maps.
        """
        return [last(maps[level]).permute(0, 2, 3, 1) for last, level in zip(self.hand_over, self._told, strict=True)]

    def fold_batch_norms(self) -> None:
        """Let each convolution do what the batch norm after it does, in evaluation mode; changed in place, for good."""
        for row in self.modules():
            if isinstance(row, nn.Sequential):
                for place, (convolution, norm) in enumerate(pairwise(row)):
                    if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                        row[place], row[place + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut.

    Args:
        before: channels that come in.
        after: channels that go out.
        stride: 1, or 2 to halve the map.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(*_conv_norm_relu(before, after, stride))
        self.second = nn.Sequential(*_conv_norm_relu(after, after, 1)[:2])
        shortcut: list[nn.Module] = [nn.AvgPool2d(2)] if stride == 2 else []
        if before != after:
            shortcut.append(nn.Conv2d(before, after, 1, bias=False))
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """(N, before, h, w) → (N, after, h / stride, w / stride)."""
        return F.relu(self.shortcut(x) + self.second(self.first(x)))


def _conv_norm_relu(before: int, after: int, stride: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
