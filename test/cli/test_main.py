"""The command line as a whole: help, version, exit codes."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from samwise_ros import __version__
from samwise_ros.cli import info, train
from samwise_ros.cli import main as cli
from samwise_ros.errors import ConfigError

TRAIN = ["train", "--config", "recipe.yaml", "--out", "out"]


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("track", "train", "info"))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"samwise {__version__}\n"


@pytest.mark.parametrize("argv", [[], ["fly"], ["track", "clip.mp4"], ["train"]])
def test_wrong_usage_is_exit_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(argv)
    assert "usage: samwise" in capsys.readouterr().err


def test_the_parser_imports_nothing_heavy() -> None:
    check = "import samwise_ros.cli.main, sys; assert not {'numpy', 'cv2', 'torch', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True, cwd=Path(cli.__file__).parents[2])


@pytest.mark.parametrize(
    "error",
    [ConfigError("preset 'x' is unknown"), FileNotFoundError(2, "No such file or directory", "recipe.yaml")],
)
def test_an_error_is_one_line_and_exit_code_2(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(train, "run", fail)
    assert cli.main(TRAIN) == 2
    assert capsys.readouterr().err == f"samwise: {error}\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "MemoryError"),
        (
            RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.\nMore"),
            "CUDA out of memory. Tried to allocate 2 GiB.",
        ),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_too_little_memory_is_one_line(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(train, "run", fail)
    assert cli.main(TRAIN) == 2
    told = capsys.readouterr().err
    assert told.startswith("samwise: there is not enough memory: take a smaller model or picture (--image-side-px)")
    assert told.endswith(f"({said})\n")


def test_other_errors_of_the_runtime_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(train, "run", fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        cli.main(TRAIN)


def test_a_closed_output_is_no_error() -> None:
    command = f"exec {shlex.quote(sys.executable)} -m samwise_ros.cli.main download >&-"
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(info, "run", interrupt)
    assert cli.main(["info"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_leaves_is_no_error() -> None:
    command = [sys.executable, "-m", "samwise_ros.cli.main", "info"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141
