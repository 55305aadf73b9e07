"""The only place that imports SAM from `transformers`: builds SAM 1 out of its parts.

`model.refsam` builds with it; `model.sam1_steps` calls the parts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn
from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig
from transformers.models.sam import modeling_sam

from samwise_ros.config import RefSamConfig

VitBlock: TypeAlias = modeling_sam.SamVisionLayer
VitAttention: TypeAlias = modeling_sam.SamVisionAttention
TwoWayBlock: TypeAlias = modeling_sam.SamTwoWayAttentionBlock
TokenAttention: TypeAlias = modeling_sam.SamAttention

DECODER_HEADS = 8
"""Attention heads of the mask decoder."""

MASK_TOKENS = 4
"""The decoder's own mask tokens; the first one makes the mask."""


class PromptEncoder(nn.Module):
    """What is left of SAM's prompt encoder where neither points, boxes nor masks are prompts.

    Args:
        width: channels C.
        no_mask: whether to have SAM's dense prompt for images without a mask.
    """

    positions: Tensor

    def __init__(self, width: int, no_mask: bool) -> None:
        super().__init__()
        self.register_buffer("positions", torch.empty(2, width // 2).normal_())
        self.no_mask_embed = nn.Embedding(1, width) if no_mask else None

    def embed_grid(self, height: int, width: int) -> Tensor:
        """Where each cell is, as random Fourier features.

        Args:
            height: rows h of the feature grid.
            width: its columns w.

        Returns:
            (1, C, h, w): sine, then cosine of 2 pi times the projection of (x, y), which run from -1 to 1.
        """
        x, y = ((torch.arange(n, device=self.positions.device) + 0.5) / n * 2 - 1 for n in (width, height))
        cells = torch.stack((x.expand(height, -1), y[:, None].expand(-1, width)), -1)
        angle = 2 * math.pi * (cells @ self.positions.float())
        return torch.cat((angle.sin(), angle.cos()), -1).permute(2, 0, 1)[None].to(self.positions.dtype)


class Sam1(nn.Module):
    """SAM 1 as a container of the parts that `model.sam1_steps` calls.

    Args:
        config: the preset.

    Source: `SamModel` of `transformers`, whose names the parameters of the two large parts keep.

    Differs: fresh weights are drawn as SAM's authors draw them, by PyTorch's own rules; those of `SamModel` are near
    zero, to be loaded over.
    """

    def __init__(self, config: RefSamConfig) -> None:
        super().__init__()
        whole = SamModel(_sizes(config))
        self.vision_encoder: modeling_sam.SamVisionEncoder = whole.vision_encoder
        self.prompt_encoder = PromptEncoder(
            config.width, no_mask=not (config.dense_attention or config.hierarchical_attention)
        )
        self.mask_decoder: modeling_sam.SamMaskDecoder = whole.mask_decoder
        for module in (*self.vision_encoder.modules(), *self.mask_decoder.modules()):
            if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding):
                module.reset_parameters()
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    @property
    def pos_embed(self) -> Tensor:
        """The image encoder's position embeddings, (1, h, w, V)."""
        return self.vision_encoder.get_parameter("pos_embed")

    @property
    def blocks(self) -> Sequence[VitBlock]:
        """The image encoder's blocks."""
        return cast("Sequence[VitBlock]", self.vision_encoder.layers)

    @property
    def two_way_blocks(self) -> Sequence[TwoWayBlock]:
        """The blocks of the mask decoder's transformer."""
        return cast("Sequence[TwoWayBlock]", self.mask_decoder.transformer.layers)


def _sizes(config: RefSamConfig) -> SamConfig:
    vit = config.vit
    vision = SamVisionConfig(
        hidden_size=vit.width,
        output_channels=config.width,
        num_hidden_layers=vit.layers,
        num_attention_heads=vit.heads,
        image_size=config.image_side_px,
        patch_size=vit.patch_px,
        window_size=vit.window,
        global_attn_indexes=list(vit.global_blocks),
        num_pos_feats=config.width // 2,
    )
    prompt = SamPromptEncoderConfig(hidden_size=config.width, image_size=config.image_side_px, patch_size=vit.patch_px)
    decoder = SamMaskDecoderConfig(
        hidden_size=config.width,
        mlp_dim=config.decoder_ffn,
        num_attention_heads=DECODER_HEADS,
        num_multimask_outputs=MASK_TOKENS - 1,
        iou_head_hidden_dim=config.width,
    )
    return SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
