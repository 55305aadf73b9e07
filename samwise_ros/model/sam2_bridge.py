"""The only place that imports `sam2`: builds SAM 2 in Python, without configuration files.

`model.samwise` builds with it; `model.sam2_steps` calls the parts.
"""

from __future__ import annotations

from typing import TypeAlias

from sam2.modeling.backbones.hieradet import Hiera
from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
from sam2.modeling.memory_attention import MemoryAttention, MemoryAttentionLayer
from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam.transformer import RoPEAttention
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn

from samwise_ros.config import HieraConfig, ModelConfig
from samwise_ros.model.onednn import linear

Sam2: TypeAlias = SAM2Base
"""SAM 2's network, a container of the parts that the functions here call."""

STRIDE = 16
"""Stride of the top feature level, on which memory and mask decoder work."""

MEMORY_FRAMES = 6
"""Past frames whose memory maps are read."""

MEMORY_POINTERS = 15
"""Past frames whose object pointers are read."""


def build_sam2(config: ModelConfig) -> Sam2:
    """SAM 2.0 of the given size with freshly initialised weights.

    Args:
        config: the preset.

    Returns:
        The network, whose parameter names are those of SAM 2's own checkpoints.

    Source: `sam2_hiera_{t,b+,l}.yaml` of the sam2 package.

    Differs: no dropout in the memory attention and no multimask output, as in SAMWISE's video configuration in use.
    """
    width, side = config.width, config.image_side_px // STRIDE
    trunk = build_hiera(config.hiera)
    neck = FpnNeck(
        position_encoding=PositionEmbeddingSine(width, warmup_cache=False),
        d_model=width,
        backbone_channel_list=trunk.channel_list,
        fpn_top_down_levels=[2, 3],
        fpn_interp_model="nearest",
    )

    def attention(**options: int | bool) -> RoPEAttention:
        return RoPEAttention(embedding_dim=width, num_heads=1, downsample_rate=1, feat_sizes=(side, side), **options)

    layer = MemoryAttentionLayer(
        activation="relu",
        cross_attention=attention(rope_k_repeat=True, kv_in_dim=config.memory_width),
        d_model=width,
        dim_feedforward=config.memory_ffn,
        dropout=0.0,
        pos_enc_at_attn=False,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
        self_attention=attention(),
    )
    memory_encoder = MemoryEncoder(
        in_dim=width,
        out_dim=config.memory_width,
        mask_downsampler=MaskDownSampler(embed_dim=width, kernel_size=3, stride=2, padding=1),
        fuser=Fuser(CXBlock(width), num_layers=2),
        position_encoding=PositionEmbeddingSine(config.memory_width, warmup_cache=False),
    )
    return SAM2Base(
        image_encoder=ImageEncoder(trunk, neck, scalp=1),
        memory_attention=MemoryAttention(
            d_model=width, pos_enc_at_input=True, layer=layer, num_layers=config.memory_layers
        ),
        memory_encoder=memory_encoder,
        num_maskmem=MEMORY_FRAMES + 1,
        image_size=config.image_side_px,
        backbone_stride=STRIDE,
        use_high_res_features_in_sam=True,
        iou_prediction_use_sigmoid=True,
        use_obj_ptrs_in_encoder=True,
        add_tpos_enc_to_obj_ptrs=False,
        pred_obj_scores=config.object_score,
        pred_obj_scores_mlp=config.object_score,
        fixed_no_obj_ptr=config.object_score,
        use_mlp_for_obj_ptr_proj=True,
    )


def set_image_side(sam: Sam2, side_px: int) -> None:
    """Let the network take images of another size, a multiple of its stride; no weight depends on it."""
    side = side_px // STRIDE
    sam.image_size = side_px
    sam.sam_image_embedding_size = side
    sam.sam_prompt_encoder.image_embedding_size = (side, side)
    sam.sam_prompt_encoder.input_image_size = (side_px, side_px)


def build_hiera(config: HieraConfig) -> Hiera:
    """The image backbone alone."""
    trunk = Hiera(
        embed_dim=config.embed_dim,
        num_heads=config.heads,
        stages=config.stages,
        window_spec=config.windows,
        global_att_blocks=config.global_blocks,
        window_pos_embed_bkg_spatial_size=(config.pos_embed_side, config.pos_embed_side),
    )
    for block in trunk.blocks:
        block.mlp.__class__ = GeluMlp
    return trunk


class GeluMlp(nn.Module):
    """Hiera's two layers with GELU between them, which on a CPU are one pass less over the wider map."""

    layers: nn.ModuleList

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) → (…, C)."""
        first, last = self.layers
        assert isinstance(first, nn.Linear)
        result: Tensor = last(linear(x, first.weight, first.bias, gelu=True))
        return result
