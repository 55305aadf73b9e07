"""What RefSAM adds to SAM 1: adapters, and the ways in which words and time reach the mask decoder.

Called by `model.refsam` and `model.sam1_steps`.

Source: Li et al., "RefSAM: Efficiently Adapting Segmenting Anything Model for Referring Video Object Segmentation",
Neural Networks 2025 (arXiv 2307.00997).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

REDUCTION = 4
"""An adapter's hidden width is this much less than the block's."""

EXPANSION = 4
"""The tracking module's hidden width is this much more than a token's."""


def bottleneck(width: int) -> nn.Sequential:
    """An adapter: to a quarter of the channels V, GELU, and back. It starts as zero, so that SAM starts as it was."""
    up = nn.Linear(width // REDUCTION, width)
    nn.init.zeros_(up.weight)
    nn.init.zeros_(up.bias)
    return nn.Sequential(nn.Linear(width, width // REDUCTION), nn.GELU(), up)


class BlockAdapters(nn.Module):
    """The two adapters of a transformer block; `model.sam1_steps` adds what they give.

    Args:
        width: channels V of the block.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.after_attention = bottleneck(width)
        self.beside_mlp = bottleneck(width)


class CrossModalMlp(nn.Module):
    """Brings words and sentence into the space of SAM's prompts.

    Args:
        text_width: channels D of the text encoder.
        width: channels C of SAM's prompts.

    Source: RefSAM, Cross-Modal MLP, with the one hidden layer that the paper found best.
    """

    def __init__(self, text_width: int, width: int) -> None:
        super().__init__()
        half = text_width // 2
        self.layers = nn.Sequential(
            nn.Linear(text_width, half), nn.ReLU(), nn.Linear(half, half), nn.ReLU(), nn.Linear(half, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → (…, C) of length 1."""
        return F.normalize(self.layers(x), dim=-1)


class DenseAttention(nn.Module):
    """Lets every cell of a map look at the words: a convolution of the map beside what its cells found.

    Args:
        width: channels C.

    Source: RefSAM, Dense Attention: A = softmax over T of F · Tᵀ / √C, dense = Conv1x1([F ; A · T]), with F the map, of
    length 1 in each cell, and T the sentence and its words.

    Differs: the convolution is done in two halves, which gives the same. The half of F has no text in it, so that
    targets share it; the other half is A · (T · W), a multiplication of L + 1 tokens instead of h * w cells.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2 * width, width, 1)

    def forward(self, features: Tensor, text: Tensor, padding: Tensor | None) -> Tensor:
        """Attend.

        Args:
            features: (R, C, h, w), of any length; R is N, or 1 where all texts look at the same map.
            text: (N, 1 + L, C) of length 1: sentence, then words.
            padding: (N, 1 + L) bool, True where a token is padding; None where none is.

        Returns:
            (N, C, h, w).
        """
        features = F.normalize(features, dim=1)
        _, c, h, w = features.shape
        score = text @ features.flatten(2) / math.sqrt(c)
        if padding is not None:
            score = score.masked_fill(padding[..., None], -torch.inf)
        attention = score.softmax(1)
        of_features, of_text = self.mix.weight.split(c, 1)
        language = (text @ of_text[:, :, 0, 0].T).transpose(1, 2) @ attention
        dense: Tensor = F.conv2d(features, of_features, self.mix.bias) + language.unflatten(2, (h, w))
        return dense


class HierarchicalDenseAttention(nn.Module):
    """Dense attention of the image encoder's middle maps.

    Args:
        middle_width: channels of the maps, all together.
        width: channels C.

    Source: RefSAM, Hierarchical Dense Attention. What it gives is added to the dense attention of the image embedding:
    the paper's count of parameters leaves no room for another way to fuse the two.
    """

    def __init__(self, middle_width: int, width: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(middle_width, width, 1)
        self.attention = DenseAttention(width)

    def forward(self, reduced: Tensor, text: Tensor, padding: Tensor | None) -> Tensor:
        """Attend on the maps that `reduce` made (R, C, h, w); see `DenseAttention`."""
        attended: Tensor = self.attention(reduced, text, padding)
        return attended


class ImplicitTracking(nn.Module):
    """Hands the object on from frame to frame as one token.

    Args:
        width: channels C.

    Source: RefSAM, Implicit Tracking Module: track token(t) = M(mask token(t) + track token(t - 1)), on the first frame
    M(mask token). The mask token is the decoder's output, the track token of the frame before its input.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(width, EXPANSION * width), nn.ReLU(), nn.Linear(EXPANSION * width, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, mask_token: Tensor, track: Tensor | None) -> Tensor:
        """Make the token of the next frame.

        Args:
            mask_token: (N, C).
            track: (N, C), zero where a target has none; None where no target has one.

        Returns:
            (N, C).
        """
        x = mask_token if track is None else mask_token + track
        token: Tensor = self.norm(x + self.mlp(x))
        return token
