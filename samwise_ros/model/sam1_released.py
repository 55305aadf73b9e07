"""SAM 1's checkpoints: the names of its authors and of `transformers` for what this package has.

Called by `model.pretrained`. Source: keys of `sam_vit_{b,l,h}_*.pth` as Meta publishes them, and of `SamModel`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from samwise_ros.errors import CheckpointError

_BLOCK = r"^image_encoder\.blocks\.(\d+)\."
_OUR_BLOCK = r"vision_encoder.layers.\1."
_FEED_FORWARD = r"^mask_decoder\.(output_hypernetworks_mlps\.\d+|iou_prediction_head)\.layers\."

RENAMED: tuple[tuple[str, str], ...] = (
    # Meta's
    (_BLOCK + r"norm([12])\.", _OUR_BLOCK + r"layer_norm\2."),
    (_BLOCK, _OUR_BLOCK),
    (r"^image_encoder\.pos_embed$", "vision_encoder.pos_embed"),
    (r"^image_encoder\.patch_embed\.proj\.", "vision_encoder.patch_embed.projection."),
    (r"^image_encoder\.neck\.0\.", "vision_encoder.neck.conv1."),
    (r"^image_encoder\.neck\.1\.", "vision_encoder.neck.layer_norm1."),
    (r"^image_encoder\.neck\.2\.", "vision_encoder.neck.conv2."),
    (r"^image_encoder\.neck\.3\.", "vision_encoder.neck.layer_norm2."),
    (r"^prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix$", "prompt_encoder.positions"),
    (r"^mask_decoder\.transformer\.layers\.(\d+)\.norm(\d)\.", r"mask_decoder.transformer.layers.\1.layer_norm\2."),
    (r"^mask_decoder\.transformer\.norm_final_attn\.", "mask_decoder.transformer.layer_norm_final_attn."),
    (r"^mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
    (r"^mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
    (r"^mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
    (_FEED_FORWARD + r"0\.(weight|bias)$", r"mask_decoder.\1.proj_in.\2"),
    (_FEED_FORWARD + r"1\.(weight|bias)$", r"mask_decoder.\1.layers.0.\2"),
    (_FEED_FORWARD + r"2\.(weight|bias)$", r"mask_decoder.\1.proj_out.\2"),
    # that of transformers
    (r"^shared_image_embedding\.positional_embedding$", "prompt_encoder.positions"),
)
"""What others call it and what we call it, first match wins; a name in no pattern is ours already."""

UNUSED: tuple[str, ...] = (
    r"^prompt_encoder\.(point_embeddings|point_embed)\.\d\.weight$",  # prompts are words, neither points nor boxes
    r"^prompt_encoder\.not_a_point_embed\.weight$",
    r"^prompt_encoder\.(mask_downscaling|mask_embed)\.",  # nor masks
    r"^prompt_encoder\.shared_embedding\.positional_embedding$",  # the same tensor as shared_image_embedding's
)
"""Keys that a SAM 1 file may have and the network does not need."""

NO_MASK = "prompt_encoder.no_mask_embed.weight"
"""A key that a SAM 1 file has and a network with dense attention does not need."""


def is_sam1(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict is SAM 1's, by its authors' names or by those of `transformers`."""
    return _is_metas(state) or "vision_encoder.patch_embed.projection.weight" in state


def translate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give a SAM 1 state dict the names of `sam1_bridge.Sam1`.

    Args:
        state: by Meta's names or those of `transformers`.

    Returns:
        The same tensors. A key that is in neither table keeps its name, for the caller to refuse.

    Raises:
        CheckpointError: two keys mean the same.
    """
    ours: dict[str, Tensor] = {}
    metas = _is_metas(state)
    for key, value in state.items():
        if any(re.search(pattern, key) for pattern in UNUSED):
            continue
        name = _rename(key) if metas or key.startswith("shared_image") else key
        if name in ours:
            raise CheckpointError(f"key {key} comes twice, expected each key once: get the file again")
        ours[name] = value
    return ours


def _is_metas(state: Mapping[str, Tensor]) -> bool:
    return "image_encoder.patch_embed.proj.weight" in state


def _rename(key: str) -> str:
    for pattern, replacement in RENAMED:
        renamed, count = re.subn(pattern, replacement, key)
        if count:
            return renamed
    return key
