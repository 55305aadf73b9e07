"""`samwise convert` writes files that load to the same network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from metas_sam import write_sam1
from released import released_state, write_released, write_roberta, write_sam2, write_t5
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from samwise_ros.cli.main import main
from samwise_ros.config import PRESETS, T5Config
from samwise_ros.model.build import load_network
from samwise_ros.model.checkpoint import save_weights
from samwise_ros.model.refsam import RefSam
from samwise_ros.model.samwise import Samwise


def test_released_file(network: Samwise, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_released(tmp_path / "in.pth", released_state(network))
    assert main(["convert", str(path), str(tmp_path / "out.safetensors")]) == 0
    assert capsys.readouterr().out == f"preset compact: written to {tmp_path / 'out.safetensors'}\n"
    ours, theirs = (load_network(tmp_path / name).state_dict() for name in ("out.safetensors", "in.pth"))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_the_tokenizer_goes_along(network: Samwise, tmp_path: Path) -> None:
    save_weights(network, "compact", tmp_path / "in.safetensors")
    (tmp_path / "in.tokenizer.json").write_text("theirs")
    assert main(["convert", str(tmp_path / "in.safetensors"), str(tmp_path / "deep" / "out.safetensors")]) == 0
    assert (tmp_path / "deep" / "out.tokenizer.json").read_text() == "theirs"


def test_no_tokenizer_of_an_earlier_file_stays(network: Samwise, tmp_path: Path) -> None:
    (tmp_path / "out.tokenizer.json").write_text("of an earlier conversion")
    save_weights(network, "compact", tmp_path / "in.safetensors")
    assert main(["convert", str(tmp_path / "in.safetensors"), str(tmp_path / "out.safetensors")]) == 0
    assert not (tmp_path / "out.tokenizer.json").exists()


def test_a_file_that_cannot_be_written_leaves_the_earlier_pair(
    network: Samwise, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_weights(network, "compact", tmp_path / "in.safetensors")
    (tmp_path / "out.safetensors").write_text("earlier")
    (tmp_path / "out.tokenizer.json").write_text("earlier, too")
    (tmp_path / "out.partial").mkdir()
    for tokenizer in (None, "theirs"):
        if tokenizer:
            (tmp_path / "in.tokenizer.json").write_text(tokenizer)
        assert main(["convert", str(tmp_path / "in.safetensors"), str(tmp_path / "out.safetensors")]) == 2
        assert "out.safetensors cannot be written" in capsys.readouterr().err
        assert (tmp_path / "out.tokenizer.json").read_text() == "earlier, too"


def test_start_from_sam2_and_roberta(network: Samwise, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [write_sam2(tmp_path / "sam2.pt", network), tmp_path / "out.safetensors"]
    arguments += ["--roberta", write_roberta(tmp_path / "roberta", network)]
    states = []
    for _ in range(2):
        assert main(["convert", *map(str, arguments)]) == 0
        states.append(load_network(tmp_path / "out.safetensors").state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0]), "the seed decides the fresh parts"
    assert torch.equal(states[0]["sam.no_mem_embed"], network.sam.no_mem_embed)


def test_start_from_sam1_and_t5(
    refsam: RefSam, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "refsam_compact", replace(refsam.config, text=T5Config()))
    t5 = write_t5(tmp_path / "t5")
    arguments = [str(write_sam1(tmp_path / "sam_vit.pth", refsam)), str(tmp_path / "out" / "start.safetensors")]
    arguments = ["convert", *arguments, "--text-encoder", str(t5)]
    assert main(arguments) == 2
    assert f"tokenizer {t5 / 'tokenizer.json'} is missing" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    tokenizer = Tokenizer(WordLevel({"<pad>": 0, "</s>": 1, "<unk>": 2}, "<unk>"))
    tokenizer.save(str(t5 / "tokenizer.json"))
    assert main(arguments) == 0
    out = tmp_path / "out" / "start.safetensors"
    assert capsys.readouterr().out == f"preset refsam_compact: written to {out}\n"
    assert load_network(out).config.text.width == 16
    assert (tmp_path / "out" / "start.tokenizer.json").read_bytes() == (t5 / "tokenizer.json").read_bytes()


@pytest.mark.parametrize(
    ("output", "message"),
    [("out.pth", "expected a name that ends in .safetensors"), ("in.safetensors", "is the input: name another file")],
)
def test_output_that_will_not_do(output: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.safetensors").write_bytes(b"precious")
    assert main(["convert", str(tmp_path / "in.safetensors"), str(tmp_path / output)]) == 2
    assert message in capsys.readouterr().err
    assert (tmp_path / "in.safetensors").read_bytes() == b"precious"
