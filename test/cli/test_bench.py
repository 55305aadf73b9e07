"""`samwise bench` prints what a model takes here."""

from __future__ import annotations

import json
import subprocess

import pytest

from samwise_ros.cli import bench
from samwise_ros.cli.main import main
from samwise_ros.evaluation import speed

SMALL = ("--size", "64x48", "--frames", "2", "--warmup", "1", "--device", "cpu")


@pytest.fixture(autouse=True)
def quick_rates(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(speed, "RATE_S", 0.01)
    monkeypatch.setitem(speed.MULTIPLIED_SIDE, "cpu", 256)
    monkeypatch.setitem(speed.COPIED_BYTES, "cpu", 1 << 22)


def test_json_has_all_numbers(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "--targets", "2", *SMALL, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["model"], report["weights"], report["targets"], report["dtype"]) == (
        "compact",
        "of the preset",
        2,
        "float32",
    )
    assert report["camera"] == {"width_px": 64, "height_px": 48}
    assert report["step"]["p50"] > 0
    assert report["frames_per_s"] > 0
    assert report["floor_ms"] == pytest.approx(1e3 * report["flop_per_frame"] / report["flop_per_s"])
    assert report["share_of_rate"] == pytest.approx(report["floor_ms"] * report["frames_per_s"] / 1e3)
    # The image is encoded once, whatever the targets.
    assert 4.34e9 < report["flop_per_frame"] < 2 * 4.34e9


def test_table_for_people_of_a_preset_without_weights(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "--preset", "refsam_compact", "--precision", "bfloat16", *SMALL]) == 0
    text = capsys.readouterr().out
    assert text.startswith("refsam_compact, weights ")
    for part in (
        "bfloat16",
        "camera 64 x 48, targets 1, frames 2 after 1",
        "whole step",
        "frames/s",
        "GFLOP per frame",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--size", "640"), "'640' is not a size such as 640x480"),
        (("--size", "0x480"), "'0x480' is not a size such as 640x480"),
        (("--size", "10000000x10000000"), "'10000000x10000000' has more than 50 million pixels"),
        (("--targets", "none"), "'none' is not a whole number of at least 1"),
    ],
)
def test_wrong_arguments(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["bench", *arguments])
    assert said in capsys.readouterr().err


def test_a_file_that_is_named_is_not_replaced_by_random_weights(tmp_path, capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "--weights", str(tmp_path / "none.safetensors"), *SMALL]) == 2
    assert "is missing" in capsys.readouterr().err


def test_without_ros_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(bench, "find_spec", lambda name: None)
    assert main(["bench", "--ros", *SMALL]) == 2
    assert "ROS 2 is not there, expected it for --ros: source its setup.bash" in capsys.readouterr().err


@pytest.mark.parametrize("how", [("--eager",), ("--mode", "clip")])
def test_the_node_runs_in_one_way(how: tuple[str, ...], monkeypatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(bench, "find_spec", lambda name: name)
    assert main(["bench", "--ros", *how, *SMALL]) == 2
    assert f"{' '.join(how)} was given, expected none with --ros" in capsys.readouterr().err


def test_the_node_is_given_the_side_and_the_preset_that_weights_names(monkeypatch):
    asked = []

    def run(command, **options):
        asked.append(json.loads(command[command.index("--params") + 1]))
        return subprocess.CompletedProcess(command, 0, stdout="{}")

    monkeypatch.setattr(bench, "find_spec", lambda name: name)
    monkeypatch.setattr(bench, "measure", lambda args: {"weights": "of the preset"})
    monkeypatch.setattr(bench.subprocess, "run", run)
    assert main(["bench", "--ros", "--json", "--weights", "refsam_compact", "--image-side-px", "128", *SMALL]) == 0
    assert asked == [{"model": "refsam_compact", "device": "cpu", "precision": "auto", "image_side_px": 128}]


def test_table_through_ros(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    times = {"p50": 1.25, "p90": 2.0, "p99": 3.0}
    measured = {"without_targets": times, "with_targets": times, "frames_per_s": 12.5}
    monkeypatch.setattr(bench, "find_spec", lambda name: name)
    monkeypatch.setattr(bench, "measure_ros", lambda args: measured)
    assert main(["bench", "--ros", *SMALL]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4].split() == ["ms", "through", "ROS", "p50", "p90", "p99"]
    assert lines[-3].split() == ["without", "a", "target", "1.25", "2.00", "3.00"]
