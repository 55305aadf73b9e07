"""Weights on disk."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from released import released_state, write_released, write_roberta, write_sam2
from safetensors.torch import save_file
from torch import nn

from samwise_ros.config import preset
from samwise_ros.errors import CheckpointError
from samwise_ros.model.build import empty_network, load_network, start_network
from samwise_ros.model.checkpoint import (
    FORMAT,
    load_pretrained_roberta,
    load_state,
    read_checkpoint,
    read_sam2,
    save_weights,
    tokenizer_path,
)
from samwise_ros.model.samwise import Samwise


def assert_equal(network: Samwise, other: Samwise, dtype: torch.dtype = torch.float32) -> None:
    own, theirs = network.state_dict(), other.state_dict()
    assert own.keys() == theirs.keys()
    for key, value in own.items():
        expected = value.to(dtype).float() if value.is_floating_point() else value
        assert theirs[key].dtype == value.dtype, key
        assert torch.equal(theirs[key], expected), key


@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_own_file_round_trip(network: Samwise, tmp_path: Path, dtype: torch.dtype | None):
    save_weights(network, "compact", tmp_path / "w.safetensors", dtype=dtype)
    assert_equal(network, load_network(tmp_path / "w.safetensors", "compact"), dtype or torch.float32)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_own_file_can_be_read_by_whoever_may_read_new_files(network: Samwise, tmp_path: Path):
    (tmp_path / "other").touch()
    save_weights(network, "compact", tmp_path / "w.safetensors")
    assert (tmp_path / "w.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_released_file(network: Samwise, tmp_path: Path):
    path = write_released(tmp_path / "w.pth", {f"module.{k}": v for k, v in released_state(network).items()})
    loaded = load_network(path)
    assert loaded.config == preset("compact")
    assert not loaded.training
    assert_equal(network, loaded)


def test_a_model_whose_text_never_looks_at_the_image_is_recognised(network: Samwise, tmp_path: Path):
    plain = Samwise(replace(network.config, vision_to_text=False)).eval()
    save_weights(plain, "compact", tmp_path / "w.safetensors")
    loaded = load_network(tmp_path / "w.safetensors")
    assert not loaded.config.vision_to_text
    assert_equal(plain, loaded)


def test_parts_that_the_single_image_model_lacks_are_recognised(network: Samwise, tmp_path: Path):
    config = replace(network.config, object_score=False, temporal_attention=False, memory_check=False)
    plain = Samwise(config).eval()
    loaded = load_network(write_released(tmp_path / "w.pth", released_state(plain)), "compact")
    assert (loaded.config.object_score, loaded.config.temporal_attention, loaded.config.memory_check) == (False,) * 3
    assert_equal(plain, loaded)
    save_weights(loaded, "compact", tmp_path / "w.safetensors")
    assert load_network(tmp_path / "w.safetensors").config == loaded.config


def test_a_part_that_is_there_by_half_is_refused(network: Samwise, tmp_path: Path):
    state = released_state(network)
    del state["cmt_adapters.1.hsa.linear.bias"]
    with pytest.raises(CheckpointError, match=r"keys 1 missing \(adapters\.1\.temporal\.out\.bias\), expected exactly"):
        load_network(write_released(tmp_path / "w.pth", state))


def test_missing_file(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"nothing\.pth is missing, expected a \.safetensors, \.pth or \.pt file"):
        read_checkpoint(tmp_path / "nothing.pth")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_file_that_is_no_weights(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(CheckpointError, match=r"(cannot be read|is refused) .*: get the file"):
        read_checkpoint(tmp_path / name)


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_file_that_is_cut_off(network: Samwise, tmp_path: Path, share: float):
    path = write_released(tmp_path / "w.pth", released_state(network))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"w\.pth cannot be read .* get the file again"):
        read_checkpoint(path)


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_file_that_runs_code_is_refused_and_runs_nothing(network: Samwise, tmp_path: Path):
    state = released_state(network)
    for legacy in (False, True):
        path = tmp_path / f"{legacy}.pth"
        content = {"model": state, "args": Bomb(tmp_path / "ran")}
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(CheckpointError, match=r"is refused \(.*GLOBAL.*\), expected nothing but tensors"):
            read_checkpoint(path)
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"model": Bomb(tmp_path / "ran")}))
    with pytest.raises(CheckpointError, match=r"plain\.pth (is refused|cannot be read)"):
        read_checkpoint(tmp_path / "plain.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [[1, 2], {"state": {}}, {"model": {"a": "text"}}])
def test_pickle_of_something_else(tmp_path: Path, content: object):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="has no tensors under 'model', expected a checkpoint"):
        read_checkpoint(tmp_path / "w.pth")


def test_sam2_alone_is_not_enough(network: Samwise, tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"holds a SAM 2, expected a whole SAMWISE: `samwise convert --roberta`"):
        read_checkpoint(write_sam2(tmp_path / "w.pt", network))
    torch.save({"model": {"layer.bias": torch.zeros(1)}}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"holds keys such as layer\.bias, expected a whole SAMWISE"):
        read_checkpoint(tmp_path / "other.pt")


def test_safetensors_of_another_program(tmp_path: Path):
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match=f"has format None and preset None, expected '{FORMAT}'"):
        read_checkpoint(tmp_path / "w.safetensors")


def test_wrong_preset_is_told_which_one_fits(network: Samwise, tmp_path: Path):
    save_weights(network, "compact", tmp_path / "w.safetensors")
    write_released(tmp_path / "w.pth", released_state(network))
    for name in ("w.safetensors", "w.pth"):
        with pytest.raises(
            CheckpointError, match=r"is of preset 'compact', expected 'tiny': choose the preset 'compact'"
        ):
            load_network(tmp_path / name, "tiny")


def test_unknown_size(network: Samwise, tmp_path: Path):
    state = released_state(network)
    state = {key: value for key, value in state.items() if "trunk.blocks.7." not in key}
    with pytest.raises(CheckpointError, match=r"width 32 with 7 blocks, expected one of compact 32/8, tiny 96/12, "):
        read_checkpoint(write_released(tmp_path / "w.pth", state))


def test_every_difference_is_named():
    stored = nn.Sequential(nn.Linear(2, 4), nn.Identity(), nn.Linear(1, 1))
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    before = network[0].weight.clone()
    with pytest.raises(CheckpointError) as error:
        load_state(network, stored.state_dict(), Path("w.safetensors"))
    text = str(error.value)
    assert "5 missing (1.bias, 1.num_batches_tracked, 1.running_mean, …)" in text
    assert "2 unknown (2.bias, 2.weight)" in text
    assert "0.weight (4, 2) instead of (3, 2)" in text
    assert torch.equal(network[0].weight, before)


def test_sam2_and_roberta_make_a_start(network: Samwise, tmp_path: Path):
    sam2, roberta = write_sam2(tmp_path / "sam2.pt", network), write_roberta(tmp_path / "roberta", network)
    start = start_network(sam2, roberta)
    assert start.config == preset("compact")
    assert all(torch.equal(value, network.sam.state_dict()[key]) for key, value in start.sam.state_dict().items())
    words = start.text_encoder.roberta.embeddings.word_embeddings.weight
    assert not torch.equal(words, network.text_encoder.roberta.embeddings.word_embeddings.weight)
    assert not any(value.is_meta for value in start.state_dict().values())


def test_sam2_of_the_wrong_kind(network: Samwise, tmp_path: Path):
    later = {"model": network.sam.state_dict() | {"no_obj_embed_spatial": torch.zeros(1, 16)}}
    torch.save(later, tmp_path / "later.pt")
    with pytest.raises(CheckpointError, match=r"is of SAM 2\.1, expected SAM 2\.0"):
        read_sam2(tmp_path / "later.pt")
    with pytest.raises(CheckpointError, match=r"holds keys such as .*, expected a SAM 2\.0 file"):
        read_sam2(write_released(tmp_path / "w.pth", released_state(network)))


def test_roberta_that_does_not_fit(network: Samwise, tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"RoBERTa cannot be read from .*nothing .*`samwise download roberta`"):
        load_pretrained_roberta(network.text_encoder.roberta, tmp_path / "nothing")
    folder = write_roberta(tmp_path / "roberta", network)
    larger = empty_network(preset("tiny"))
    with pytest.raises(CheckpointError, match=r"does not fit the network: keys .* of another shape"):
        load_pretrained_roberta(larger.text_encoder.roberta, folder)


def test_folder_that_cannot_be_written(network: Samwise, tmp_path: Path):
    (tmp_path / "w.safetensors").mkdir()
    with pytest.raises(CheckpointError, match=r"w\.safetensors cannot be written .* expected a folder with room"):
        save_weights(network, "compact", tmp_path / "w.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_tokenizer_lies_beside_the_weights(tmp_path: Path):
    assert tokenizer_path(tmp_path / "big.safetensors") == tmp_path / "big.tokenizer.json"
