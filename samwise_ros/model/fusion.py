"""Early fusion: image encoder and text encoder run stage by stage and exchange what they know in between.

Called by `model.samwise`, which owns the parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from samwise_ros.config import ModelConfig
from samwise_ros.model.adapter import CrossModalTemporalAdapter
from samwise_ros.model.sam2_bridge import Sam2
from samwise_ros.model.sam2_steps import embed_patches, run_stage
from samwise_ros.model.text import TextEncoder

PATCH_SIDES = (8, 4, 2)
"""Cells along an edge of the temporal attention's patches, for adapters 0, 1, 2."""


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """N images after the two backbone stages that no text reaches, channels last.

    Attributes:
        stage0: (N, S/4, S/4, C1).
        stage1: (N, S/8, S/8, C2).
    """

    stage0: Tensor
    stage1: Tensor


@dataclass(frozen=True, slots=True)
class EncodedText:
    """B expressions after the text layers that no image reaches.

    Attributes:
        tokens: (B, L, D).
        padding: (B, L) bool, True where a token is padding.
    """

    tokens: Tensor
    padding: Tensor


@dataclass(frozen=True, slots=True)
class Fused:
    """What fusion makes of T frames for each of B expressions.

    Attributes:
        stages: four maps (B * T, C_k, h_k, w_k), strides 4, 8, 16, 32.
        text_state: (B, D), the sentence vector after the last step.
        reduced: for each adapter, (B, T, A, h, w): what a stream keeps for its window.
    """

    stages: tuple[Tensor, Tensor, Tensor, Tensor]
    text_state: Tensor
    reduced: tuple[Tensor, Tensor, Tensor]


def build_adapters(config: ModelConfig) -> nn.ModuleList:
    """The three adapters, after backbone stages 1, 2 and 3 (of 0..3)."""
    return nn.ModuleList(
        CrossModalTemporalAdapter(
            config.hiera.embed_dim * 2 ** (k + 1), config.text.width, config.adapter_width, PATCH_SIDES[k]
        )
        for k in range(3)
    )


def encode_images(sam: Sam2, images: Tensor) -> EncodedImages:
    """Run the stages that do not depend on any text.

    Args:
        sam: holds the backbone.
        images: (N, 3, S, S) normalised.

    Returns:
        The first two stages' maps.
    """
    stage0 = run_stage(sam, 0, embed_patches(sam, images))
    return EncodedImages(stage0, run_stage(sam, 1, stage0))


def fuse(
    sam: Sam2,
    text_encoder: TextEncoder,
    adapters: nn.ModuleList,
    cuts: Sequence[int],
    images: EncodedImages,
    text: EncodedText,
    past: Sequence[Tensor] | None = None,
) -> Fused:
    """Run the remaining stages of both encoders with the adapters between them.

    Args:
        sam: holds the backbone.
        text_encoder: runs the remaining text layers.
        adapters: the three adapters.
        cuts: text layers done after each of the four steps.
        images: N = B * T frames, T of each expression in a row.
        text: B expressions.
        past: for each adapter, (B, n, A, h, w): earlier frames' `Fused.reduced`, oldest first; None where the T frames
            are the whole window, which is the published form.

    Returns:
        The fused maps of the T frames.

    Source: SAMWISE, `_early_fusion_stage` of the reference implementation.
    """
    b = text.tokens.shape[0]
    vision, tokens = images.stage1, text.tokens
    stages = [images.stage0.permute(0, 3, 1, 2)]
    reduced = []
    for k, adapter in enumerate(adapters):
        assert isinstance(adapter, CrossModalTemporalAdapter)
        if k > 0:
            vision = run_stage(sam, k + 1, vision)
            tokens = text_encoder.run_layers(tokens, text.padding, cuts[k], cuts[k + 1])
        new = adapter.reduce(vision.permute(0, 3, 1, 2)).unflatten(0, (b, -1))
        window = new if past is None else torch.cat((past[k], new), 1)
        vision_residual, text_residual = adapter(window, new.shape[1], tokens, text.padding)
        vision = vision + vision_residual.flatten(0, 1).permute(0, 2, 3, 1)
        tokens = tokens + text_residual
        stages.append(vision.permute(0, 3, 1, 2))
        reduced.append(new)
    return Fused(
        stages=(stages[0], stages[1], stages[2], stages[3]),
        text_state=tokens[:, 0],
        reduced=(reduced[0], reduced[1], reduced[2]),
    )
