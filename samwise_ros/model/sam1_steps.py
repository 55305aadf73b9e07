"""SAM 1's computation with room for RefSAM's adapters and tokens. Called by `model.refsam`.

SAM's own `forward` methods hide the maps of the middle blocks, have no place for adapters, know no padded prompt, and
do not give the mask token that RefSAM tracks with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from samwise_ros.model.refsam_parts import BlockAdapters
from samwise_ros.model.sam1_bridge import Sam1, TokenAttention, TwoWayBlock, VitAttention, VitBlock


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the mask decoder says of N targets.

    Attributes:
        mask_logits: (N, 1, 4h, 4w).
        mask_token: (N, C), the decoder's output for its first mask token.
    """

    mask_logits: Tensor
    mask_token: Tensor


def run_encoder(sam: Sam1, adapters: Sequence[BlockAdapters], images: Tensor) -> list[Tensor]:
    """Run the image encoder, adapters in its last blocks.

    Args:
        sam: the network.
        adapters: of the last blocks, one each.
        images: (P, 3, S, S) normalised; another S than the network was built for stretches the position embeddings.

    Returns:
        The outputs of the global blocks but the last one (P, V, h, w), and the image embedding (P, C, h, w).
    """
    encoder = sam.vision_encoder
    x = encoder.patch_embed.projection(images).permute(0, 2, 3, 1)
    x = x + stretch_positions(sam.pos_embed, x.shape[1], x.shape[2])
    plain = len(sam.blocks) - len(adapters)
    maps = []
    for index, block in enumerate(sam.blocks):
        x = run_block(block, x, adapters[index - plain] if index >= plain else None)
        if block.window_size == 0:
            maps.append(x.permute(0, 3, 1, 2))
    return [*maps[:-1], encoder.neck(x)]


def stretch_positions(positions: Tensor, height: int, width: int) -> Tensor:
    """Fit a learned map of position embeddings to another grid.

    Args:
        positions: (1, h0, w0, V).
        height: rows h of the grid.
        width: its columns w.

    Returns:
        (1, h, w, V), bilinear; the map itself where it fits.
    """
    if positions.shape[1:3] == (height, width):
        return positions
    stretched = F.interpolate(positions.permute(0, 3, 1, 2), (height, width), mode="bilinear", align_corners=False)
    return stretched.permute(0, 2, 3, 1)


def run_block(block: VitBlock, x: Tensor, adapters: BlockAdapters | None) -> Tensor:
    """Run one transformer block.

    Args:
        block: one of SAM's.
        x: (P, h, w, V).
        adapters: the block's, or None.

    Returns:
        (P, h, w, V).

    Source: RefSAM, parameter-efficient tuning: an adapter with a skip after attention, and one beside the MLP, halved.
    """
    seen = block.layer_norm1(x)
    if block.window_size > 0:
        windows, padded = block.window_partition(seen, block.window_size)
        size = (x.shape[1], x.shape[2])
        seen = block.window_unpartition(attend_map(block.attn, windows), block.window_size, padded, size)
    else:
        seen = attend_map(block.attn, seen)
    if adapters is not None:
        seen = seen + adapters.after_attention(seen)
    x = x + seen
    normed = block.layer_norm2(x)
    y: Tensor = x + block.mlp(normed)
    return y if adapters is None else y + 0.5 * adapters.beside_mlp(normed)


def attend_map(attention: VitAttention, x: Tensor) -> Tensor:
    """Self-attention of every cell of a map, with SAM's relative position embeddings.

    Args:
        attention: of one of SAM's blocks.
        x: (P, h, w, V).

    Returns:
        (P, h, w, V).
    """
    p, h, w, _ = x.shape
    q, k, v = attention.qkv(x).reshape(p, h * w, 3, attention.num_attention_heads, -1).permute(2, 0, 3, 1, 4)
    grid = q.unflatten(2, (h, w))
    rows = torch.einsum("pnhwc,hck->pnhwk", grid, relative_embeddings(attention.rel_pos_h, h))
    columns = torch.einsum("pnhwc,wck->pnhwk", grid, relative_embeddings(attention.rel_pos_w, w))
    bias = (rows[..., :, None] + columns[..., None, :]).flatten(4, 5).flatten(2, 3)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    mixed: Tensor = attention.proj(y.transpose(1, 2).reshape(p, h, w, -1))
    return mixed


def relative_embeddings(table: Tensor, size: int) -> Tensor:
    """The embedding of each pair of positions on an axis.

    Args:
        table: (2 n - 1, c), of the distances -(n - 1) .. n - 1.
        size: number of positions s; where it is not n, the table is stretched linearly.

    Returns:
        (s, c, s): entry [i, :, j] is of distance i - j.
    """
    if len(table) != 2 * size - 1:
        table = F.interpolate(table.T[None], 2 * size - 1, mode="linear")[0].T
    return table.unfold(0, size, 1).flip(-1)


def decode_mask(sam: Sam1, embedding: Tensor, dense: Tensor, sparse: Tensor, hidden: Tensor | None) -> Decoded:
    """Decode one mask per target.

    Args:
        sam: the network.
        embedding: (R, C, h, w) image embeddings; R is N, or 1 where all targets look at the same image.
        dense: (N, C, h, w) or (1, C, 1, 1), dense prompt embeddings.
        sparse: (N, L, C) sparse prompt embeddings.
        hidden: (N, L) bool, True where a sparse prompt is padding: nobody attends to it. None where all count.

    Returns:
        Masks and tokens.

    Source: `SamMaskDecoder` of `transformers`, without multimask output: mask token 0 makes the mask.

    Differs: prompts can be hidden. The masks that are not used are not made.
    """
    decoder = sam.mask_decoder
    n, _, c = sparse.shape
    own = torch.cat((decoder.iou_token.weight, decoder.mask_tokens.weight)).expand(n, -1, -1)
    tokens = torch.cat((own, sparse), 1)
    bias = None if hidden is None else _hide(hidden, own.shape[1], tokens.dtype)

    source = (embedding + dense).expand(n, -1, -1, -1)
    h, w = source.shape[2:]
    position = sam.prompt_encoder.embed_grid(h, w).flatten(2).transpose(1, 2)
    queries, keys = tokens, source.flatten(2).transpose(1, 2)
    for layer in sam.two_way_blocks:
        queries, keys = run_two_way(layer, queries, keys, tokens, position, bias)
    last = decoder.transformer
    queries = queries + attend_tokens(last.final_attn_token_to_image, queries + tokens, keys + position, keys)
    mask_token = last.layer_norm_final_attn(queries)[:, 1]

    pixels = decoder.upscale_conv1(keys.transpose(1, 2).reshape(n, c, h, w))
    pixels = decoder.activation(decoder.upscale_layer_norm(pixels))
    pixels = decoder.activation(decoder.upscale_conv2(pixels))
    weights = decoder.output_hypernetworks_mlps[0](mask_token)
    return Decoded(torch.einsum("nc,nchw->nhw", weights, pixels)[:, None], mask_token)


def run_two_way(
    layer: TwoWayBlock, queries: Tensor, keys: Tensor, tokens: Tensor, position: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Let tokens and image cells attend to each other once.

    Args:
        layer: one of the mask decoder's.
        queries: (N, T, C), what the layer before made of the tokens.
        keys: (N, h * w, C) image cells.
        tokens: (N, T, C), the tokens at the beginning, which stand for their positions.
        position: (1, h * w, C) of the cells.
        bias: (N, 1, 1, T), -inf where a token is hidden; None where none is.

    Returns:
        New queries and keys.
    """
    if layer.skip_first_layer_pe:
        queries = attend_tokens(layer.self_attn, queries, queries, queries, bias)
    else:
        placed = queries + tokens
        queries = queries + attend_tokens(layer.self_attn, placed, placed, queries, bias)
    queries = layer.layer_norm1(queries)
    looked = attend_tokens(layer.cross_attn_token_to_image, queries + tokens, keys + position, keys)
    queries = layer.layer_norm2(queries + looked)
    queries = layer.layer_norm3(queries + layer.mlp(queries))
    told = attend_tokens(layer.cross_attn_image_to_token, keys + position, queries + tokens, queries, bias)
    return queries, layer.layer_norm4(keys + told)


def attend_tokens(attention: TokenAttention, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Attention with the weights of the mask decoder's: (N, Q, C), (N, K, C), (N, K, C) → (N, Q, C)."""
    heads = attention.num_attention_heads
    q, k, v = (
        project(x).unflatten(-1, (heads, -1)).transpose(1, 2)
        for project, x in ((attention.q_proj, q), (attention.k_proj, k), (attention.v_proj, v))
    )
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    out: Tensor = attention.out_proj(mixed.transpose(1, 2).flatten(2))
    return out


def _hide(hidden: Tensor, own: int, dtype: torch.dtype) -> Tensor:
    """What to add to attention scores: (N, P) bool → (N, 1, 1, own + P), nothing for SAM's own tokens."""
    bias = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill(hidden, -torch.inf)
    return F.pad(bias, (own, 0))[:, None, None]
