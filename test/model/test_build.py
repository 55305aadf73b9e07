"""From names to models."""

import pytest
import torch

from samwise_ros.config import PRESETS, preset
from samwise_ros.errors import CheckpointError, ConfigError
from samwise_ros.model.build import WEIGHTS_DIR, build_model, build_segmenter, find_device


def test_unknown_preset_is_told_which_there_are():
    with pytest.raises(ConfigError, match="is 'huge', expected one of compact, tiny, base_plus, large"):
        preset("huge")


def test_published_size_needs_a_weights_file():
    with pytest.raises(CheckpointError, match=r"preset 'tiny' has no weights in this package, .* pass one"):
        build_segmenter("tiny")


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


def test_published_size_has_the_published_number_of_parameters():
    network = build_model("tiny")
    count = sum(value.numel() for value in network.parameters())
    # The released files also hold RoBERTa's language-model head, which is not used (0.64 M without its tied weight).
    assert count / 1e6 == pytest.approx(168.8, abs=0.7)


def test_every_preset_has_its_own_name():
    assert all(name == config.name for name, config in PRESETS.items())


def test_shipped_weights_fit_and_are_small():
    segmenter = build_segmenter("compact", device="cpu")
    assert segmenter.image_side_px == 256
    assert not segmenter.network.training
    assert (WEIGHTS_DIR / "compact.safetensors").stat().st_size <= 16 * 2**20
