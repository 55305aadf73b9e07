"""From a preset's name to a model that runs. Called by `ros`, `cli` and `training`."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, overload

import torch
from accelerate import init_empty_weights
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from samwise_ros.config import (
    AnyConfig,
    ModelConfig,
    RefSamConfig,
    T5Config,
    TextConfig,
    check_image_side,
    fine_side_px,
    preset,
)
from samwise_ros.errors import CheckpointError, ConfigError
from samwise_ros.model import checkpoint
from samwise_ros.model.captured import CapturedSegmenter
from samwise_ros.model.graphs import GraphedSegmenter
from samwise_ros.model.host_memory import keep_freed_memory
from samwise_ros.model.onednn import use_onednn
from samwise_ros.model.pretrained import read_sam, read_text_encoder
from samwise_ros.model.published import cache_dir, samwise_file, tokenizer_file
from samwise_ros.model.refsam import RefSam
from samwise_ros.model.refsam_segmenter import RefSamSegmenter
from samwise_ros.model.samwise import Samwise
from samwise_ros.model.samwise_segmenter import Mode, SamwiseSegmenter
from samwise_ros.model.segmenter import Past, Segmenter
from samwise_ros.model.text import load_tokenizer
from samwise_ros.model.traces import TracedSegmenter

WEIGHTS_DIR = Path(__file__).parent.parent / "weights"
"""Weights that ship with the package."""

MODES = ("stream", "clip")

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""What a model may compute in. On a GPU the default is float16: as fast as bfloat16, with an eighth of its error."""

Network: TypeAlias = Samwise | RefSam
"""The network of any preset."""

AnySegmenter: TypeAlias = SamwiseSegmenter | RefSamSegmenter | CapturedSegmenter[Any, Any, Any]
"""A model of any preset."""

_LOG = logging.getLogger(__name__)


@overload
def new_network(config: ModelConfig) -> Samwise: ...
@overload
def new_network(config: RefSamConfig) -> RefSam: ...
def new_network(config: AnyConfig) -> Network:
    """A network with freshly initialised weights, in training mode on the CPU."""
    return RefSam(config) if isinstance(config, RefSamConfig) else Samwise(config)


def build_model(name: str) -> Network:
    """A network of a preset with freshly initialised weights.

    Args:
        name: the preset.

    Returns:
        The network in training mode, on the CPU.

    Raises:
        ConfigError: there is no such preset.
    """
    return new_network(preset(name))


def load_network(weights: Path, name: str | None = None) -> Network:
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


def start_network(sam: Path, text_encoder: Path) -> Network:
    """A network to train: a SAM and a text encoder as they were published, the rest freshly initialised.

    Args:
        sam: a checkpoint; SAM 2.0's makes a SAMWISE, SAM 1's a RefSAM. Its size decides the preset.
        text_encoder: folder of a RoBERTa in `transformers`' format (RoBERTa-base for SAMWISE), or for RefSAM a T5.

    Returns:
        The network in training mode, on the CPU.

    Raises:
        CheckpointError: a file is missing, unreadable or of another size.
    """
    found = read_sam(sam)
    text = read_text_encoder(text_encoder, found.config.text)
    if isinstance(found.config, RefSamConfig):
        network: Network = RefSam(replace(found.config, text=text.config))
    elif text.config != found.config.text:
        raise CheckpointError(
            f"text encoder {text_encoder} is another than {found.config.name!r} has, expected RoBERTa-base: choose it"
        )
    else:
        network = Samwise(found.config)
    checkpoint.load_state(network.sam, found.state, sam)
    checkpoint.load_state(network.text_encoder, text.state, text_encoder)
    return network


@overload
def empty_network(config: ModelConfig) -> Samwise: ...
@overload
def empty_network(config: RefSamConfig) -> RefSam: ...
def empty_network(config: AnyConfig) -> Network:
    """A network whose parameters have shapes but no values, made at once: for loading into, and for counting."""
    with init_empty_weights():
        return new_network(config)


def build_segmenter(
    name: str = "compact",
    *,
    weights: Path | None = None,
    device: str = "auto",
    mode: Mode = "stream",
    precision: str = "auto",
    image_side_px: int | None = None,
    cache: Path | None = None,
    eager: bool = False,
) -> AnySegmenter:
    """A trained model, ready for `engine.Tracker`.

    Args:
        name: the preset.
        weights: its weights; None for those that ship with the package or lie in the cache.
        device: "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N".
        mode: "stream", or for SAMWISE "clip"; see `model.samwise_segmenter`.
        precision: "auto" (float16 on a GPU, else float32) or one of `PRECISIONS`.
        image_side_px: side S of the square into which images are fitted, a multiple of 64, which any weights take; None
            for the preset's own, on a GPU its finer one. Small things need a large side; time grows with its square.
        cache: folder of `samwise download`; None for the usual one.
        eager: run every step as it is written, instead of whole: see `model.graphs` of a GPU and `model.traces`.

    Returns:
        The model in evaluation mode, on its device. Its tokenizer lies beside the weights as `NAME.tokenizer.json`, or
        is RoBERTa's in the cache.

    Raises:
        ConfigError: there is no such preset, device, mode, precision or side, or the weights overflow in float16.
        CheckpointError: the weights or the tokenizer are missing or do not fit.
    """
    config, place, dtype = _check_choice(name, device, mode, precision, image_side_px)
    cache = cache_dir(cache)
    if weights is None:
        weights = find_weights(name, cache)
    network = load_network(weights, name)
    network.set_image_side(image_side_px or usual_side(config, place))
    text = network.config.text
    tokenizer = load_tokenizer(find_tokenizer(weights, text, cache), text)
    if isinstance(network, Samwise) and not network.config.object_score:
        _LOG.info("%s is of a single-image model: it takes every target to be in view, always", weights)
    return _put_to_work(network.requires_grad_(False).to(place), tokenizer, mode, dtype, eager)


def build_random(
    name: str = "compact",
    *,
    device: str = "auto",
    mode: Mode = "stream",
    precision: str = "auto",
    image_side_px: int | None = None,
    eager: bool = False,
) -> AnySegmenter:
    """A model that has learnt nothing, with a tokenizer to which all words are one: to measure how fast a preset is.

    Args:
        name: the preset.
        device: see `build_segmenter`.
        mode: see `build_segmenter`.
        precision: see `build_segmenter`.
        image_side_px: see `build_segmenter`.
        eager: see `build_segmenter`.

    Returns:
        The model in evaluation mode, on its device.

    Raises:
        ConfigError: there is no such preset, device, mode, precision or side.
    """
    config, place, dtype = _check_choice(name, device, mode, precision, image_side_px)
    network = build_model(name).eval().requires_grad_(False)
    network.set_image_side(image_side_px or usual_side(config, place))
    use_onednn(network)
    special = config.text.special_ids
    tokenizer = Tokenizer(WordLevel({**special, "<unk>": len(special)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    frame = [token for token in ("<s>", "$A", "</s>") if token == "$A" or token in special]
    tokenizer.post_processor = TemplateProcessing(" ".join(frame), special_tokens=list(special.items()))
    return _put_to_work(network.to(place), tokenizer, mode, dtype, eager)


def _put_to_work(network: Network, tokenizer: Tokenizer, mode: Mode, dtype: torch.dtype, eager: bool) -> AnySegmenter:
    """Bring a network, folded, on its device to its precision; capture its usual steps, keep a CPU's memory."""
    if network.pyramid is not None:
        network.pyramid.fold_batch_norms()
    segmenter = wrap_network(network, tokenizer, mode, dtype)
    if segmenter.device.type == "cpu":
        keep_freed_memory()
        # As most maps are in memory: a convolution would turn its weights in every frame.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if dtype == torch.float16:
        _check_finite(segmenter, network)
    if eager or mode != "stream":
        return segmenter
    if segmenter.device.type == "cuda":
        return GraphedSegmenter(segmenter)
    # In large networks an operation takes a CPU longer than its launch.
    return segmenter if network.config.frozen else TracedSegmenter(segmenter)


def _check_finite(segmenter: Segmenter[Any, Any, Any], network: nn.Module) -> None:
    """Refuse weights whose intermediate values are too large for float16; found on noise, in what any layer gives.

    The masks alone would not tell: they are hidden where the object is not in view, as it is not in noise.
    """
    finite: list[Tensor] = []
    own = set(network.modules())  # the hook sees other models of the process, too

    def look(module: nn.Module, _inputs: object, output: object) -> None:
        if module in own and isinstance(output, Tensor) and output.is_floating_point():
            finite.append(output.isfinite().all())

    side = segmenter.image_side_px
    noise = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(segmenter.device)
    nothing = Past((0,), {})
    with register_module_forward_hook(look):
        frames = segmenter.fuse(segmenter.encode_images(noise), [segmenter.encode_text("something")], nothing)
        segmenter.decode(frames, 0, nothing)
    if not torch.stack(finite).all():
        raise ConfigError("precision is float16, in which these weights overflow, expected another: take bfloat16")


@overload
def wrap_network(
    network: Samwise, tokenizer: Tokenizer, mode: Mode = "stream", dtype: torch.dtype = torch.float32
) -> SamwiseSegmenter: ...
@overload
def wrap_network(
    network: RefSam, tokenizer: Tokenizer, mode: Mode = "stream", dtype: torch.dtype = torch.float32
) -> RefSamSegmenter: ...
def wrap_network(
    network: Network, tokenizer: Tokenizer, mode: Mode = "stream", dtype: torch.dtype = torch.float32
) -> SamwiseSegmenter | RefSamSegmenter:
    """Make a segmenter of a network in evaluation mode and its tokenizer; RefSAM knows one mode only."""
    if isinstance(network, RefSam):
        return RefSamSegmenter(network, tokenizer, dtype)
    return SamwiseSegmenter(network, tokenizer, mode, dtype)


def usual_side(config: AnyConfig, place: torch.device) -> int:
    """Side of a preset's images on a device, where none is asked for."""
    return fine_side_px(config) if place.type == "cuda" else config.image_side_px


def _check_choice(
    name: str, device: str, mode: str, precision: str, image_side_px: int | None
) -> tuple[AnyConfig, torch.device, torch.dtype]:
    config, place = preset(name), find_device(device)
    if image_side_px is not None:
        check_image_side(image_side_px)
    if mode not in MODES:
        raise ConfigError(f"mode is {mode!r}, expected one of {', '.join(MODES)}: choose one of these")
    if mode == "clip" and isinstance(config, RefSamConfig):
        raise ConfigError(
            f"mode is 'clip' for {config.name!r}, which takes one frame at a time, expected 'stream': choose it"
        )
    return config, place, find_dtype(precision, place)


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


def find_tokenizer(weights: Path, text: TextConfig | T5Config, cache: Path) -> Path:
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


def find_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Turn a precision's name into PyTorch's.

    Args:
        precision: "auto" or one of `PRECISIONS`.
        device: where the model will run.

    Returns:
        The type of weights and maps.

    Raises:
        ConfigError: there is no such precision.
    """
    if precision == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    if precision not in PRECISIONS:
        raise ConfigError(
            f"precision is {precision!r}, expected auto or one of {', '.join(PRECISIONS)}: choose one of these"
        )
    return PRECISIONS[precision]


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
