"""How a frame reads what past frames left: SAM 2's memory attention with its tables made once.

Called by `model.samwise`. The weights are those of `sam2`'s modules; the rotations are real-valued, so that the step
can be captured as a graph and run in half precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samwise_ros.model.host_memory import LARGEST_KEPT_BYTES
from samwise_ros.model.onednn import is_worth_onednn, linear
from samwise_ros.model.sam2_bridge import MEMORY_FRAMES, STRIDE, Sam2

ROPE_THETA = 10000.0


@dataclass(frozen=True, slots=True)
class Rotation:
    """Rotary position embedding of the cells of a top-level map, row by row.

    Attributes:
        cos: (h*w, C/2) float32; the first half turns with a cell's column, the second with its row.
        sin: likewise.
    """

    cos: Tensor
    sin: Tensor

    def crop(self, rows: int, columns: int) -> Rotation:
        """Of the upper left part of a square."""
        return Rotation(crop_cells(self.cos, rows, columns), crop_cells(self.sin, rows, columns))

    def turn(self, x: Tensor) -> Tensor:
        """Rotate the channel pairs of (N, k*h*w, C), k maps one after the other; computed in float32."""
        repeats = x.shape[1] // len(self.cos)
        pairs = x.float().unflatten(1, (repeats, -1)).unflatten(-1, (-1, 2))
        even, odd = pairs.unbind(-1)
        turned = torch.stack((even * self.cos - odd * self.sin, even * self.sin + odd * self.cos), -1)
        return turned.flatten(-2).flatten(1, 2).to(x.dtype)


@dataclass(frozen=True, slots=True)
class MemoryTables:
    """All of the memory attention that depends on the image's size alone.

    Attributes:
        query_position: (h*w, C), what is added to the features that ask.
        key_position: (MEMORY_FRAMES, h*w, M), what is added to the memory maps' keys, oldest frame first.
        rotation: of the cells.
    """

    query_position: Tensor
    key_position: Tensor
    rotation: Rotation

    def to(self, dtype: torch.dtype) -> MemoryTables:
        """The same in another precision, but for the rotation."""
        return MemoryTables(self.query_position.to(dtype), self.key_position.to(dtype), self.rotation)

    def crop(self, rows: int, columns: int) -> MemoryTables:
        """Of the upper left part of a square."""
        return MemoryTables(
            query_position=crop_cells(self.query_position, rows, columns),
            key_position=crop_cells(self.key_position, rows, columns),
            rotation=self.rotation.crop(rows, columns),
        )


def crop_cells(table: Tensor, rows: int, columns: int) -> Tensor:
    """The upper left part of what is known of a square's cells: (…, side * side, C) → (…, rows * columns, C)."""
    side = math.isqrt(table.shape[-2])
    cells: Tensor = table.unflatten(-2, (side, side))
    return cells[..., :rows, :columns, :].flatten(-3, -2)


def make_memory_tables(sam: Sam2) -> MemoryTables:
    """Make the tables for the image size that the network is set to.

    Args:
        sam: the network.

    Returns:
        Tables on the network's device, in its precision but for the rotation.
    """
    weight = sam.maskmem_tpos_enc
    side = sam.image_size // STRIDE
    width, memory_width = sam.hidden_dim, sam.mem_dim

    def positions(embedding: nn.Module, channels: int) -> Tensor:
        position: Tensor = embedding(weight.new_zeros(1, channels, side, side))
        return position.flatten(2)[0].T.to(weight.dtype)

    # The newest frame has SAM 2's temporal embedding 0.
    age = weight[:MEMORY_FRAMES].flip(0)[:, 0]
    return MemoryTables(
        query_position=0.1 * positions(sam.image_encoder.neck.position_encoding, width),
        key_position=positions(sam.memory_encoder.position_encoding, memory_width) + age,
        rotation=make_rotation(side, width, weight.device),
    )


def make_rotation(side: int, width: int, device: torch.device) -> Rotation:
    """The angles of `side` x `side` cells for `width` channels.

    Source: `sam2.modeling.position_encoding.compute_axial_cis`.
    """
    frequency = ROPE_THETA ** (-torch.arange(0, width, 4, device=device, dtype=torch.float32) / width)
    place = torch.arange(side, device=device, dtype=torch.float32)[:, None] * frequency
    angle = torch.cat((place.repeat(side, 1), place.repeat_interleave(side, 0)), 1)
    return Rotation(angle.cos(), angle.sin())


def read_memory(sam: Sam2, tables: MemoryTables, top: Tensor, maps: Tensor, pointers: Tensor) -> Tensor:
    """Let a frame's top-level features attend to what past frames left.

    Args:
        sam: the network.
        tables: from `make_memory_tables`.
        top: (N, C, h, w).
        maps: (N, K, M, h, w) memory maps of the last K = 1..6 frames, oldest first.
        pointers: (N, P, C) object pointers of the last P = 1..15 frames, oldest first.

    Returns:
        (N, C, h, w).

    Source: `sam2.modeling.memory_attention.MemoryAttention`.
    """
    n, c, h, w = top.shape
    maps = maps.flatten(3).transpose(2, 3)
    # SAM 2 cuts a pointer into as many tokens as a memory map's width goes into it.
    tokens = pointers.flip(1).reshape(n, -1, maps.shape[-1])
    values = torch.cat((maps.flatten(1, 2), tokens), 1)
    keys = torch.cat(((maps + tables.key_position[-maps.shape[1] :]).flatten(1, 2), tokens), 1)
    x = top.flatten(2).transpose(1, 2) + tables.query_position
    for layer in sam.memory_attention.layers:
        x = _run_layer(layer, tables.rotation, x, keys, values, tokens.shape[1])
    normed: Tensor = sam.memory_attention.norm(x)
    return normed.transpose(1, 2).reshape(n, c, h, w)


def _run_layer(layer: Any, rotation: Rotation, x: Tensor, keys: Tensor, values: Tensor, unturned: int) -> Tensor:
    """One `MemoryAttentionLayer` on features (N, h*w, C); the last `unturned` keys have no place in the image."""
    normed = layer.norm1(x)
    own = layer.self_attn
    q, k = rotation.turn(own.q_proj(normed)), rotation.turn(own.k_proj(normed))
    x = x + own.out_proj(_attend(q, k, own.v_proj(normed)))

    other = layer.cross_attn_image
    k = other.k_proj(keys)
    placed = k.shape[1] - unturned
    k = torch.cat((rotation.turn(k[:, :placed]), k[:, placed:]), 1)
    q = rotation.turn(other.q_proj(layer.norm2(x)))
    x = x + other.out_proj(_read(q, k, values, other.v_proj))

    result: Tensor = x + layer.linear2(layer.activation(layer.linear1(layer.norm3(x))))
    return result


def _read(q: Tensor, k: Tensor, values: Tensor, widen: nn.Linear) -> Tensor:
    """`_attend` to `widen(values)`, which are a quarter as wide before: (N, Lk, M)."""
    if is_worth_onednn(q[0], k[0]):
        # A row of attention sums to one, so that the values can be widened after the product.
        pairs = zip(q * q.shape[-1] ** -0.5, k, values, strict=True)
        result: Tensor = widen(torch.stack([_read_one(*pair) for pair in pairs]))
        return result
    return _attend(q, k, widen(values))


def _read_one(q: Tensor, k: Tensor, values: Tensor) -> Tensor:
    """Attention of one target's scaled queries (Lq, C) to keys (Lk, C) and values (Lk, M), by oneDNN: (Lq, M)."""
    columns = values.T.contiguous()
    parts = []
    for asked in q.split(max(1, LARGEST_KEPT_BYTES // (4 * len(k)))):
        scores = linear(asked, k, None)
        torch.softmax(scores, -1, out=scores)
        parts.append(linear(scores, columns, None))
    return torch.cat(parts)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention with one head, (N, L, C) each, in the four dimensions that PyTorch's fused kernels take."""
    return F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
