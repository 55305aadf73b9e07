"""Checkpoints as the original implementation and SAM 2's authors write them, of any size, for tests of the loader."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import torch
from torch import Tensor
from transformers import RobertaModel, T5Config, T5EncoderModel

from samwise_ros.model.samwise import Samwise

FAIRSEQ = "text_encoder.model.encoder.sentence_encoder."

TEXT = {
    "embeddings.word_embeddings": "embed_tokens",
    "embeddings.position_embeddings": "embed_positions",
    "embeddings.LayerNorm": "layernorm_embedding",
    "attention.self.query": "self_attn.q_proj",
    "attention.self.key": "self_attn.k_proj",
    "attention.self.value": "self_attn.v_proj",
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "self_attn_layer_norm",
    "intermediate.dense": "fc1",
    "output.dense": "fc2",
    "output.LayerNorm": "final_layer_norm",
    "encoder.layer.": "layers.",
}

ADAPTER = {
    "vision_down_norm": "proj_vis_down.1",
    "vision_down": "proj_vis_down.0",
    "vision_up_norm": "proj_vis_up.1",
    "vision_up": "proj_vis_up.0",
    "text_down": "proj_text_down.0",
    "text_up": "proj_text_up.0",
    "text_to_vision": "ca_V2T.multihead_attn",
    "vision_to_text": "ca_T2V.multihead_attn",
    "temporal.spatial_embed": "spatial_pos_embed",
    "temporal.norm": "norm_pre_HSA",
    "temporal.attention": "hsa.self_attn",
    "temporal.out": "hsa.linear",
}

PROMPT = {"0": "0", "2": "1", "4": "2"}


def released_state(network: Samwise) -> dict[str, Tensor]:
    """The network's weights by the original's names, with what else a released file holds."""
    state = {}
    for key, value in network.state_dict().items():
        if "token_type" not in key:
            name = _released_name(key)
            if name.endswith("spatial_pos_embed"):
                value = value[None, None, None]
            state[name] = value[None] if name.endswith("decision_token.weight") else value
    state[f"{FAIRSEQ}version"] = torch.ones(1)
    state["text_encoder.model.encoder.lm_head.bias"] = torch.zeros(7)
    if network.cme is not None:
        state["conditional_memory_encoder.transformerBlock.norm2.weight"] = torch.ones(network.config.width)
    return state


def _released_name(key: str) -> str:
    if key.startswith("text_encoder."):
        name = key.removeprefix("text_encoder.roberta.")
        for ours, theirs in TEXT.items():
            name = name.replace(ours, theirs)
        return FAIRSEQ + name
    if key.startswith("adapters.") and ".change." not in key:  # which is ours alone, like the pyramid
        _, number, rest = key.split(".", 2)
        ours = next(name for name in ADAPTER if rest.startswith(name))
        return f"cmt_adapters.{number}.{ADAPTER[ours]}{rest.removeprefix(ours)}"
    if key.startswith("project_text."):
        _, number, kind = key.split(".")
        return f"sam.sam_prompt_encoder.project_text.layers.{PROMPT[number]}.{kind}"
    if key == "cme.decision_token":
        return "conditional_memory_encoder.decision_token.weight"
    if key.startswith("cme."):
        name = key.replace("cme.head.", "decision_class_head.").replace("cme.block.", "transformerBlock.")
        return "conditional_memory_encoder." + re.sub(r"\bnorm2\b", "norm3", name)
    return key


def write_released(path: Path, state: dict[str, Tensor], **extra: object) -> Path:
    """Save a released checkpoint with the things that lie beside the weights."""
    args = argparse.Namespace(sam2_version="base", HSA=True, HSA_patch_size=[8, 4, 2], lr=1e-5, resume=None)
    scheduler = {"milestones": {60000: 1}, "_last_lr": [1e-5], "last_epoch": 4}
    content = {"model": state, "optimizer": {"state": {}, "param_groups": []}, "lr_scheduler": scheduler}
    torch.save(content | {"epoch": 3, "args": args} | extra, path)
    return path


def write_sam2(path: Path, network: Samwise) -> Path:
    """Save the network's SAM 2 as its authors publish theirs."""
    torch.save({"model": network.sam.state_dict()}, path)
    return path


def write_roberta(folder: Path, network: Samwise) -> Path:
    """Save a RoBERTa of the network's size in `transformers`' format, with other random weights."""
    RobertaModel(network.text_encoder.roberta.config, add_pooling_layer=True).save_pretrained(folder)
    return folder


def write_t5(folder: Path, **changes: object) -> Path:
    """Save a small T5 encoder in `transformers`' format."""
    sizes = {"vocab_size": 50, "d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    T5EncoderModel(T5Config(**sizes | changes)).save_pretrained(folder)
    return folder
