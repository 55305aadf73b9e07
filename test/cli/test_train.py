"""`samwise train` hands its arguments to the training loop."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from samwise_ros.cli.main import main


@pytest.mark.parametrize("resume", [False, True])
def test_arguments_reach_the_loop(resume: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Path, Path, bool]] = []
    loop = ModuleType("samwise_ros.training.loop")
    loop.train = lambda config_path, out, resume: calls.append((config_path, out, resume))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, loop.__name__, loop)
    assert main(["train", "--config", "a.yaml", "--out", "runs/a", *["--resume"] * resume]) == 0
    assert calls == [(Path("a.yaml"), Path("runs/a"), resume)]


def test_a_stopped_training_exits_as_ctrl_c_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(config_path: Path, out: Path, resume: bool) -> None:
        raise KeyboardInterrupt

    loop = ModuleType("samwise_ros.training.loop")
    loop.train = stopped  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, loop.__name__, loop)
    assert main(["train", "--config", "a.yaml", "--out", "runs/a"]) == 130
