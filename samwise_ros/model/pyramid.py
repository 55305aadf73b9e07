"""A small convolutional pyramid that recognises things before any text is read. Called by `model.samwise`.

Hiera learns to tell shapes apart from a great many pictures, which SAM 2's weights bring and `compact` never sees.
Convolutions learn the same from far fewer (docs/log.md), once per frame however many targets there are, and hand what
they know to the backbone's first two maps.
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
"""Channels there, as multiples of the backbone's width."""


def pyramid_widths(width: int) -> tuple[int, ...]:
    """Channels of a pyramid's four maps, beside a backbone whose first stage has `width`."""
    return tuple(width * factor for factor in WIDTHS)


class ConvPyramid(nn.Module):
    """Residual convolutions down to stride 32, and from there up again to stride 4.

    Args:
        width: channels at stride 4, those of the backbone's first stage.

    Source: residual blocks of He et al. (arXiv 1512.03385), top-down path of Lin et al. (arXiv 1612.03144). That
    convolutions help a transformer which has seen little is known from the spatial prior module of Chen et al.
    (arXiv 2205.08534).

    Differs: nothing like it is in SAMWISE; of the presets `compact` alone has it.
    """

    def __init__(self, width: int) -> None:
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
        self.hand_over = nn.ModuleList(nn.Conv2d(channels, channels, 1) for channels in widths[:2])
        for parameter in self.hand_over.parameters():
            nn.init.zeros_(parameter)  # a backbone that was trained without a pyramid is at first left as it is

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

    def tell(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """What to add to the backbone's maps of strides 4 and 8.

        Args:
            maps: from `forward`.

        Returns:
            (N, S/4, S/4, C_0) and (N, S/8, S/8, C_1), as the backbone has its maps.
        """
        fine, coarse = (last(level).permute(0, 2, 3, 1) for last, level in zip(self.hand_over, maps, strict=False))
        return fine, coarse

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
