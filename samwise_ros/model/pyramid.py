"""A small convolutional pyramid that recognises things before any text is read.

Called by `model.samwise` and `model.refsam`.

A transformer learns to tell shapes apart from a great many pictures, which SAM's weights bring and our own small
presets never see. Convolutions learn the same from far fewer (docs/log.md), once per frame however many targets there
are, and hand what they know to maps that the words meet later.
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
    """Residual convolutions down to stride 32, and from there up again to the finest map that is handed over.

    Args:
        width: channels at stride 4.
        told: levels whose maps are handed over, 0 being that of stride 4; each through a convolution that starts as
            zero.

    Source: residual blocks of He et al. (arXiv 1512.03385), top-down path of Lin et al. (arXiv 1612.03144). That
    convolutions help a transformer which has seen little is known from the spatial prior module of Chen et al.
    (arXiv 2205.08534).

    Differs: nothing like it is in SAMWISE or RefSAM; of the presets `compact` and `refsam_compact` alone have it.
    """

    def __init__(self, width: int, told: Sequence[int]) -> None:
        super().__init__()
        self.told = tuple(told)
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
        ways_up = {f"{level}": widths[level : level + 2] for level in range(min(told), len(widths) - 1)}
        self.narrow = nn.ModuleDict({name: nn.Conv2d(coarse, fine, 1) for name, (fine, coarse) in ways_up.items()})
        self.merge = nn.ModuleDict(
            {name: nn.Sequential(*_conv_norm_relu(fine, fine, 1)) for name, (fine, _) in ways_up.items()}
        )
        self.hand_over = nn.ModuleList(nn.Conv2d(widths[level], widths[level], 1) for level in told)
        for parameter in self.hand_over.parameters():
            nn.init.zeros_(parameter)  # a network that was trained without a pyramid is at first left as it is

    def forward(self, images: Tensor) -> list[Tensor]:
        """See.

        Args:
            images: (N, 3, H, W) normalised.

        Returns:
            Maps (N, C_k, h_k, w_k) of strides 4, 8, 16 and 32, channels last in memory, C_k being `pyramid_widths`.
            Those finer than any that is handed over do not know what the coarser ones see.
        """
        x: Tensor = self.stem(images.contiguous(memory_format=torch.channels_last))
        maps: list[Tensor] = []
        for level in self.levels:
            x = level(x)
            maps.append(x)
        for fine in range(len(maps) - 2, min(self.told) - 1, -1):
            coarse = F.interpolate(self.narrow[f"{fine}"](maps[fine + 1]), scale_factor=2.0, mode="nearest")
            maps[fine] = self.merge[f"{fine}"](maps[fine] + coarse)
        return maps

    def tell(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """What to add to the network's maps.

        Args:
            maps: from `forward`.

        Returns:
            Of each level k of `told` (N, C_k, h_k, w_k).
        """
        return [last(maps[level]) for last, level in zip(self.hand_over, self.told, strict=True)]

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
