"""From a preset's name to a model that runs. Called by `ros`, `cli`, `training` and `evaluation`."""

from __future__ import annotations

from pathlib import Path

import torch

from samwise_ros.config import preset
from samwise_ros.errors import CheckpointError, ConfigError
from samwise_ros.model.checkpoint import load_weights, tokenizer_path
from samwise_ros.model.samwise import Samwise
from samwise_ros.model.streaming import SamwiseSegmenter
from samwise_ros.model.text import load_tokenizer

WEIGHTS_DIR = Path(__file__).parent.parent / "weights"
"""Weights that ship with the package."""


def build_model(name: str) -> Samwise:
    """A network of a preset with freshly initialised weights.

    Args:
        name: the preset.

    Returns:
        The network in training mode, on the CPU.

    Raises:
        ConfigError: there is no such preset.
    """
    return Samwise(preset(name))


def build_segmenter(name: str = "compact", *, weights: Path | None = None, device: str = "auto") -> SamwiseSegmenter:
    """A trained model, ready for `engine.Tracker`.

    Args:
        name: the preset.
        weights: its weights, with the tokenizer beside them as `NAME.tokenizer.json`; None for those that ship with the
            package.
        device: "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N".

    Returns:
        The model in evaluation mode, on its device.

    Raises:
        ConfigError: there is no such preset or device.
        CheckpointError: the weights or the tokenizer are missing or do not fit.
    """
    config = preset(name)
    place = find_device(device)
    if weights is None:
        weights = WEIGHTS_DIR / f"{name}.safetensors"
        if not weights.is_file():
            raise CheckpointError(
                f"preset {name!r} has no weights in this package, expected a weights file: pass one with `weights`"
            )
    network = Samwise(config)
    load_weights(network, name, weights)
    tokenizer = load_tokenizer(tokenizer_path(weights), config.text.max_tokens)
    return SamwiseSegmenter(network.eval().requires_grad_(False).to(place), tokenizer)


def find_device(device: str) -> torch.device:
    """Turn a device's name into a device that is there.

    Args:
        device: "auto", "cpu", "cuda" or "cuda:N".

    Returns:
        The device.

    Raises:
        ConfigError: the name is unknown or the machine has no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
    except RuntimeError:
        place = torch.device("meta")
    if place.type not in ("cpu", "cuda"):
        raise ConfigError(f"device is {device!r}, expected auto, cpu, cuda or cuda:N: choose one of these")
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device is {device!r}, expected one of the {torch.cuda.device_count()} CUDA devices that PyTorch sees: "
            "choose 'cpu' or check the driver and PyTorch's CUDA build"
        )
    return place
