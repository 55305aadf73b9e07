"""Weights on disk."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from samwise_ros.errors import CheckpointError
from samwise_ros.model.checkpoint import FORMAT, load_weights, save_weights, tokenizer_path


def make() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_round_trip_keeps_values_and_dtypes(tmp_path):
    network, other = make(), make()
    save_weights(network, "compact", tmp_path / "w.safetensors")
    load_weights(other, "compact", tmp_path / "w.safetensors")
    for (key, value), (_, back) in zip(network.state_dict().items(), other.state_dict().items(), strict=True):
        assert back.dtype == value.dtype, key
        assert torch.equal(back, value.half().to(value.dtype)), key
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing\.safetensors is missing, expected a \.safetensors file"):
        load_weights(make(), "compact", tmp_path / "nothing.safetensors")


def test_file_that_is_no_safetensors(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"not weights at all")
    with pytest.raises(CheckpointError, match=r"cannot be read .* get the file again"):
        load_weights(make(), "compact", path)


def test_file_of_another_program(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match=f"has format None, expected '{FORMAT}'"):
        load_weights(make(), "compact", tmp_path / "w.safetensors")


def test_other_preset_is_told_which(tmp_path):
    save_weights(make(), "tiny", tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match="is of preset 'tiny', expected 'compact'"):
        load_weights(make(), "compact", tmp_path / "w.safetensors")


def test_every_difference_is_named(tmp_path):
    stored = nn.Sequential(nn.Linear(2, 4), nn.Identity(), nn.Linear(1, 1))
    save_weights(stored, "compact", tmp_path / "w.safetensors")
    network = make()
    before = network[0].weight.clone()
    with pytest.raises(CheckpointError) as error:
        load_weights(network, "compact", tmp_path / "w.safetensors")
    text = str(error.value)
    assert "5 missing (1.bias, 1.num_batches_tracked, 1.running_mean, …)" in text
    assert "2 unknown (2.bias, 2.weight)" in text
    assert "0.weight (4, 2) instead of (3, 2)" in text
    assert torch.equal(network[0].weight, before)


def test_tokenizer_lies_beside_the_weights(tmp_path):
    assert tokenizer_path(tmp_path / "big.safetensors") == tmp_path / "big.tokenizer.json"
