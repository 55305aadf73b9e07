"""RefSAM's text encoders: T5's, and RoBERTa through `model.text`. Called by `model.refsam` and its segmenter."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import T5Config as TransformersT5Config
from transformers.models.t5.modeling_t5 import T5Attention, T5Stack

from samwise_ros.config import T5Config, TextConfig
from samwise_ros.model.text import TextEncoder


class T5Encoder(nn.Module):
    """T5 without its decoder.

    Args:
        config: sizes.

    Source: T5 as in `transformers`.

    Differs: no dropout; see `model.text.TextEncoder`. Whether any token is padding is not asked on the way.
    """

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.t5 = T5Stack(t5_sizes(config))

    def forward(self, ids: Tensor, padding: Tensor) -> Tensor:
        """Run the encoder.

        Args:
            ids: (B, L) int64.
            padding: (B, L) bool, True where a token is padding: nobody attends to it.

        Returns:
            (B, L, D).
        """
        blocks: Any = self.t5.block
        x: Tensor = self.t5.embed_tokens(ids)
        bias = blocks[0].layer[0].SelfAttention.compute_bias(ids.shape[1], ids.shape[1])
        bias = bias.masked_fill(padding[:, None, None], torch.finfo(bias.dtype).min)
        for block in blocks:
            attention, feed_forward = block.layer
            x = x + _attend(attention.SelfAttention, attention.layer_norm(x), bias)
            x = x + feed_forward.DenseReluDense(feed_forward.layer_norm(x))
        words: Tensor = self.t5.final_layer_norm(x)
        return words


def _attend(attention: T5Attention, x: Tensor, bias: Tensor) -> Tensor:
    """Self-attention with T5's weights, whose scores are not scaled: (B, L, D), (B, heads, L, L) → (B, L, D)."""
    q, k, v = (
        project(x).unflatten(-1, (attention.n_heads, -1)).transpose(1, 2)
        for project in (attention.q, attention.k, attention.v)
    )
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=1.0)
    out: Tensor = attention.o(mixed.transpose(1, 2).flatten(2))
    return out


class RobertaEncoder(TextEncoder):
    """RoBERTa from end to end; `TextEncoder` runs it in parts.

    Args:
        config: sizes.
    """

    def __init__(self, config: TextConfig) -> None:
        super().__init__(config)
        self._layers = config.layers

    def forward(self, ids: Tensor, padding: Tensor) -> Tensor:
        """Run the encoder; see `T5Encoder.forward`."""
        return self.run_layers(self.embed(ids), padding, 0, self._layers)


def build_text_encoder(config: TextConfig | T5Config) -> T5Encoder | RobertaEncoder:
    """A text encoder with freshly initialised weights."""
    return T5Encoder(config) if isinstance(config, T5Config) else RobertaEncoder(config)


def t5_sizes(config: T5Config) -> TransformersT5Config:
    """The sizes as `transformers` takes them."""
    return TransformersT5Config(
        vocab_size=config.vocab_size,
        d_model=config.width,
        d_kv=config.head_width,
        d_ff=config.ffn,
        num_layers=config.layers,
        num_heads=config.heads,
        feed_forward_proj="gated-gelu" if config.gated else "relu",
        dropout_rate=0.0,
        is_encoder_decoder=False,
        use_cache=False,
    )


def mean_word(words: Tensor, padding: Tensor) -> Tensor:
    """The sentence vector.

    Args:
        words: (B, L, D).
        padding: (B, L) bool, True where a token is padding.

    Returns:
        (B, D), the mean of all other tokens, the tokenizer's own such as `</s>` included.
    """
    there = (~padding).unsqueeze(-1).to(words.dtype)
    return (words * there).sum(1) / there.sum(1)
