"""Weights on disk: strict in, strict out.

`model.build` reads with it, `training` writes with it. A file holds one network's state dict as safetensors, floats as
float16, and its preset's name in the metadata; the tokenizer lies beside it as `NAME.tokenizer.json`.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from samwise_ros.errors import CheckpointError

FORMAT = "samwise_ros-1"


def tokenizer_path(weights: Path) -> Path:
    """Where the tokenizer of a weights file lies."""
    return weights.with_suffix(".tokenizer.json")


def save_weights(network: nn.Module, preset: str, path: Path) -> None:
    """Write a network's weights; an earlier file is replaced in one step.

    Args:
        network: the network; floating-point values are stored as float16.
        preset: name of the preset that builds it.
        path: the file to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in network.state_dict().items()
    }
    partial = path.with_suffix(".partial")
    save_file(state, partial, {"format": FORMAT, "preset": preset})
    os.replace(partial, path)


def load_weights(network: nn.Module, preset: str, path: Path) -> None:
    """Read weights into a network built for the same preset. Every key must be there, and no other.

    Args:
        network: takes the values in its own dtype.
        preset: name of the preset that built it.
        path: a file that `save_weights` wrote.

    Raises:
        CheckpointError: the file is missing, unreadable, of another preset, or does not fit key by key.
    """
    if not path.is_file():
        raise CheckpointError(f"weights file {path} is missing, expected a .safetensors file: check the path")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"weights file {path} cannot be read ({error}), expected safetensors: get the file again"
        ) from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"weights file {path} has format {metadata.get('format')!r}, expected {FORMAT!r}: "
            "use a file that this package has written"
        )
    if metadata.get("preset") != preset:
        raise CheckpointError(
            f"weights file {path} is of preset {metadata.get('preset')!r}, expected {preset!r}: "
            f"choose that preset or another file"
        )
    _check_fit(network.state_dict(), state, path)
    network.load_state_dict(state)


def _check_fit(own: dict[str, torch.Tensor], state: dict[str, torch.Tensor], path: Path) -> None:
    """Compare keys and shapes.

    Raises:
        CheckpointError: a key is missing, unknown or of another shape; names the first three of each.
    """
    missing = sorted(own.keys() - state.keys())
    unknown = sorted(state.keys() - own.keys())
    wrong = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in sorted(own.keys() & state.keys())
        if own[key].shape != state[key].shape
    ]
    problems = [
        f"{len(keys)} {what} ({', '.join(keys[:3])}{', …' if len(keys) > 3 else ''})"
        for what, keys in (("missing", missing), ("unknown", unknown), ("of another shape", wrong))
        if keys
    ]
    if problems:
        raise CheckpointError(
            f"weights file {path} does not fit the network: keys {'; '.join(problems)}, expected exactly the network's "
            f"{len(own)}: use weights of this version of the package"
        )
