"""Reading files of tensors, whoever wrote them. Called by `model.checkpoint` and `model.pretrained`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from samwise_ros.errors import CheckpointError


def check_exists(path: Path) -> None:
    """Raise a CheckpointError where there is no file."""
    if not path.is_file():
        raise CheckpointError(
            f"weights file {path} is missing, expected a .safetensors, .pth or .pt file: check the path"
        )


def is_safetensors(path: Path) -> bool:
    """Safetensors start with the length of a JSON header; torch's files are zip archives or pickles."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{" or path.suffix == ".safetensors"


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Raises:
        CheckpointError: it is none, or broken.
    """
    try:
        with safe_open(path, "pt") as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
            return state, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"weights file {path} cannot be read ({error}), expected safetensors: get the file again"
        ) from error


def read_pickle(path: Path) -> dict[str, Tensor]:
    """The state dict in a file of `torch.save`, bare or under `model`; nothing that the file says is run.

    Raises:
        CheckpointError: the file is none, or broken, or holds more than tensors and plain values.
    """
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        if "GLOBAL" not in _reason(error):
            raise CheckpointError(
                f"weights file {path} cannot be read, expected a file of torch.save: get the file again"
            ) from error
        raise CheckpointError(
            f"weights file {path} is refused ({_reason(error)}), expected nothing but tensors, numbers, texts and an "
            "argparse.Namespace, since anything else could run code: get the file from its authors"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"weights file {path} cannot be read ({_reason(error)}), expected a file of torch.save: get the file again"
        ) from error
    state = content.get("model", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(
            f"weights file {path} has no tensors of its own or under 'model', expected a checkpoint: check the path"
        )
    return {str(key): value for key, value in state.items()}


def _reason(error: Exception) -> str:
    """The one line of torch's long explanations that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "GLOBAL" in line), lines[0] if lines else type(error).__name__)


def describe_keys(state: Mapping[str, Tensor]) -> str:
    """A few words on weights that nobody knows, for an error's text."""
    return f"keys such as {', '.join(sorted(state)[:3])}" if state else "no weights"
