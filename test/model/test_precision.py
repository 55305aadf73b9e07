"""Half precision: how far it is from float32."""

import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samwise_ros.data.synthetic import render_clip
from samwise_ros.engine.tracker import Tracker
from samwise_ros.errors import ConfigError
from samwise_ros.model import build
from samwise_ros.model.build import WEIGHTS_DIR, build_random, build_segmenter
from samwise_ros.model.checkpoint import save_weights, tokenizer_path
from samwise_ros.model.samwise import Samwise
from samwise_ros.types import Frame

# Frames and the least mean overlap with the masks of float32; bfloat16 has an eighth of float16's digits.
EXPECTED = {"float16": 0.99, "bfloat16": 0.95}


def overlaps(precision: str, frames: int, device: str) -> list[float]:
    """IoU with float32's masks, of each target in each frame where either shows it."""
    clip = render_clip(610_000, frames=frames, height=96, width=128)
    texts = [one.text for one in clip.expressions if one.kind == "colour"][:2]

    def labels(precision: str) -> np.ndarray:
        tracker = Tracker(build_segmenter("compact", device=device, precision=precision))
        tracker.follow(texts)
        return np.stack([result.labels for result in tracker.run(map(Frame, clip.rgb))])

    pairs = [
        (one == target, other == target)
        for one, other in zip(labels("float32"), labels(precision), strict=True)
        for target in range(1, len(texts) + 1)
    ]
    return [np.sum(one & other) / np.sum(one | other) for one, other in pairs if (one | other).any()]


@pytest.mark.parametrize("precision", EXPECTED)
@pytest.mark.parametrize(("device", "frames"), [("cpu", 12), pytest.param("cuda", 100, marks=pytest.mark.gpu)])
def test_masks_are_those_of_float32(precision: str, device: str, frames: int, record_property):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA GPU")
    found = overlaps(precision, frames, device)
    assert len(found) > frames / 2, "nothing was found, so that nothing was compared"
    record_property("mean_overlap", float(np.mean(found)))
    assert np.mean(found) >= EXPECTED[precision], f"mean {np.mean(found):.4f}, least {np.min(found):.4f}"


@pytest.mark.parametrize("preset", ["compact", "refsam_compact"])
def test_memory_and_weights_are_in_half_precision(preset: str):
    segmenter = build_random(preset, device="cpu", precision="float16")
    assert {value.dtype for value in segmenter.network.parameters()} == {torch.float16}
    tracker = Tracker(segmenter)
    tracker.add("the red ball")
    for _ in range(2):
        tracker.step(Frame(np.zeros((48, 64, 3), np.uint8)))
    assert {past.dtype for past in tracker._bank.read().tensors.values()} <= {torch.float16, torch.bool}


def test_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match="precision is 'half', expected auto or one of float32, float16, bfloat16"):
        build_segmenter("compact", precision="half")


def test_weights_that_overflow_are_refused(monkeypatch: pytest.MonkeyPatch):
    segmenter = build_random("compact", device="cpu")
    build._check_finite(segmenter, segmenter.network)
    decoder = segmenter.network.sam.sam_mask_decoder
    decoder.output_upscaling[3].weight.data.fill_(torch.inf)
    decoder.pred_obj_score_head.layers[-1].bias.data.fill_(-100.0)  # nothing in view, so that the mask is hidden
    with pytest.raises(ConfigError, match="in which these weights overflow, expected another: take bfloat16"):
        build._check_finite(segmenter, segmenter.network)


def test_weights_are_checked_when_they_go_to_work(network: Samwise, tmp_path: Path):
    network = deepcopy(network)
    network.sam.sam_mask_decoder.output_upscaling[3].weight.data.fill_(1e30)
    save_weights(network, "compact", tmp_path / "w.safetensors")
    shutil.copy(tokenizer_path(WEIGHTS_DIR / "compact.safetensors"), tmp_path / "w.tokenizer.json")
    options = {"weights": tmp_path / "w.safetensors", "device": "cpu"}
    build_segmenter("compact", **options)
    with pytest.raises(ConfigError, match="in which these weights overflow"):
        build_segmenter("compact", **options, precision="float16")


def test_another_model_of_the_process_may_overflow(monkeypatch: pytest.MonkeyPatch):
    segmenter, other = build_random("compact", device="cpu"), torch.nn.Identity()
    encode = type(segmenter).encode_text

    def encode_beside_another(self: Any, text: str) -> Any:
        other(torch.full((1,), torch.nan))
        return encode(self, text)

    monkeypatch.setattr(type(segmenter), "encode_text", encode_beside_another)
    build._check_finite(segmenter, segmenter.network)


def test_a_gpu_computes_in_float16_by_default():
    assert build.find_dtype("auto", torch.device("cuda")) == torch.float16
    assert build.find_dtype("auto", torch.device("cpu")) == torch.float32
