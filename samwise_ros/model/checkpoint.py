"""Weights on disk: strict in, strict out. Called by `model.build`, `training` and `cli.convert`.

Three kinds of file are read: this package's own safetensors, which names its preset in the metadata; a checkpoint that
the original implementation wrote; and, to start training from, a SAM 2 file with a `transformers` RoBERTa beside it.
Every key must be there and no other, but for what `model.released` lists.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import RobertaModel

from samwise_ros.config import PRESETS, ModelConfig
from samwise_ros.errors import CheckpointError
from samwise_ros.model.released import is_released, translate

FORMAT = "samwise_ros-1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a weights file holds.

    Attributes:
        config: the preset that it fits, with those optional parts that the file has.
        state: by our names, float32 on the CPU.
    """

    config: ModelConfig
    state: dict[str, Tensor]


def tokenizer_path(weights: Path) -> Path:
    """Where the tokenizer of a weights file lies, if it has one of its own."""
    return weights.with_suffix(".tokenizer.json")


def save_weights(network: nn.Module, preset: str, path: Path, *, dtype: torch.dtype | None = None) -> None:
    """Write a network's weights as safetensors; an earlier file is replaced in one step.

    Args:
        network: the network.
        preset: name of the preset that builds it.
        path: the file to write.
        dtype: of the floating-point values in the file; None keeps each value's own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        key: (value.to(dtype) if dtype and value.is_floating_point() else value).contiguous()
        for key, value in network.state_dict().items()
    }
    partial = path.with_suffix(".partial")
    try:
        partial.touch()
        mode = partial.stat().st_mode
        save_file(state, partial, {"format": FORMAT, "preset": preset})
        partial.chmod(mode)  # the library makes files that only their owner can read
        os.replace(partial, path)
    except (SafetensorError, OSError) as error:
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
    _check_exists(path)
    if _is_safetensors(path):
        state, metadata = _read_safetensors(path)
        if metadata.get("format") != FORMAT or metadata.get("preset") not in PRESETS:
            raise CheckpointError(
                f"weights file {path} has format {metadata.get('format')!r} and preset {metadata.get('preset')!r}, "
                f"expected {FORMAT!r} and one of {', '.join(PRESETS)}: use a file that this package has written"
            )
        config = PRESETS[metadata["preset"]]
    else:
        state = _read_pickle(path)
        if not is_released(state):
            raise CheckpointError(
                f"weights file {path} holds {'a SAM 2' if _is_sam2(state) else _describe_keys(state)}, expected a "
                "whole SAMWISE: `samwise convert --roberta` makes one to train from out of SAM 2 and RoBERTa"
            )
        state = translate(state)
        config = _recognise_size(state, path)
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    return Checkpoint(_recognise_parts(config, state), state)


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


def read_sam2(path: Path) -> Checkpoint:
    """Read a SAM 2.0 checkpoint, to start training from.

    Args:
        path: a file as SAM 2's authors publish it, `{"model": …}`.

    Returns:
        Its weights by SAM 2's own names, and which preset has a SAM 2 of this size.

    Raises:
        CheckpointError: the file is missing, unreadable, of no known size or not SAM 2.0's.
    """
    _check_exists(path)
    state = _read_pickle(path)
    if not _is_sam2(state):
        raise CheckpointError(
            f"{path} holds {_describe_keys(state)}, expected a SAM 2.0 file: `samwise download` gets one"
        )
    if "no_obj_embed_spatial" in state:
        raise CheckpointError(
            f"{path} is of SAM 2.1, expected SAM 2.0, which SAMWISE is built on: `samwise download` it"
        )
    return Checkpoint(_recognise_size({f"sam.{key}": value for key, value in state.items()}, path), state)


def load_pretrained_roberta(roberta: nn.Module, folder: Path) -> None:
    """Put a pretrained RoBERTa into the network's.

    Args:
        roberta: the part of the network.
        folder: as `transformers` saves it: `config.json` and the weights.

    Raises:
        CheckpointError: the folder is missing, unreadable, or of another size.
    """
    try:
        loaded: Any = RobertaModel.from_pretrained(
            folder, add_pooling_layer=False, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise CheckpointError(
            f"RoBERTa cannot be read from {folder} ({str(error).splitlines()[0]}), expected config.json and "
            "model.safetensors: `samwise download roberta` gets them"
        ) from error
    theirs, report = loaded
    if report["missing_keys"]:
        raise CheckpointError(
            f"RoBERTa in {folder} lacks keys such as {', '.join(sorted(report['missing_keys'])[:3])}, expected a whole "
            "model: `samwise download roberta` gets one"
        )
    load_state(roberta, {key: value.float() for key, value in theirs.state_dict().items()}, folder)


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(
            f"weights file {path} is missing, expected a .safetensors, .pth or .pt file: check the path"
        )


def _is_safetensors(path: Path) -> bool:
    """Safetensors start with the length of a JSON header; torch's files are zip archives or pickles."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{" or path.suffix == ".safetensors"


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, "pt") as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
            return state, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"weights file {path} cannot be read ({error}), expected safetensors: get the file again"
        ) from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    """The state dict under `model` in a file of `torch.save`, read without running anything that the file says."""
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise CheckpointError(
            f"weights file {path} is refused ({_reason(error)}), expected nothing but tensors, numbers, texts and an "
            "argparse.Namespace, since anything else could run code: get the file from its authors"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"weights file {path} cannot be read ({_reason(error)}), expected a file of torch.save: get the file again"
        ) from error
    state = content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(
            f"weights file {path} has no tensors under 'model', expected a checkpoint: check the path"
        )
    return {str(key): value for key, value in state.items()}


def _reason(error: Exception) -> str:
    """The one line of torch's long explanations that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "GLOBAL" in line), lines[0] if lines else type(error).__name__)


def _describe_keys(state: Mapping[str, Tensor]) -> str:
    return f"keys such as {', '.join(sorted(state)[:3])}" if state else "no weights"


def _is_sam2(state: Mapping[str, Tensor]) -> bool:
    return "image_encoder.trunk.patch_embed.proj.weight" in state


def _recognise_size(state: Mapping[str, Tensor], path: Path) -> ModelConfig:
    """Which preset's backbone and text encoder a state dict has."""
    blocks = {key.split(".")[4] for key in state if key.startswith("sam.image_encoder.trunk.blocks.")}
    patches = state.get("sam.image_encoder.trunk.patch_embed.proj.weight")
    width = 0 if patches is None else patches.shape[0]
    for config in PRESETS.values():
        if (config.hiera.embed_dim, sum(config.hiera.stages)) == (width, len(blocks)):
            return config
    known = ", ".join(f"{c.name} {c.hiera.embed_dim}/{sum(c.hiera.stages)}" for c in PRESETS.values())
    raise CheckpointError(
        f"weights file {path} has an image backbone of width {width} with {len(blocks)} blocks, expected one of "
        f"{known}: this size is not supported"
    )


def _recognise_parts(config: ModelConfig, state: Mapping[str, Tensor]) -> ModelConfig:
    """The preset with the optional parts that a state dict has; the published single-image model lacks some."""
    return replace(
        config,
        vision_to_text=any(".vision_to_text." in key for key in state),
        object_score="sam.sam_mask_decoder.obj_score_token.weight" in state,
        temporal_attention=any(".temporal." in key for key in state),
        memory_check=any(key.startswith("cme.") for key in state),
    )
