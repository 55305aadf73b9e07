"""The original implementation's checkpoints: its names for what this package has, and how the two differ.

Called by `model.checkpoint`. Source: state dicts of the reference implementation (github ClaudiaCuttano/SAMWISE at
dad43ab), sizes tiny, base and large.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from samwise_ros.errors import CheckpointError

_FAIRSEQ = r"^text_encoder\.model\.encoder\.sentence_encoder\."
_LAYER = _FAIRSEQ + r"layers\.(\d+)\."
_OUR_LAYER = r"text_encoder.roberta.encoder.layer.\1."
_ADAPTER = r"^cmt_adapters\.(\d+)\."
_CME = r"^conditional_memory_encoder\."

RENAMED: tuple[tuple[str, str], ...] = (
    (_FAIRSEQ + r"embed_tokens\.", "text_encoder.roberta.embeddings.word_embeddings."),
    (_FAIRSEQ + r"embed_positions\.", "text_encoder.roberta.embeddings.position_embeddings."),
    (_FAIRSEQ + r"layernorm_embedding\.", "text_encoder.roberta.embeddings.LayerNorm."),
    (_LAYER + r"self_attn\.q_proj\.", _OUR_LAYER + "attention.self.query."),
    (_LAYER + r"self_attn\.k_proj\.", _OUR_LAYER + "attention.self.key."),
    (_LAYER + r"self_attn\.v_proj\.", _OUR_LAYER + "attention.self.value."),
    (_LAYER + r"self_attn\.out_proj\.", _OUR_LAYER + "attention.output.dense."),
    (_LAYER + r"self_attn_layer_norm\.", _OUR_LAYER + "attention.output.LayerNorm."),
    (_LAYER + r"fc1\.", _OUR_LAYER + "intermediate.dense."),
    (_LAYER + r"fc2\.", _OUR_LAYER + "output.dense."),
    (_LAYER + r"final_layer_norm\.", _OUR_LAYER + "output.LayerNorm."),
    (r"^sam\.sam_prompt_encoder\.project_text\.layers\.0\.", "project_text.0."),
    (r"^sam\.sam_prompt_encoder\.project_text\.layers\.1\.", "project_text.2."),
    (r"^sam\.sam_prompt_encoder\.project_text\.layers\.2\.", "project_text.4."),
    (_ADAPTER + r"proj_vis_down\.0\.", r"adapters.\1.vision_down."),
    (_ADAPTER + r"proj_vis_down\.1\.", r"adapters.\1.vision_down_norm."),
    (_ADAPTER + r"proj_vis_up\.0\.", r"adapters.\1.vision_up."),
    (_ADAPTER + r"proj_vis_up\.1\.", r"adapters.\1.vision_up_norm."),
    (_ADAPTER + r"proj_text_down\.0\.", r"adapters.\1.text_down."),
    (_ADAPTER + r"proj_text_up\.0\.", r"adapters.\1.text_up."),
    (_ADAPTER + r"ca_V2T\.multihead_attn\.", r"adapters.\1.text_to_vision."),
    (_ADAPTER + r"ca_T2V\.multihead_attn\.", r"adapters.\1.vision_to_text."),
    (_ADAPTER + r"spatial_pos_embed$", r"adapters.\1.temporal.spatial_embed"),
    (_ADAPTER + r"norm_pre_HSA\.", r"adapters.\1.temporal.norm."),
    (_ADAPTER + r"hsa\.self_attn\.", r"adapters.\1.temporal.attention."),
    (_ADAPTER + r"hsa\.linear\.", r"adapters.\1.temporal.out."),
    (_CME + r"decision_token\.weight$", "cme.decision_token"),
    (_CME + r"decision_class_head\.", "cme.head."),
    (_CME + r"transformerBlock\.norm3\.", "cme.block.norm2."),
    (_CME + r"transformerBlock\.", "cme.block."),
)
"""What the original calls it and what we call it, first match wins. SAM 2's own keys (`sam.…`) have the same names."""

UNUSED: tuple[str, ...] = (
    r"^text_encoder\.model\.encoder\.lm_head\.",  # RoBERTa's language-model head: SAMWISE reads hidden states
    _FAIRSEQ + r"version$",  # fairseq's marker of its own format
    r"^text_encoder\._float_tensor$",  # fairseq's marker of the device
    _CME + r"transformerBlock\.norm2\.",  # built for a cross-attention that the block does not have
    r"(^|\.)total_(ops|params)$",  # left by a FLOP counter; the original drops them too
)
"""Keys that a released file may have and the network does not need."""

TOKEN_TYPES = "text_encoder.roberta.embeddings.token_type_embeddings.weight"
"""A key that `transformers`' RoBERTa has and fairseq's has not: a constant that is added to each token, so zero."""


def is_released(state: dict[str, Tensor]) -> bool:
    """Whether a state dict has the original implementation's names."""
    return any(key.removeprefix("module.").startswith("cmt_adapters.") for key in state)


def translate(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give a released state dict our names and shapes.

    Args:
        state: in the original's names, with or without the prefix `module.`.

    Returns:
        The same tensors in ours. A key that is in neither table keeps its name, for the caller to refuse.

    Raises:
        CheckpointError: two keys mean the same.
    """
    ours: dict[str, Tensor] = {}
    for key, value in state.items():
        name = key.removeprefix("module.")
        if any(re.search(pattern, name) for pattern in UNUSED):
            continue
        name = _rename(name)
        if name in ours:
            raise CheckpointError(f"key {key} comes twice, expected each key once: get the file again")
        if name.endswith(".temporal.spatial_embed"):
            value = value.reshape(-1, value.shape[-1])  # was (1, 1, 1, P * P, A)
        elif name == "cme.decision_token":
            value = value.reshape(-1)  # was (1, C)
        ours[name] = value
    words = ours.get("text_encoder.roberta.embeddings.word_embeddings.weight")
    if words is not None:
        ours[TOKEN_TYPES] = torch.zeros(1, words.shape[-1], dtype=words.dtype)
    return ours


def _rename(name: str) -> str:
    for pattern, replacement in RENAMED:
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            return renamed
    return name
