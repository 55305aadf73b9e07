"""`samwise info` counts parameters."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from samwise_ros.cli.main import main
from samwise_ros.model import build


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(10, 100).requires_grad_(False)
        self.head = nn.Linear(100, 1)
        self.query = nn.Parameter(torch.zeros(1000))


def test_a_row_for_each_part_and_the_total(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(build, "build_model", lambda preset: Tiny())
    assert main(["info", "--model", "tiny"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["tiny", "parameters", "trainable"],
        ["encoder", "1,100", "0"],
        ["head", "101", "101"],
        ["(own)", "1,000", "1,000"],
        ["total", "2,201", "1,101"],
    ]


def test_an_unknown_preset_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--model", "gigantic"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("samwise: ")
    assert "gigantic" in error
    assert error.count("\n") == 1
