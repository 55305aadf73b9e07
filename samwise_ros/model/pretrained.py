"""What others trained and this package starts from: SAM 1, SAM 2, and text encoders. Called by `model.build`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor
from transformers import RobertaModel, T5EncoderModel

from samwise_ros.config import ModelConfig, RefSamConfig, T5Config, TextConfig
from samwise_ros.errors import CheckpointError
from samwise_ros.model import sam1_released
from samwise_ros.model.recognise import is_sam2, refsam_of_size, samwise_of_size, text_encoder_of
from samwise_ros.model.weight_files import check_exists, describe_keys, is_safetensors, read_pickle, read_safetensors


@dataclass(frozen=True, slots=True)
class PretrainedSam:
    """A SAM 1 or a SAM 2.

    Attributes:
        config: the preset that is built on it.
        state: weights by the names of the network's part `sam`.
    """

    config: ModelConfig | RefSamConfig
    state: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class PretrainedText:
    """A text encoder.

    Attributes:
        config: its sizes.
        state: float32 weights by the names of the network's part `text_encoder`.
    """

    config: TextConfig | T5Config
    state: dict[str, Tensor]


def read_sam(path: Path) -> PretrainedSam:
    """Read a SAM; which one shows in its keys.

    Args:
        path: SAM 2.0's checkpoint as its authors publish it; SAM 1's as its authors publish it, or in the format of
            `transformers`, a file or its folder.

    Returns:
        Its weights, and the preset that they fit.

    Raises:
        CheckpointError: the file is missing, unreadable, of no known size, or neither SAM 1 nor SAM 2.0.
    """
    if path.is_dir():
        path = _weights_in(path)
    check_exists(path)
    state = read_safetensors(path)[0] if is_safetensors(path) else read_pickle(path)
    if sam1_released.is_sam1(state):
        state = {key: value.float() for key, value in sam1_released.translate(state).items()}
        config = refsam_of_size(state, path)
        if config.dense_attention or config.hierarchical_attention:
            state.pop(sam1_released.NO_MASK, None)
        return PretrainedSam(config, state)
    if not is_sam2(state):
        raise CheckpointError(
            f"{path} holds {describe_keys(state)}, expected a SAM 2.0 file, for SAMWISE (`samwise download` gets one), "
            "or a SAM 1 file, for RefSAM"
        )
    if "no_obj_embed_spatial" in state:
        raise CheckpointError(
            f"{path} is of SAM 2.1, expected SAM 2.0, which SAMWISE is built on: `samwise download` it"
        )
    return PretrainedSam(samwise_of_size(state, path), state)


def read_text_encoder(folder: Path, usual: TextConfig | T5Config) -> PretrainedText:
    """Read a pretrained RoBERTa or T5; of a T5 the encoder.

    Args:
        folder: as `transformers` saves it: `config.json` and the weights.
        usual: sizes of the text encoder that the preset has.

    Returns:
        Its weights and sizes.

    Raises:
        CheckpointError: the folder is missing, unreadable, of another kind of model, or incomplete.
    """
    kinds: dict[str, tuple[Any, dict[str, Any]]] = {
        "roberta": (RobertaModel, {"add_pooling_layer": False}),
        "t5": (T5EncoderModel, {}),
    }
    try:
        kind = str(json.loads((folder / "config.json").read_text()).get("model_type"))
        if kind not in kinds:
            raise CheckpointError(
                f"text encoder in {folder} is {kind!r}, expected one of {', '.join(kinds)}: take another folder"
            )
        model, options = kinds[kind]
        theirs, report = model.from_pretrained(folder, local_files_only=True, output_loading_info=True, **options)
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError, SafetensorError) as error:
        raise CheckpointError(
            f"text encoder cannot be read from {folder} ({str(error).splitlines()[0]}), expected config.json and "
            "model.safetensors of a RoBERTa or T5: `samwise download roberta` gets RoBERTa-base"
        ) from error
    if report["missing_keys"]:
        raise CheckpointError(
            f"text encoder in {folder} lacks keys such as {', '.join(sorted(report['missing_keys'])[:3])}, expected a "
            "whole model: get it again"
        )
    part = theirs.encoder if kind == "t5" else theirs
    state = {f"{kind}.{key}": value.float() for key, value in part.state_dict().items()}
    config = text_encoder_of({f"text_encoder.{key}": value for key, value in state.items()}, usual)
    _check_shapeless(theirs.config, config, folder)
    return PretrainedText(config, state)


def _weights_in(folder: Path) -> Path:
    """The file of weights in a folder of `transformers`."""
    names = ("model.safetensors", "pytorch_model.bin")
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise CheckpointError(f"folder {folder} has neither {' nor '.join(names)}, expected one of them: get it again")
    return found


def _check_shapeless(theirs: Any, config: TextConfig | T5Config, folder: Path) -> None:
    """Refuse a text encoder that computes something else with the same shapes."""
    came: object
    expected: object
    if isinstance(config, T5Config):
        what, came, expected = "feed-forward", theirs.feed_forward_proj, "gated-gelu" if config.gated else "relu"
    else:
        what, came, expected = "attention heads", theirs.num_attention_heads, config.heads
    if came != expected:
        raise CheckpointError(
            f"text encoder in {folder} has {what} {came}, expected {expected}: this kind is not supported"
        )
