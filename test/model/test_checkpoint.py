"""Weights on disk."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from released import released_state, write_released, write_sam2
from safetensors.torch import save_file
from torch import nn

from samwise_ros.config import PRESETS, REFSAM_PARTS, T5Config, preset
from samwise_ros.errors import CheckpointError
from samwise_ros.model.build import load_network
from samwise_ros.model.checkpoint import (
    FORMAT,
    load_state,
    place_tokenizer,
    read_checkpoint,
    save_weights,
    tokenizer_path,
)
from samwise_ros.model.refsam import RefSam
from samwise_ros.model.samwise import Samwise


def assert_equal(network: nn.Module, other: nn.Module, dtype: torch.dtype = torch.float32) -> None:
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


@pytest.mark.parametrize("part", ["pyramid", "frame_change"])
def test_a_file_says_by_its_keys_whether_it_has_what_compact_alone_may_have(
    network: Samwise, part: str, tmp_path: Path
):
    plain = Samwise(replace(network.config, **{part: False}))
    for one, expected in ((network, True), (plain, False)):
        path = tmp_path / f"{expected}.safetensors"
        save_weights(one, "compact", path)
        assert getattr(load_network(path, "compact").config, part) is expected


def test_a_part_that_is_there_by_half_is_refused(network: Samwise, tmp_path: Path):
    state = released_state(network)
    del state["cmt_adapters.1.hsa.linear.bias"]
    with pytest.raises(CheckpointError, match=r"keys 1 missing \(adapters\.1\.temporal\.out\.bias\), expected exactly"):
        load_network(write_released(tmp_path / "w.pth", state))


def test_refsams_own_file_round_trip(refsam: RefSam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(PRESETS, "refsam_compact", refsam.config)
    save_weights(refsam, "refsam_compact", tmp_path / "w.safetensors", dtype=torch.float16)
    loaded = load_network(tmp_path / "w.safetensors", "refsam_compact")
    assert loaded.config == refsam.config
    assert not loaded.training
    assert_equal(refsam, loaded, torch.float16)


@pytest.mark.parametrize("part", REFSAM_PARTS)
def test_parts_that_a_refsam_lacks_are_recognised(
    refsam: RefSam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
):
    monkeypatch.setitem(PRESETS, "refsam_compact", refsam.config)
    plain = RefSam(replace(refsam.config, **{part: False})).eval()
    save_weights(plain, "refsam_compact", tmp_path / "w.safetensors")
    assert load_network(tmp_path / "w.safetensors").config == plain.config


def test_a_refsam_with_another_text_encoder_is_recognised(
    refsam: RefSam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(PRESETS, "refsam_compact", refsam.config)
    text = T5Config(vocab_size=50, width=16, layers=2, heads=2, head_width=4, ffn=32, gated=True)
    other = RefSam(replace(refsam.config, text=text)).eval()
    save_weights(other, "refsam_compact", tmp_path / "w.safetensors")
    loaded = load_network(tmp_path / "w.safetensors")
    assert loaded.config.text == text
    assert_equal(other, loaded)


def test_a_refsam_with_a_key_too_few_is_refused(refsam: RefSam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(PRESETS, "refsam_compact", refsam.config)
    state = {key: value for key, value in refsam.state_dict().items() if key != "tracking.norm.bias"}
    metadata = {"format": FORMAT, "preset": "refsam_compact"}
    save_file(state, tmp_path / "w.safetensors", metadata)
    with pytest.raises(CheckpointError, match=r"keys 1 missing \(tracking\.norm\.bias\), expected exactly"):
        load_network(tmp_path / "w.safetensors")


def test_missing_file(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"nothing\.pth is missing, expected a \.safetensors, \.pth or \.pt file"):
        read_checkpoint(tmp_path / "nothing.pth")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_file_that_is_no_weights(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(CheckpointError, match=r"cannot be read.*: get the file again"):
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
    with pytest.raises(CheckpointError, match="has no tensors of its own or under 'model', expected a checkpoint"):
        read_checkpoint(tmp_path / "w.pth")


def test_sam2_alone_is_not_enough(network: Samwise, tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"holds a SAM 2, expected a whole .*`samwise convert --text-encoder`"):
        read_checkpoint(write_sam2(tmp_path / "w.pt", network))
    torch.save({"image_encoder.patch_embed.proj.weight": torch.zeros(1)}, tmp_path / "sam.pth")
    with pytest.raises(CheckpointError, match=r"holds a SAM 1, expected a whole SAMWISE or RefSAM"):
        read_checkpoint(tmp_path / "sam.pth")
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


def test_folder_that_cannot_be_written(network: Samwise, tmp_path: Path):
    (tmp_path / "w.safetensors").mkdir()
    with pytest.raises(CheckpointError, match=r"w\.safetensors cannot be written .* expected a folder with room"):
        save_weights(network, "compact", tmp_path / "w.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_folder_that_cannot_be_made(network: Samwise, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"w\.safetensors cannot be written .* expected a folder with room"):
        save_weights(network, "compact", tmp_path / "file" / "w.safetensors")


def test_tokenizer_lies_beside_the_weights(tmp_path: Path):
    assert tokenizer_path(tmp_path / "big.safetensors") == tmp_path / "big.tokenizer.json"


def test_a_tokenizer_is_replaced_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, own = tmp_path / "theirs.json", tmp_path / "ours.tokenizer.json"
    theirs.write_text("theirs")
    own.write_text("earlier")

    def half(source: Path, target: Path) -> None:
        target.write_text("th")
        raise OSError("no space left")

    with monkeypatch.context() as full:
        full.setattr(shutil, "copyfile", half)
        with pytest.raises(OSError, match="no space left"):
            place_tokenizer(theirs, tmp_path / "ours.safetensors")
    assert own.read_text() == "earlier"
    place_tokenizer(theirs, tmp_path / "ours.safetensors")
    assert own.read_text() == "theirs"
    place_tokenizer(None, tmp_path / "ours.safetensors")
    assert not own.exists()
