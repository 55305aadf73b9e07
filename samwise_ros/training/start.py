"""The network and the tokenizer that a training starts from. Called by `training.loop`."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from samwise_ros.config import OPTIONAL_PARTS, REFSAM_PARTS, RefSamConfig, preset
from samwise_ros.model.build import Network, find_tokenizer, load_network, new_network
from samwise_ros.model.checkpoint import place_tokenizer, tokenizer_path
from samwise_ros.model.published import cache_dir
from samwise_ros.model.refsam import RefSam
from samwise_ros.model.text import load_tokenizer
from samwise_ros.training.recipe import Recipe
from samwise_ros.training.tokens import train_tokenizer

_LOG = logging.getLogger(__name__)


def start_network(recipe: Recipe) -> Network:
    """The network before the first step, on the CPU: of the recipe's weights file, or fresh. Random numbers start anew.

    Args:
        recipe: says which.

    Returns:
        The network; its frozen parts take no gradient.

    Raises:
        CheckpointError: the weights file does not fit.
    """
    torch.manual_seed(recipe.seed)  # the same fresh weights in every process, those of the auxiliary heads included
    if recipe.start_from is not None:
        network = load_network(Path(recipe.start_from), recipe.model)
        whole = preset(recipe.model)
        parts = REFSAM_PARTS if isinstance(whole, RefSamConfig) else OPTIONAL_PARTS
        lacks = [part for part in parts if getattr(whole, part) and not getattr(network.config, part)]
        if lacks:
            _LOG.warning(
                "weights file %s is without %s of %s: what is trained is so, too, whatever the weights of their losses",
                recipe.start_from,
                ", ".join(lacks),
                recipe.model,
            )
        return network
    left_out: dict[str, Any] = dict.fromkeys(recipe.leave_out, False)
    network = new_network(replace(preset(recipe.model), **left_out))
    spread_positions(network)
    return network


def find_start_tokenizer(
    recipe: Recipe,
    network: Network,
    weights: Path,
    texts: Iterable[str],
    *,
    resumed: bool = False,
    first: bool = True,
) -> Tokenizer:
    """The tokenizer that the weights to be written will need, put beside them where it is not RoBERTa's own.

    Args:
        recipe: says what the training starts from.
        network: to be trained.
        weights: file that the training will write.
        texts: a tokenizer is made from these where the training starts from nothing.
        resumed: the tokenizer that this training began with is kept, where it has its own.
        first: whether this process asks before the others, which take what it has made.

    Returns:
        The tokenizer.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """
    own = tokenizer_path(weights)
    text = network.config.text
    if recipe.start_from is None or (resumed and own.is_file()):
        # One that lies there may be of another attempt, as below.
        if not own.is_file() or (first and not resumed):
            partial = own.with_suffix(".partial")
            train_tokenizer(texts, text.vocab_size, partial)
            partial.replace(own)
        return load_tokenizer(own, text)
    # Not the one that may lie there already: it may be of an attempt to start from something else.
    theirs = find_tokenizer(Path(recipe.start_from), text, cache_dir(None))
    tokenizer = load_tokenizer(theirs, text)
    place_tokenizer(theirs if theirs == tokenizer_path(Path(recipe.start_from)) else None, weights)
    return tokenizer


def spread_positions(network: Network) -> None:
    """Start the image encoder's position embedding from waves instead of zeros or noise.

    A published SAM brings a trained embedding. From zeros a small network hardly learns where things are: words of
    place stay without meaning while the others are learnt.

    Args:
        network: changed in place.
    """
    if isinstance(network, RefSam):
        embed = network.sam.pos_embed.permute(0, 3, 1, 2)
    else:
        embed = network.sam.image_encoder.trunk.pos_embed
    _, width, rows, columns = embed.shape
    phase = torch.arange(1, width // 4 + 1, dtype=torch.float32)[:, None] * torch.pi / 2
    down, across = ((torch.arange(n) + 0.5) / n * phase for n in (rows, columns))
    waves = [
        *(wave(across)[:, None, :].expand(-1, rows, -1) for wave in (torch.sin, torch.cos)),
        *(wave(down)[:, :, None].expand(-1, -1, columns) for wave in (torch.sin, torch.cos)),
    ]
    with torch.no_grad():
        embed.copy_(0.5 * torch.cat(waves)[None] / phase.repeat(4, 1)[None, :, :, None].sqrt())
