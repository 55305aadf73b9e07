"""Weights on disk: strict in, strict out. Called by `model.build`, `training` and `cli.convert`.

Two kinds of file are read: this package's own safetensors, which names its preset in the metadata, and a checkpoint
that the original SAMWISE wrote; `model.pretrained` reads what training starts from. Every key must be there and no
other, but for what `model.released` lists.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from samwise_ros.config import PRESETS, AnyConfig
from samwise_ros.errors import CheckpointError
from samwise_ros.model.recognise import is_sam2, parts_of, samwise_of_size
from samwise_ros.model.released import is_released, translate
from samwise_ros.model.sam1_released import is_sam1
from samwise_ros.model.weight_files import check_exists, describe_keys, is_safetensors, read_pickle, read_safetensors

FORMAT = "samwise_ros-1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a weights file holds.

    Attributes:
        config: the preset that it fits, with those optional parts that the file has.
        state: by our names, float32 on the CPU.
    """

    config: AnyConfig
    state: dict[str, Tensor]


def tokenizer_path(weights: Path) -> Path:
    """Where the tokenizer of a weights file lies, if it has one of its own."""
    return weights.with_suffix(".tokenizer.json")


def place_tokenizer(tokenizer: Path | None, weights: Path) -> None:
    """Put a copy of a tokenizer beside a weights file, in one step; None takes an earlier file's away."""
    own = tokenizer_path(weights)
    if tokenizer is None:
        own.unlink(missing_ok=True)
    elif not (own.is_file() and filecmp.cmp(tokenizer, own, shallow=False)):
        partial = own.with_suffix(".partial")
        shutil.copyfile(tokenizer, partial)
        partial.replace(own)


def save_weights(network: nn.Module, preset: str, path: Path, *, dtype: torch.dtype | None = None) -> None:
    """Write a network's weights as safetensors; an earlier file is replaced in one step.

    Args:
        network: the network.
        preset: name of the preset that builds it.
        path: the file to write.
        dtype: of the floating-point values in the file; None keeps each value's own.

    Raises:
        CheckpointError: the file cannot be written.
    """
    state = {
        key: (value.to(dtype) if dtype and value.is_floating_point() else value).contiguous()
        for key, value in network.state_dict().items()
    }
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
        mode = partial.stat().st_mode
        save_file(state, partial, {"format": FORMAT, "preset": preset})
        partial.chmod(mode)  # the library makes files that only their owner can read
        os.replace(partial, path)
    except (SafetensorError, OSError) as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise CheckpointError(
            f"weights file {path} cannot be written ({error}), expected a folder with room for it: name another"
        ) from error


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a file of weights for the whole network, this package's own or a released one.

    Args:
        path: the file. What it is shows in its content, not in its name.

    Returns:
        Its weights, and which preset they fit.

    Raises:
        CheckpointError: the file is missing, unreadable, of no known format or of no known size.
    """
    check_exists(path)
    if is_safetensors(path):
        state, metadata = read_safetensors(path)
        if metadata.get("format") != FORMAT or metadata.get("preset") not in PRESETS:
            raise CheckpointError(
                f"weights file {path} has format {metadata.get('format')!r} and preset {metadata.get('preset')!r}, "
                f"expected {FORMAT!r} and one of {', '.join(PRESETS)}: use a file that this package has written"
            )
        config = PRESETS[metadata["preset"]]
    else:
        state = read_pickle(path)
        if not is_released(state):
            sam = "a SAM 2" if is_sam2(state) else "a SAM 1" if is_sam1(state) else None
            raise CheckpointError(
                f"weights file {path} holds {sam or describe_keys(state)}, expected a whole SAMWISE or RefSAM: "
                "`samwise convert --text-encoder` makes one to train from out of a SAM and a text encoder"
            )
        state = translate(state)
        config = samwise_of_size({key.removeprefix("sam."): value for key, value in state.items()}, path)
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    return Checkpoint(parts_of(config, state), state)


def load_state(network: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Put weights into a network; it takes the tensors themselves, so that nothing is copied.

    Args:
        network: built for these weights; may be on the meta device.
        state: exactly its keys.
        path: where they come from, for the error's text.

    Raises:
        CheckpointError: a key is missing, unknown or of another shape; names the first three of each.
    """
    own = network.state_dict()
    wrong = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in sorted(own.keys() & state.keys())
        if own[key].shape != state[key].shape
    ]
    differences = (
        ("missing", sorted(own.keys() - state.keys())),
        ("unknown", sorted(state.keys() - own.keys())),
        ("of another shape", wrong),
    )
    problems = [
        f"{len(keys)} {what} ({', '.join(keys[:3])}{', …' if len(keys) > 3 else ''})"
        for what, keys in differences
        if keys
    ]
    if problems:
        raise CheckpointError(
            f"weights file {path} does not fit the network: keys {'; '.join(problems)}, expected exactly the network's "
            f"{len(own)}: use weights of this version of the package, or of the published SAMWISE"
        )
    network.load_state_dict(state, assign=True)
