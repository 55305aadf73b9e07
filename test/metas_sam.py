"""SAM 1 as Meta's files name it, written plainly from those names: weights in that format, and what they compute.

For tests of the conversion. Nothing here computes with the package's own SAM.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

from samwise_ros.model.refsam import RefSam

State = dict[str, Tensor]


def metas_state(model: SamModel) -> State:
    """The weights of transformers' SAM by Meta's names."""
    state: State = {}
    for key, value in model.state_dict().items():
        name = key.replace("vision_encoder.", "image_encoder.").replace(".projection.", ".proj.")
        name = name.replace("image_encoder.layers.", "image_encoder.blocks.")
        if name.startswith("image_encoder.blocks."):
            name = name.replace("layer_norm", "norm")
        places = {"neck.conv1": 0, "neck.layer_norm1": 1, "neck.conv2": 2, "neck.layer_norm2": 3}
        places |= {"mask_embed.conv1": 0, "mask_embed.layer_norm1": 1, "mask_embed.conv2": 3}
        places |= {"mask_embed.layer_norm2": 4, "mask_embed.conv3": 6}
        places |= {"upscale_conv1": 0, "upscale_layer_norm": 1, "upscale_conv2": 3}
        for ours, place in places.items():
            folder = {"neck": "neck", "mask_embed": "mask_downscaling"}.get(ours.split(".")[0], "output_upscaling")
            name = name.replace(f"{ours}.", f"{folder}.{place}.")
        if name.startswith("mask_decoder.transformer"):
            name = name.replace("layer_norm_final_attn", "norm_final_attn").replace("layer_norm", "norm")
        if "mlps." in name or "iou_prediction_head." in name:
            name = name.replace("layers.0.", "layers.1.").replace("proj_in.", "layers.0.")
            name = name.replace("proj_out.", "layers.2.")
        name = name.replace("point_embed.", "point_embeddings.")
        name = name.replace("prompt_encoder.not_a_point_embeddings.", "prompt_encoder.not_a_point_embed.")
        if name == "shared_image_embedding.positional_embedding":
            name = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
        if name != "prompt_encoder.shared_embedding.positional_embedding":
            state[name] = value
    return state


def write_sam1(path: Path, refsam: RefSam) -> Path:
    """Save a SAM 1 of a network's size as Meta publishes theirs."""
    vit, side = refsam.config.vit, refsam.config.image_side_px
    vision = SamVisionConfig(
        hidden_size=vit.width,
        output_channels=64,
        num_hidden_layers=vit.layers,
        num_attention_heads=vit.heads,
        image_size=side,
        patch_size=vit.patch_px,
        window_size=vit.window,
        global_attn_indexes=list(vit.global_blocks),
        num_pos_feats=32,
    )
    prompt = SamPromptEncoderConfig(hidden_size=64, image_size=side, patch_size=vit.patch_px)
    decoder = SamMaskDecoderConfig(hidden_size=64, mlp_dim=256, iou_head_hidden_dim=64)
    parts = {"vision_config": vision, "prompt_encoder_config": prompt, "mask_decoder_config": decoder}
    torch.save(metas_state(SamModel(SamConfig(**parts))), path)
    return path


def encode_image(s: State, image: Tensor, heads: int, window: int, global_blocks: tuple[int, ...]) -> Tensor:
    """Image embedding (1, C, h, w) of one image (1, 3, S, S)."""
    stride = s["image_encoder.patch_embed.proj.weight"].shape[-1]
    x = F.conv2d(image, s["image_encoder.patch_embed.proj.weight"], s["image_encoder.patch_embed.proj.bias"], stride)
    x = x[0].permute(1, 2, 0) + s["image_encoder.pos_embed"][0]
    blocks = len({re.match(r"image_encoder\.blocks\.(\d+)", key)[1] for key in s if ".blocks." in key})
    for number in range(blocks):
        b = f"image_encoder.blocks.{number}."
        side = x.shape[0] if number in global_blocks else window
        y = norm(s, f"{b}norm1", x, 1e-6)
        x = x + in_windows(s, f"{b}attn.", y, side, heads)
        y = F.gelu(linear(s, f"{b}mlp.lin1", norm(s, f"{b}norm2", x, 1e-6)))
        x = x + linear(s, f"{b}mlp.lin2", y)
    y = F.conv2d(x.permute(2, 0, 1)[None], s["image_encoder.neck.0.weight"])
    y = norm_channels(s, "image_encoder.neck.1", y)
    y = F.conv2d(y, s["image_encoder.neck.2.weight"], padding=1)
    return norm_channels(s, "image_encoder.neck.3", y)


def in_windows(s: State, a: str, x: Tensor, side: int, heads: int) -> Tensor:
    """Attention among the cells of each window of a map (h, w, V); what sticks out is padded with zeros."""
    h, w, _ = x.shape
    rows, columns = math.ceil(h / side) * side, math.ceil(w / side) * side
    padded = F.pad(x, (0, 0, 0, columns - w, 0, rows - h))
    out = torch.zeros_like(padded)
    for top in range(0, rows, side):
        for left in range(0, columns, side):
            here = (slice(top, top + side), slice(left, left + side))
            out[here] = self_attention(s, a, padded[here], heads)
    return out[:h, :w]


def self_attention(s: State, a: str, x: Tensor, heads: int) -> Tensor:
    """Attention with relative positions within (n, n, V)."""
    n, _, width = x.shape
    q, k, v = linear(s, f"{a}qkv", x.reshape(n * n, width)).chunk(3, -1)
    place = torch.arange(n * n)
    down = (place // n)[:, None] - (place // n)[None] + n - 1
    across = (place % n)[:, None] - (place % n)[None] + n - 1
    out = []
    for qh, kh, vh in zip(q.chunk(heads, -1), k.chunk(heads, -1), v.chunk(heads, -1), strict=True):
        score = qh @ kh.T / math.sqrt(qh.shape[-1])
        score = score + (qh[:, None] * s[f"{a}rel_pos_h"][down]).sum(-1)
        score = score + (qh[:, None] * s[f"{a}rel_pos_w"][across]).sum(-1)
        out.append(score.softmax(-1) @ vh)
    return linear(s, f"{a}proj", torch.cat(out, -1)).reshape(n, n, width)


def decode_mask(s: State, embedding: Tensor, dense: Tensor, sparse: Tensor, heads: int) -> Tensor:
    """Mask 0 (4h, 4w) of one image from an embedding (1, C, h, w), dense prompts like it and sparse ones (L, C)."""
    d = "mask_decoder."
    _, c, h, w = embedding.shape
    tokens = torch.cat((s[f"{d}iou_token.weight"], s[f"{d}mask_tokens.weight"], sparse))
    keys = (embedding + dense)[0].flatten(1).T
    place = place_cells(s, h, w)
    queries = tokens
    for number in (0, 1):
        b = f"{d}transformer.layers.{number}."
        if number == 0:
            queries = attend(s, f"{b}self_attn.", queries, queries, queries, heads)
        else:
            placed = queries + tokens
            queries = queries + attend(s, f"{b}self_attn.", placed, placed, queries, heads)
        queries = norm(s, f"{b}norm1", queries)
        looked = attend(s, f"{b}cross_attn_token_to_image.", queries + tokens, keys + place, keys, heads)
        queries = norm(s, f"{b}norm2", queries + looked)
        hidden = torch.relu(linear(s, f"{b}mlp.lin1", queries))
        queries = norm(s, f"{b}norm3", queries + linear(s, f"{b}mlp.lin2", hidden))
        told = attend(s, f"{b}cross_attn_image_to_token.", keys + place, queries + tokens, queries, heads)
        keys = norm(s, f"{b}norm4", keys + told)
    t = f"{d}transformer."
    looked = attend(s, f"{t}final_attn_token_to_image.", queries + tokens, keys + place, keys, heads)
    queries = norm(s, f"{t}norm_final_attn", queries + looked)
    up = f"{d}output_upscaling."
    x = keys.T.reshape(1, c, h, w)
    x = F.conv_transpose2d(x, s[f"{up}0.weight"], s[f"{up}0.bias"], 2)
    x = F.gelu(norm_channels(s, f"{up}1", x))
    x = F.gelu(F.conv_transpose2d(x, s[f"{up}3.weight"], s[f"{up}3.bias"], 2))
    y = queries[1]
    for number in (0, 1, 2):
        y = linear(s, f"{d}output_hypernetworks_mlps.0.layers.{number}", y)
        y = torch.relu(y) if number < 2 else y
    return torch.einsum("c,chw->hw", y, x[0])


def place_cells(s: State, h: int, w: int) -> Tensor:
    """Random Fourier features (h * w, C) of the cells' middles."""
    matrix = s["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]
    places = torch.tensor([[2 * (x + 0.5) / w - 1, 2 * (y + 0.5) / h - 1] for y in range(h) for x in range(w)])
    angle = 2 * math.pi * places @ matrix
    return torch.cat((angle.sin(), angle.cos()), -1)


def attend(s: State, a: str, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    parts = [linear(s, f"{a}{name}_proj", x).chunk(heads, -1) for name, x in (("q", q), ("k", k), ("v", v))]
    out = [(qh @ kh.T / math.sqrt(qh.shape[-1])).softmax(-1) @ vh for qh, kh, vh in zip(*parts, strict=True)]
    return linear(s, f"{a}out_proj", torch.cat(out, -1))


def linear(s: State, name: str, x: Tensor) -> Tensor:
    return x @ s[f"{name}.weight"].T + s[f"{name}.bias"]


def norm(s: State, name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
    x = x - x.mean(-1, keepdim=True)
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * s[f"{name}.weight"] + s[f"{name}.bias"]


def norm_channels(s: State, name: str, x: Tensor) -> Tensor:
    return norm(s, name, x.permute(0, 2, 3, 1), 1e-6).permute(0, 3, 1, 2)
