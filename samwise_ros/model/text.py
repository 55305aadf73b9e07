"""RoBERTa, run a few layers at a time so that it can meet the image in between.

Called by `model.samwise`; tokenizing and stacking by whoever has text.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import RobertaConfig, RobertaModel

from samwise_ros.config import T5Config, TextConfig
from samwise_ros.errors import CheckpointError

PAD_ID = 1
"""RoBERTa's token id of padding."""

_LOG = logging.getLogger(__name__)


class TextEncoder(nn.Module):
    """RoBERTa without its pooler and language-model head.

    Args:
        config: sizes.

    Source: RoBERTa as in `transformers`; SAMWISE uses fairseq's, which computes the same function in evaluation mode.

    Differs: no dropout. RoBERTa stays frozen where it was trained before, and training from scratch on endless samples
    has nothing to overfit to.
    """

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.roberta = RobertaModel(
            RobertaConfig(
                vocab_size=config.vocab_size,
                hidden_size=config.width,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                intermediate_size=config.ffn,
                # RoBERTa counts positions from pad id + 1.
                max_position_embeddings=config.max_tokens + PAD_ID + 1,
                type_vocab_size=1,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
                layer_norm_eps=1e-5,
                pad_token_id=PAD_ID,
                bos_token_id=0,
                eos_token_id=2,
            ),
            add_pooling_layer=False,
        )
        # RoBERTa has one token type only; fairseq's has none at all.
        nn.init.zeros_(self.roberta.embeddings.token_type_embeddings.weight).requires_grad_(False)

    def embed(self, ids: Tensor) -> Tensor:
        """Look token ids up.

        Args:
            ids: (B, L) int64, padded with `PAD_ID`.

        Returns:
            (B, L, D); zero where a token is padding.
        """
        tokens: Tensor = self.roberta.embeddings(input_ids=ids)
        return tokens * (ids != PAD_ID).unsqueeze(-1)

    def run_layers(self, tokens: Tensor, padding: Tensor | None, first: int, last: int) -> Tensor:
        """Run layers `first` .. `last - 1`.

        Args:
            tokens: (B, L, D).
            padding: (B, L) bool, True where a token is padding: nobody attends to it; None where there is none.
            first: index of the first layer to run.
            last: one past the index of the last.

        Returns:
            (B, L, D).
        """
        mask = None
        if padding is not None:
            mask = torch.zeros(padding.shape, dtype=tokens.dtype, device=tokens.device)
            mask = mask.masked_fill(padding, torch.finfo(tokens.dtype).min)[:, None, None]
        for layer in self.roberta.encoder.layer[first:last]:
            tokens = layer(tokens, mask)
        return tokens


def load_tokenizer(path: Path, config: TextConfig | T5Config) -> Tokenizer:
    """Read the tokenizer of a text encoder; it has to give that encoder's ids of padding, start and end.

    Args:
        path: a `tokenizer.json` of the `tokenizers` library.
        config: the text encoder that it is for; longer sequences are cut to its `max_tokens`, special ones included.

    Returns:
        The tokenizer; a batch is padded to its longest sequence.

    Raises:
        CheckpointError: the file is missing, is no tokenizer, or has more tokens than the text encoder knows.
    """
    if not path.is_file():
        raise CheckpointError(
            f"tokenizer {path} is missing, expected a tokenizer.json: put it beside the weights as "
            "NAME.tokenizer.json, or for RoBERTa's own run `samwise download roberta`"
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise CheckpointError(
            f"tokenizer {path} cannot be read ({error}), expected a tokenizer.json: replace it"
        ) from error
    known = {token: tokenizer.token_to_id(token) for token in config.special_ids}
    if known != config.special_ids or tokenizer.get_vocab_size() > config.vocab_size:
        raise CheckpointError(
            f"tokenizer {path} has {tokenizer.get_vocab_size()} tokens with {known}, expected {config.special_ids} "
            f"and at most {config.vocab_size} tokens: use the tokenizer that belongs to the weights"
        )
    tokenizer.enable_truncation(config.max_tokens)
    tokenizer.enable_padding(pad_id=config.special_ids["<pad>"], pad_token="<pad>")
    return tokenizer


def tokenize(tokenizer: Tokenizer, texts: list[str], device: torch.device | str = "cpu") -> Tensor:
    """Turn texts into token ids; one that is longer than the text encoder takes is cut, and said so in the log.

    Args:
        tokenizer: from `load_tokenizer`.
        texts: B expressions.
        device: where the ids shall live.

    Returns:
        (B, L) int64 with the special tokens, padded with `<pad>`.
    """
    encodings = tokenizer.encode_batch(texts)
    for text, encoding in zip(texts, encodings, strict=True):
        if encoding.overflowing:
            _LOG.warning(
                "the expression '%s…' is cut after %d tokens: describe the object in fewer words",
                text[:40],
                len(encoding.ids),
            )
    return torch.tensor([encoding.ids for encoding in encodings], device=device)


def stack_tokens(
    texts: Sequence[tuple[Tensor, Tensor | None]], length: int | None = None
) -> tuple[Tensor, Tensor | None]:
    """Make one batch of several.

    Args:
        texts: each tokens (B, L, D) and padding (B, L) bool, True where a token is padding; None where none is.
        length: what to pad to, not less than any L; None pads to the longest.

    Returns:
        Tokens and padding of all B; None only where no length was given and nothing is padding.
    """
    longest = max(tokens.shape[1] for tokens, _ in texts)
    if length is None and all(padding is None and tokens.shape[1] == longest for tokens, padding in texts):
        return torch.cat([tokens for tokens, _ in texts]), None
    stacked, marks = [], []
    for tokens, padding in texts:
        gap = (length or longest) - tokens.shape[1]
        # Made where the tokens are: numbers from Python would be uploaded in every frame.
        own = tokens.new_zeros(tokens.shape[:2], dtype=torch.bool) if padding is None else padding
        stacked.append(F.pad(tokens, (0, 0, 0, gap)))
        marks.append(F.pad(own, (0, gap), value=True))
    return torch.cat(stacked), torch.cat(marks)
