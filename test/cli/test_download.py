"""`samwise download` from a folder; how files come by network is tested with `model.download`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from samwise_ros.cli import download as command
from samwise_ros.errors import CheckpointError, ConfigError
from samwise_ros.model import download
from samwise_ros.model.published import DOWNLOADS


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str, **_: object) -> None:
        raise AssertionError(f"{url} was asked for")

    monkeypatch.setattr(download.requests, "get", fail)
    monkeypatch.delenv("SAMWISE_CACHE_DIR", raising=False)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A folder with every published file under its bare name."""
    folder = tmp_path / "stick"
    folder.mkdir()
    for name, content in DOWNLOADS.items():
        for file in content.files:
            (folder / Path(file.path).name).write_text(name, encoding="utf-8")
    return folder


def run(*argv: object) -> None:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["download", *map(str, argv)])
    args.run(args)


def test_without_a_name_it_tells_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAMWISE_CACHE_DIR", str(tmp_path / "weights"))
    run()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1) for line in lines[:-1]] == [[name, what.about] for name, what in DOWNLOADS.items()]
    assert lines[-1] == f"cache folder: {tmp_path / 'weights'}"
    assert not (tmp_path / "weights").exists()


def test_it_tells_of_each_file_and_what_to_do_next(
    tmp_path: Path, stick: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "weights"
    monkeypatch.setenv("SAMWISE_CACHE_DIR", str(cache))
    next_step = 'next: samwise track clip.mp4 --text "the horse" --out out/ --model base_plus'
    run("base_plus", "--from", stick)
    assert capsys.readouterr().out.splitlines() == [
        *(f"{cache / file.path}: copied" for file in DOWNLOADS["base_plus"].files),
        next_step,
    ]
    run("base_plus")
    assert capsys.readouterr().out.splitlines() == [
        *(f"{cache / file.path}: there already, verified" for file in DOWNLOADS["base_plus"].files),
        next_step,
    ]


def test_files_that_names_share_come_once(tmp_path: Path, stick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("tiny", "large", "roberta", "--from", stick, "--cache-dir", tmp_path / "weights")
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.endswith(": copied") for line in lines) == 5
    cache = tmp_path / "weights"
    sam, roberta = cache / "sam2" / "sam2_hiera_tiny.pt", cache / "roberta-base"
    assert lines[-1] == f"next: samwise convert {sam} start.safetensors --text-encoder {roberta}"


def test_refsam_is_trained_from_sam_1_and_a_text_encoder_of_choice(
    tmp_path: Path, stick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("refsam_b", "--from", stick, "--cache-dir", tmp_path)
    last = capsys.readouterr().out.splitlines()[-1]
    sam = tmp_path / "sam1" / "sam_vit_b_01ec64.pth"
    assert last == f"next: samwise convert {sam} start.safetensors --text-encoder T5_FOLDER"


def test_a_folder_of_ones_own_has_to_be_named_to_the_next_command(
    tmp_path: Path, stick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "my weights"
    run("base_plus_mevis", "--from", stick, "--cache-dir", cache)
    assert f"for the next commands: export SAMWISE_CACHE_DIR='{cache}'" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("name", ["base_plus_ytvos", "base_plus_refcoco"])
def test_weights_that_are_not_the_default_have_to_be_named(
    name: str, tmp_path: Path, stick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(name, "--from", stick, "--cache-dir", tmp_path)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith(f"--model base_plus --weights {tmp_path}/samwise/{name}.pth")


def test_an_unknown_name_is_told_before_anything_is_fetched(tmp_path: Path, stick: Path) -> None:
    with pytest.raises(ConfigError, match=r"download is 'small', expected one of tiny, base_plus, large, .*: choose"):
        run("tiny", "small", "--from", stick, "--cache-dir", tmp_path / "weights")
    assert not (tmp_path / "weights").exists()


def test_files_that_came_before_an_error_stay(tmp_path: Path, stick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (stick / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"file roberta-base/model\.safetensors is missing"):
        run("roberta", "--from", stick, "--cache-dir", tmp_path)
    assert capsys.readouterr().out == f"{tmp_path / 'roberta-base/config.json'}: copied\n"


def test_the_module_imports_nothing_heavy() -> None:
    check = "import samwise_ros.cli.download, sys; assert not {'requests', 'torch', 'tqdm'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True, cwd=Path(command.__file__).parents[2])
