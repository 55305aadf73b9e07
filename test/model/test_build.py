"""From names to models."""

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from released import released_state, write_released

from samwise_ros.config import PRESETS, preset
from samwise_ros.engine.tracker import Tracker
from samwise_ros.errors import CheckpointError, ConfigError
from samwise_ros.evaluation.synthetic import evaluate_clips, summarise
from samwise_ros.model.build import (
    WEIGHTS_DIR,
    AnySegmenter,
    build_random,
    build_segmenter,
    empty_network,
    find_device,
    find_tokenizer,
    find_weights,
    usual_side,
)
from samwise_ros.model.checkpoint import save_weights
from samwise_ros.model.refsam import RefSam
from samwise_ros.model.refsam_segmenter import RefSamSegmenter
from samwise_ros.model.samwise import Samwise
from samwise_ros.model.samwise_segmenter import SamwiseSegmenter
from samwise_ros.model.traces import TracedSegmenter
from samwise_ros.types import Frame


def test_unknown_preset_is_told_which_there_are():
    with pytest.raises(ConfigError, match="is 'huge', expected one of compact, tiny, base_plus, large"):
        preset("huge")


def test_published_size_needs_a_weights_file(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"preset 'tiny' has no weights in this package or in .*cache, .*download"
    ):
        build_segmenter("tiny", cache=tmp_path / "cache")


def test_weights_of_a_published_size_are_found_in_the_cache(tmp_path):
    with pytest.raises(CheckpointError, match="has no weights in this package"):
        find_weights("base_plus", tmp_path)
    (tmp_path / "samwise").mkdir()
    (tmp_path / "samwise" / "base_plus_mevis.pth").touch()
    assert find_weights("base_plus", tmp_path) == tmp_path / "samwise" / "base_plus_mevis.pth"
    assert find_weights("compact", tmp_path) == WEIGHTS_DIR / "compact.safetensors"


def test_tokenizer_lies_beside_the_weights_or_is_robertas_in_the_cache(tmp_path):
    weights, cache = tmp_path / "w.pth", tmp_path / "cache"
    assert find_tokenizer(weights, preset("base_plus").text, cache) == cache / "roberta-base" / "tokenizer.json"
    assert find_tokenizer(weights, preset("compact").text, cache) == tmp_path / "w.tokenizer.json"
    (tmp_path / "w.tokenizer.json").touch()
    assert find_tokenizer(weights, preset("base_plus").text, cache) == tmp_path / "w.tokenizer.json"


def test_nobody_has_published_refsam(tmp_path):
    with pytest.raises(CheckpointError, match=r"preset 'refsam_b' has no weights in this package or in .*cache"):
        build_segmenter("refsam_b", cache=tmp_path / "cache")


def test_on_a_cpu_a_convolutions_weights_lie_in_memory_as_its_map_does():
    """Else they are turned in every frame."""
    segmenter = build_segmenter("compact", device="cpu", eager=True)
    layouts: list[tuple[bool, bool]] = []
    for module in segmenter.network.pyramid.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_pre_hook(
                lambda conv, given: layouts.append(
                    tuple(x.is_contiguous(memory_format=torch.channels_last) for x in (given[0], conv.weight))
                )
            )
    segmenter.encode_images(torch.randn(1, 3, 128, 128))
    assert len(layouts) > 20
    assert set(layouts) == {(True, True)}


def test_refsam_runs_from_its_weights_and_takes_one_frame_at_a_time(
    refsam: RefSam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(PRESETS, "refsam_compact", refsam.config)
    weights = tmp_path / "w.safetensors"
    save_weights(refsam, "refsam_compact", weights)
    shutil.copy(WEIGHTS_DIR / "compact.tokenizer.json", tmp_path / "w.tokenizer.json")
    assert isinstance(build_segmenter("refsam_compact", weights=weights, device="cpu", eager=True), RefSamSegmenter)
    segmenter = build_segmenter("refsam_compact", weights=weights, device="cpu")
    assert isinstance(segmenter, TracedSegmenter)
    tracker = Tracker(segmenter)
    tracker.add("the red ball")
    rng = np.random.default_rng(0)
    for _ in range(2):
        (found,) = tracker.step(Frame(rng.integers(0, 256, (96, 128, 3), np.uint8))).objects
        assert 0 <= found.score <= 1
    with pytest.raises(ConfigError, match="mode is 'clip' for 'refsam_compact', which takes one frame at a time"):
        build_segmenter("refsam_compact", weights=weights, device="cpu", mode="clip")


@pytest.mark.parametrize("name", ["compact", "refsam_compact"])
@pytest.mark.parametrize("build", [build_segmenter, build_random])
def test_any_side_that_patches_fill(name: str, build: Callable[..., AnySegmenter]):
    segmenter = build(name, device="cpu", image_side_px=192)
    assert segmenter.image_side_px == segmenter.network.config.image_side_px == 192
    tracker = Tracker(segmenter)
    tracker.add("the red ball")
    rng = np.random.default_rng(0)
    for _ in range(2):
        result = tracker.step(Frame(rng.integers(0, 256, (48, 64, 3), np.uint8)))
    assert result.labels.shape == (48, 64)
    assert build_segmenter(name, device="cpu").image_side_px == preset(name).image_side_px


def test_a_gpu_has_the_time_for_a_finer_side():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    sides = {name: (usual_side(config, cpu), usual_side(config, gpu)) for name, config in PRESETS.items()}
    assert sides.pop("compact") == (320, 448)
    assert sides.pop("refsam_compact") == (256, 256)
    assert set(sides.values()) == {(1024, 1024)}, "as published"


@pytest.mark.parametrize(("side_px", "near"), [(300, 320), (-64, 64), (16, 64), (0, 64), (4096, 2048)])
def test_a_side_that_patches_do_not_fill(side_px: int, near: int):
    sentence = f"image_side_px is {side_px}, expected a multiple of 64 from 64 to 2048: take {near}$"
    with pytest.raises(ConfigError, match=sentence):
        build_segmenter("compact", device="cpu", image_side_px=side_px)


def test_unknown_mode():
    with pytest.raises(ConfigError, match="mode is 'batch', expected one of stream, clip"):
        build_segmenter("compact", mode="batch")


def test_published_parts_are_frozen_and_a_small_model_learns_as_a_whole():
    published = empty_network(preset("base_plus"))
    trainable = {name.split(".")[0] for name, value in published.named_parameters() if value.requires_grad}
    assert trainable == {"adapters", "cme", "project_text"}
    assert empty_network(preset("compact")).sam.no_mem_embed.requires_grad


def test_missing_weights_file(tmp_path):
    with pytest.raises(CheckpointError, match="is missing"):
        build_segmenter("compact", weights=tmp_path / "no.safetensors")


@pytest.mark.parametrize("name", ["gpu", "mps", "cuda:x"])
def test_unknown_device(name: str):
    with pytest.raises(ConfigError, match=f"device is '{name}', expected auto, cpu, cuda or cuda:N"):
        find_device(name)


def test_device_that_is_not_there():
    with pytest.raises(ConfigError, match="device is 'cuda:99', expected one of the"):
        find_device("cuda:99")


def test_devices_that_are_there():
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_every_preset_has_its_own_name():
    assert all(name == config.name for name, config in PRESETS.items())


@pytest.mark.parametrize("name", ["compact", "refsam_compact"])
def test_shipped_weights_fit_and_are_small(name: str):
    segmenter = build_segmenter(name, device="cpu")
    assert segmenter.image_side_px == {"compact": 320, "refsam_compact": 256}[name]
    assert not segmenter.network.training
    assert (WEIGHTS_DIR / f"{name}.safetensors").stat().st_size <= 16 * 2**20


@pytest.mark.parametrize(("name", "least_jf", "least_empty"), [("compact", 0.6, 0.8), ("refsam_compact", 0.4, 0.4)])
def test_shipped_weights_find_what_is_described(name: str, least_jf: float, least_empty: float):
    segmenter = build_segmenter(name, device="cpu")
    summary = summarise(list(evaluate_clips(segmenter, range(3), frames=4, height_px=240, width_px=320)))
    assert summary["jf"] >= least_jf
    assert summary["empty_rate"] >= least_empty


def test_single_image_model_segments_an_image_and_takes_the_target_to_be_in_view(
    network: Samwise, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    plain = Samwise(replace(network.config, object_score=False, temporal_attention=False, memory_check=False))
    weights = write_released(tmp_path / "refcoco.pth", released_state(plain))
    shutil.copy(WEIGHTS_DIR / "compact.tokenizer.json", tmp_path / "refcoco.tokenizer.json")
    with caplog.at_level(logging.INFO):
        tracker = Tracker(build_segmenter(weights=weights, device="cpu"))
    assert f"{weights} is of a single-image model: it takes every target to be in view" in caplog.text
    tracker.add("the red ball")
    (found,) = tracker.step(Frame(np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8))).objects
    assert found.score > 0.99


@pytest.mark.parametrize(
    ("frozen", "options", "kind"),
    [
        ((), {}, TracedSegmenter),
        ((), {"eager": True}, SamwiseSegmenter),
        ((), {"mode": "clip"}, SamwiseSegmenter),
        (("sam",), {}, SamwiseSegmenter),  # the published sizes, whose operations are long
    ],
)
def test_a_cpu_traces_the_steps_of_small_presets(network: Samwise, monkeypatch, frozen, options, kind):
    monkeypatch.setitem(PRESETS, "compact", replace(network.config, frozen=frozen))
    assert type(build_random("compact", device="cpu", **options)) is kind
