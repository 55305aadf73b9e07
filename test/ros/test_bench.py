"""The node is measured in a process of its own."""

from __future__ import annotations

import json

import pytest

from samwise_ros.cli.main import main
from samwise_ros.evaluation import speed

pytestmark = pytest.mark.ros

PARAMS = json.dumps({"model": "compact", "device": "cpu"})


def run(start, params: str) -> tuple[int, str]:
    process = start(
        *("-m", "samwise_ros.ros.bench", "--params", params, "--size", "64", "48"),
        *("--targets", "2", "--frames", "3", "--warmup", "1"),
    )
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


def test_image_in_objects_out(start):
    code, output = run(start, PARAMS)
    assert code == 0, output
    report = json.loads(output.splitlines()[-1])
    without, with_targets = report["without_targets"], report["with_targets"]
    assert 0 < without["p50"] < with_targets["p50"], "a model takes longer than none"
    assert report["frames_per_s"] == pytest.approx(1e3 / with_targets["p50"], rel=0.9)


def test_a_node_that_cannot_start_ends_it(start):
    code, output = run(start, json.dumps({"model": "nope"}))
    assert code == 1
    assert "samwise: the node ended with exit code" in output


def test_the_command_asks_for_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(speed, "RATE_S", 0.01)
    arguments = "bench --ros --device cpu --size 64x48 --frames 2 --warmup 1 --json"
    assert main(arguments.split()) == 0
    assert json.loads(capsys.readouterr().out)["ros"]["frames_per_s"] > 0
