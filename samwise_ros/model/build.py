"""From a preset's name to a model that runs. Called by `ros`, `cli`, `training` and `evaluation`."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from accelerate import init_empty_weights

from samwise_ros.config import ModelConfig, TextConfig, preset
from samwise_ros.errors import CheckpointError, ConfigError
from samwise_ros.model import checkpoint
from samwise_ros.model.onednn import use_onednn
from samwise_ros.model.published import cache_dir, samwise_file, tokenizer_file
from samwise_ros.model.samwise import Samwise
from samwise_ros.model.samwise_segmenter import Mode, SamwiseSegmenter
from samwise_ros.model.text import load_tokenizer

WEIGHTS_DIR = Path(__file__).parent.parent / "weights"
"""Weights that ship with the package."""

MODES = ("stream", "clip")

_LOG = logging.getLogger(__name__)


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


def load_network(weights: Path, name: str | None = None) -> Samwise:
    """A trained network.

    Args:
        weights: this package's own file, or one that the original implementation wrote.
        name: the preset that the file has to be of; None takes any.

    Returns:
        The network in evaluation mode on the CPU, float32. It has those optional parts that the file has.

    Raises:
        CheckpointError: the file is missing, unreadable, of another preset, or does not fit key by key.
    """
    found = checkpoint.read_checkpoint(weights)
    if name not in (None, found.config.name):
        raise CheckpointError(
            f"weights file {weights} is of preset {found.config.name!r}, expected {name!r}: choose the preset "
            f"{found.config.name!r} or another file"
        )
    network = empty_network(found.config)
    checkpoint.load_state(network, found.state, weights)
    use_onednn(network)
    return network.eval()


def start_network(sam2: Path, roberta: Path) -> Samwise:
    """A network to train: SAM 2 and RoBERTa as they were published, the rest freshly initialised.

    Args:
        sam2: SAM 2.0's checkpoint; its size decides the preset.
        roberta: folder of RoBERTa-base in `transformers`' format.

    Returns:
        The network in training mode, on the CPU.

    Raises:
        CheckpointError: a file is missing, unreadable or of another size.
    """
    found = checkpoint.read_sam2(sam2)
    network = Samwise(found.config)
    checkpoint.load_state(network.sam, found.state, sam2)
    checkpoint.load_pretrained_roberta(network.text_encoder.roberta, roberta)
    return network


def empty_network(config: ModelConfig) -> Samwise:
    """A network whose parameters have shapes but no values, made at once: for loading into, and for counting."""
    with init_empty_weights():
        return Samwise(config)


def build_segmenter(
    name: str = "compact",
    *,
    weights: Path | None = None,
    device: str = "auto",
    mode: Mode = "stream",
    cache: Path | None = None,
) -> SamwiseSegmenter:
    """A trained model, ready for `engine.Tracker`.

    Args:
        name: the preset.
        weights: its weights; None for those that ship with the package or lie in the cache.
        device: "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N".
        mode: "stream" or "clip"; see `model.samwise_segmenter`.
        cache: folder of `samwise download`; None for the usual one.

    Returns:
        The model in evaluation mode, on its device. Its tokenizer lies beside the weights as `NAME.tokenizer.json`, or
        is RoBERTa's in the cache.

    Raises:
        ConfigError: there is no such preset, device or mode.
        CheckpointError: the weights or the tokenizer are missing or do not fit.
    """
    config = preset(name)
    place = find_device(device)
    if mode not in MODES:
        raise ConfigError(f"mode is {mode!r}, expected one of {', '.join(MODES)}: choose one of these")
    cache = cache_dir(cache)
    if weights is None:
        weights = find_weights(name, cache)
    network = load_network(weights, name)
    tokenizer = load_tokenizer(find_tokenizer(weights, config.text, cache), config.text)
    if not network.config.object_score:
        _LOG.info("%s is of a single-image model: it takes every target to be in view, always", weights)
    return SamwiseSegmenter(network.requires_grad_(False).to(place), tokenizer, mode)


def find_weights(name: str, cache: Path) -> Path:
    """Where a preset's weights lie: in the package, or where `samwise download` put them.

    Args:
        name: the preset.
        cache: folder of `samwise download`.

    Returns:
        The file.

    Raises:
        CheckpointError: there are none.
    """
    shipped = WEIGHTS_DIR / f"{name}.safetensors"
    if shipped.is_file():
        return shipped
    downloaded = samwise_file(name, cache)
    if downloaded is None:
        raise CheckpointError(
            f"preset {name!r} has no weights in this package or in {cache}, expected a weights file: "
            "run `samwise download` to see what is published, or pass a file with `weights`"
        )
    _LOG.info("weights of %s: %s", name, downloaded)
    return downloaded


def find_tokenizer(weights: Path, text: TextConfig, cache: Path) -> Path:
    """Where the tokenizer of a weights file lies: beside it, or for RoBERTa's own tokens in the cache.

    Args:
        weights: the weights file.
        text: the preset's text encoder.
        cache: folder of `samwise download`.

    Returns:
        The file, whether or not it is there.
    """
    beside = checkpoint.tokenizer_path(weights)
    return beside if beside.is_file() or text != TextConfig() else tokenizer_file(cache)


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
