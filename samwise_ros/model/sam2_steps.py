"""SAM 2's computation one step at a time. `model.fusion` and `model.samwise` call it.

SAM 2's own `forward` methods run the image encoder in one go and keep a video's state in nested dictionaries; SAMWISE
needs to step in between the stages, and this package keeps state out of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from samwise_ros.model.host_memory import in_strips
from samwise_ros.model.memory_attention import MemoryTables, crop_cells, make_memory_tables
from samwise_ros.model.sam2_bridge import STRIDE, Sam2

NO_OBJECT_LOGIT = -1024.0
"""What SAM 2 writes into every mask logit of a frame in which the object is not in view."""


@dataclass(frozen=True, slots=True)
class Features:
    """What the neck makes of one frame for each of N targets.

    Attributes:
        stride4: (N, C/8, H/4, W/4), or one row where all targets look at the same image: no text reaches this level.
        stride8: (N, C/4, H/8, W/8).
        top: (N, C, H/16, W/16).
    """

    stride4: Tensor
    stride8: Tensor
    top: Tensor

    def twice(self) -> Features:
        """All targets, and once more."""
        stride4 = self.stride4 if len(self.stride4) == 1 else self.stride4.repeat(2, 1, 1, 1)
        return Features(stride4, self.stride8.repeat(2, 1, 1, 1), self.top.repeat(2, 1, 1, 1))


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the mask decoder says of N images.

    Attributes:
        mask_logits: (N, 1, H/4, W/4), before the object score is applied.
        score_logits: (N, 1), > 0 where the object is in view.
        mask_token: (N, C), the decoder's final mask token.
        early_token: (N, C), the mask token after the first two-way layer.
        iou: (N, 1), the decoder's own estimate of the mask's quality, 0..1.
    """

    mask_logits: Tensor
    score_logits: Tensor
    mask_token: Tensor
    early_token: Tensor
    iou: Tensor

    def halves(self) -> tuple[Decoded, Decoded]:
        """The first half of the images, and the second."""
        parts = (self.mask_logits, self.score_logits, self.mask_token, self.early_token, self.iou)
        first, second = zip(*(part.chunk(2) for part in parts), strict=True)
        return Decoded(*first), Decoded(*second)


@dataclass(frozen=True, slots=True)
class Tables:
    """All of the network that depends on the image's size alone: made once, used for every frame.

    Attributes:
        patch_position: (1, H/4, W/4, C1), what is added to the backbone's patches.
        decoder_position: (1, h*w, C), position of the top-level cells for the mask decoder.
        memory: for the memory attention.
    """

    patch_position: Tensor
    decoder_position: Tensor
    memory: MemoryTables

    def to(self, dtype: torch.dtype) -> Tables:
        """The same in another precision, but for angles."""
        return Tables(self.patch_position.to(dtype), self.decoder_position.to(dtype), self.memory.to(dtype))

    def crop(self, height_px: int, width_px: int) -> Tables:
        """The tables of images that are the upper left part of a square: multiples of STRIDE, S at most."""
        rows, columns = height_px // STRIDE, width_px // STRIDE
        return Tables(
            patch_position=self.patch_position[:, : height_px // 4, : width_px // 4],
            decoder_position=crop_cells(self.decoder_position, rows, columns),
            memory=self.memory.crop(rows, columns),
        )


def make_tables(sam: Sam2) -> Tables:
    """Make the tables for the image size that the network is set to; gradients flow through them."""
    side = sam.image_size // 4
    decoder_position: Tensor = sam.sam_prompt_encoder.get_dense_pe().flatten(2).transpose(1, 2)
    return Tables(
        patch_position=sam.image_encoder.trunk._get_pos_embed((side, side)),
        decoder_position=decoder_position.to(sam.no_mem_embed.dtype),
        memory=make_memory_tables(sam),
    )


def embed_patches(sam: Sam2, tables: Tables, images: Tensor) -> Tensor:
    """Cut images into the backbone's patches.

    Args:
        sam: the network.
        tables: from `make_tables`.
        images: (N, 3, H, W) normalised.

    Returns:
        (N, H/4, W/4, C1), channels last as the backbone's blocks take them.
    """
    x: Tensor = sam.image_encoder.trunk.patch_embed(images)
    return x + tables.patch_position


def run_stage(sam: Sam2, stage: int, x: Tensor) -> Tensor:
    """Run one of the backbone's four stages.

    Args:
        sam: the network.
        stage: 0..3.
        x: (N, h, w, C) the stage before's output.

    Returns:
        (N, h', w', C') this stage's output, channels last.
    """
    if len(x) > 1 and x.device.type == "cpu" and not torch.is_grad_enabled():
        # A CPU's caches hold one map at best; one after the other took a fifth less time at 1024 px (docs/log.md).
        return torch.cat([run_stage(sam, stage, single) for single in x.split(1)])
    trunk = sam.image_encoder.trunk
    first = 0 if stage == 0 else trunk.stage_ends[stage - 1] + 1
    for block in trunk.blocks[first : trunk.stage_ends[stage] + 1]:
        widest_bytes = 4 * block.dim_out * x[..., 0].numel() * x.element_size()
        # Windows know nothing of each other; without them all rows belong together.
        x = in_strips(block, x, 1, block.window_size or x.shape[1], widest_bytes)
    return x


def run_neck(sam: Sam2, stages: Sequence[Tensor]) -> list[Features]:
    """From the four stage maps to the three levels that the decoder uses.

    Args:
        sam: the network.
        stages: four maps (B, T, C_k, h_k, w_k), strides 4, 8, 16, 32; the first may have one row for all.

    Returns:
        For each of the T frames the levels of strides 4, 8 and 16.

    Source: `sam2.modeling.backbones.image_encoder.FpnNeck`.

    Differs: makes no position embeddings, which the tables hold.
    """
    coarse_first, decoder = sam.image_encoder.neck.convs, sam.sam_mask_decoder
    level4, level8, level16, level32 = (
        conv(stage.flatten(0, 1)) for conv, stage in zip(reversed(coarse_first), stages, strict=True)
    )
    # Only here one level is added to another, so that rows need not agree elsewhere.
    top = level16 + F.interpolate(level32, scale_factor=2.0, mode="nearest")
    maps = (decoder.conv_s0(level4), decoder.conv_s1(level8), top)
    per_frame = zip(
        *(level.unflatten(0, stage.shape[:2]).unbind(1) for level, stage in zip(maps, stages, strict=False)),
        strict=True,
    )
    return [Features(*frame) for frame in per_frame]


def add_no_memory(sam: Sam2, top: Tensor) -> Tensor:
    """Top-level features of a frame that reads no memory.

    Args:
        sam: the network.
        top: (N, C, h, w).

    Returns:
        (N, C, h, w).
    """
    no_memory: Tensor = sam.no_mem_embed.reshape(1, -1, 1, 1)
    return top + no_memory


def decode_mask(sam: Sam2, tables: Tables, features: Features, conditioned: Tensor, prompt: Tensor) -> Decoded:
    """Decode one mask per image from one prompt token.

    Args:
        sam: the network.
        tables: from `make_tables`.
        features: its high-resolution levels are used.
        conditioned: (N, C, h, w) top-level features after the memory.
        prompt: (N, C) the sparse prompt token made of the text.

    Returns:
        Mask, score and tokens.

    Source: `sam2.modeling.sam.mask_decoder.MaskDecoder.predict_masks` with an empty point as SAM 2's tracker gives it.

    Differs: makes the one mask that is used of the four, and gives the tokens after the first two-way layer, which the
    Conditional Memory Encoder reads.
    """
    decoder, prompts = sam.sam_mask_decoder, sam.sam_prompt_encoder
    n, c, h, w = conditioned.shape
    learned = [decoder.iou_token.weight, decoder.mask_tokens.weight]
    if decoder.pred_obj_scores:
        learned.insert(0, decoder.obj_score_token.weight)
    # SAM 2 stands in for missing points with one padding point and pads once more for the missing box.
    learned += [prompts.not_a_point_embed.weight, prompts.not_a_point_embed.weight]
    tokens = torch.cat((torch.cat(learned).expand(n, -1, -1), prompt[:, None]), 1)

    source = conditioned + prompts.no_mask_embed.weight.reshape(1, -1, 1, 1)
    queries, keys = tokens, source.flatten(2).transpose(1, 2)
    early = queries
    for index, layer in enumerate(decoder.transformer.layers):
        queries, keys = layer(queries=queries, keys=keys, query_pe=tokens, key_pe=tables.decoder_position)
        if index == 0:
            early = queries
    attended = decoder.transformer.final_attn_token_to_image(
        q=queries + tokens, k=keys + tables.decoder_position, v=keys
    )
    queries = decoder.transformer.norm_final_attn(queries + attended)

    first = 1 if decoder.pred_obj_scores else 0
    mask_token = queries[:, first + 1]
    up1, norm1, act1, up2, act2 = decoder.output_upscaling
    pixels = act1(norm1(up1(keys.transpose(1, 2).reshape(n, c, h, w)) + features.stride8))
    pixels = act2(up2(pixels) + features.stride4)
    weights = decoder.output_hypernetworks_mlps[0](mask_token)
    if decoder.pred_obj_scores:
        score_logits = decoder.pred_obj_score_head(queries[:, 0])
    else:
        score_logits = mask_token.new_full((n, 1), 10.0)
    return Decoded(
        mask_logits=torch.einsum("nc,nchw->nhw", weights, pixels)[:, None],
        score_logits=score_logits,
        mask_token=mask_token,
        early_token=early[:, first + 1],
        iou=decoder.iou_prediction_head(queries[:, first])[:, :1],
    )


def object_pointer(sam: Sam2, decoded: Decoded) -> Tensor:
    """The vector by which later frames remember the object.

    Args:
        sam: the network.
        decoded: one frame's predictions.

    Returns:
        (N, C); SAM 2's learned `no_obj_ptr` where the object is not in view.
    """
    pointer: Tensor = sam.obj_ptr_proj(decoded.mask_token)
    if not sam.pred_obj_scores:
        return pointer
    return torch.where(decoded.score_logits > 0, pointer, sam.no_obj_ptr)


def high_resolution(mask_logits: Tensor) -> Tensor:
    """Upsample mask logits to the image's size.

    Args:
        mask_logits: (N, 1, h, w).

    Returns:
        (N, 1, 4 * h, 4 * w) float32.
    """
    size = [4 * cells for cells in mask_logits.shape[-2:]]
    return F.interpolate(mask_logits.float(), size, mode="bilinear", align_corners=False)


def write_memory(sam: Sam2, top: Tensor, mask_logits: Tensor) -> Tensor:
    """Encode a frame and its mask as a memory map.

    Args:
        sam: the network.
        top: (N, C, h, w) top-level features, before they read any memory.
        mask_logits: (N, 1, H, W).

    Returns:
        (N, M, h, w).
    """
    encoder = sam.memory_encoder
    mask = (torch.sigmoid(mask_logits) * 20.0 - 10.0).to(top.dtype)
    encoded: Tensor = encoder.out_proj(encoder.fuser(encoder.pix_feat_proj(top) + encoder.mask_downsampler(mask)))
    return encoded
