"""`samwise track` with a fake tracker that follows a square."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samwise_ros.cli import results
from samwise_ros.cli.main import main
from samwise_ros.data.video import VideoWriter, open_footage
from samwise_ros.errors import CommandError, ImageError
from samwise_ros.types import Frame, FrameResult, Target, TrackedObject


class SquareTracker:
    """Sees the n-th target as an 8x8 square that moves right; every target is hidden in frame 2 of a run."""

    interrupt_at: int | None = None

    def __init__(self, segmenter: object, max_targets: int) -> None:
        self.max_targets = max_targets
        self.targets: list[Target] = []
        self.steps = 0

    def add(self, text: str) -> Target:
        if not text.strip():
            raise CommandError("the text is empty: say what to follow")
        assert len(self.targets) < self.max_targets
        self.targets.append(Target(len(self.targets) + 1, text))
        return self.targets[-1]

    def step(self, frame: Frame) -> FrameResult:
        if self.steps == self.interrupt_at:
            raise KeyboardInterrupt
        labels = np.zeros(frame.rgb.shape[:2], np.uint8)
        objects = tuple(self._find(target, labels) for target in self.targets)
        self.steps += 1
        return FrameResult(frame, objects, labels)

    def run(self, frames: Iterable[Frame]) -> Iterator[FrameResult]:
        return map(self.step, frames)

    def _find(self, target: Target, labels: np.ndarray[Any, np.dtype[np.uint8]]) -> TrackedObject:
        if self.steps == 2:
            return TrackedObject(target, 0.125, None, np.zeros((0, 0), np.bool_), None, 0)
        left, top = self.steps, 10 * target.id % 40
        labels[top : top + 8, left : left + 8] = target.id
        box = (left, top, left + 8, top + 8)
        return TrackedObject(target, 0.75, box, np.ones((8, 8), np.bool_), (left + 3.5, top + 3.5), 64)


@pytest.fixture(autouse=True)
def built_with(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Fake model and tracker; returns what the segmenter was built with."""
    calls: list[tuple[Any, ...]] = []
    build, tracker = ModuleType("samwise_ros.model.build"), ModuleType("samwise_ros.engine.tracker")
    build.build_segmenter = lambda name, **options: calls.append((name, *options.values()))  # type: ignore[attr-defined]
    tracker.Tracker = SquareTracker  # type: ignore[attr-defined]
    tracker.MAX_LABEL = 255  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, build.__name__, build)
    monkeypatch.setitem(sys.modules, tracker.__name__, tracker)
    monkeypatch.setattr(SquareTracker, "interrupt_at", None)
    return calls


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 10.0) as writer:
        for level in range(5):
            writer.write(np.full((48, 64, 3), 40 * level, np.uint8))
    return path


def track(source: Path, out: Path, *more: str) -> int:
    return main(["track", str(source), "--text", "the red square", "--out", str(out), *more])


def labels_in(out: Path) -> list[str]:
    return sorted(path.name for path in (out / "labels").iterdir())


def lines_in(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "objects.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_video_gives_overlay_labels_and_objects(tmp_path: Path, clip: Path) -> None:
    out = tmp_path / "deep" / "out"
    assert track(clip, out, "--text", "le carré bleu") == 0
    assert labels_in(out) == [f"{index:06d}.png" for index in range(5)]
    label_image = Image.open(out / "labels" / "000001.png")
    assert label_image.mode == "L"
    labels = np.asarray(label_image)
    assert labels.shape == (48, 64)
    assert np.unique(labels).tolist() == [0, 1, 2]
    assert (labels[20:28, 1:9] == 2).all()
    overlay = open_footage(out / "overlay.mp4")
    assert (overlay.rate_hz, overlay.total_frames) == (10.0, 5)
    assert not (out / "overlay.png").exists()
    lines = lines_in(out)
    assert [(line["frame"], line["stamp_s"]) for line in lines] == [(0, 0.0), (1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4)]
    assert lines[1]["objects"][1] == {
        "id": 2,
        "text": "le carré bleu",
        "visible": True,
        "score": 0.75,
        "box_xyxy_px": [1, 20, 9, 28],
        "centroid_xy_px": [4.5, 23.5],
        "area_px": 64,
    }
    assert lines[2]["objects"][0] == {
        "id": 1,
        "text": "the red square",
        "visible": False,
        "score": 0.125,
        "box_xyxy_px": None,
        "centroid_xy_px": None,
        "area_px": 0,
    }


def test_a_recording_may_have_more_targets_than_a_stream_has_by_default(tmp_path: Path, clip: Path) -> None:
    others = [f"--text=the square number {number}" for number in range(9)]
    assert track(clip, tmp_path / "out", *others) == 0
    assert len(lines_in(tmp_path / "out")[0]["objects"]) == 10


def test_the_summary_tells_what_was_seen(tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert track(clip, tmp_path / "out") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("5 frames in ")
    assert "frames/s" in shown
    assert "1 the red square: visible in 4 of 5 frames (80 %)" in shown
    assert f"results in {tmp_path / 'out'}: overlay.mp4, labels/, objects.jsonl" in shown


def test_an_image_gives_an_overlay_image(tmp_path: Path) -> None:
    Image.new("RGB", (65, 49)).save(tmp_path / "photo.jpg")
    assert track(tmp_path / "photo.jpg", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["labels", "objects.jsonl", "overlay.png"]
    assert Image.open(tmp_path / "out" / "overlay.png").size == (65, 49)
    assert labels_in(tmp_path / "out") == ["000000.png"]


def test_labels_keep_the_place_of_their_image(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in range(3):
        Image.new("RGB", (64, 48)).save(tmp_path / "images" / f"{number}.png")
    (tmp_path / "images" / "1.png").write_bytes(b"broken")
    assert track(tmp_path / "images", tmp_path / "out") == 0
    assert labels_in(tmp_path / "out") == ["000000.png", "000002.png"]
    assert [line["frame"] for line in lines_in(tmp_path / "out")] == [0, 2]


def test_a_shorter_run_leaves_nothing_of_a_longer_one(tmp_path: Path, clip: Path) -> None:
    out = tmp_path / "out"
    assert track(clip, out) == 0
    (out / "notes.txt").write_text("mine")
    (out / "labels" / "truth.png").write_text("mine")
    assert track(clip, out, "--max-frames", "2") == 0
    assert labels_in(out) == ["000000.png", "000001.png", "truth.png"]
    assert len(lines_in(out)) == 2
    assert open_footage(out / "overlay.mp4").total_frames == 2
    assert (out / "notes.txt").read_text() == "mine"


def test_the_segmenter_is_built_as_asked_or_for_small_things(
    tmp_path: Path, clip: Path, built_with: list[tuple[Any, ...]]
) -> None:
    assert track(clip, tmp_path / "a") == 0
    given = {"model": "tiny", "weights": "w.safetensors", "device": "cpu", "mode": "clip", "precision": "float32"}
    options = [word for name, value in given.items() for word in (f"--{name}", value)] + ["--image-side-px", "512"]
    assert track(clip, tmp_path / "b", *options) == 0
    assert built_with == [
        ("compact", None, "auto", "stream", "auto", 448),
        ("tiny", Path("w.safetensors"), "cpu", "clip", "float32", 512),
    ]


def test_a_failed_command_leaves_earlier_results_alone(
    tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert track(clip, tmp_path / "out") == 0
    capsys.readouterr()
    assert track(clip, tmp_path / "out", "--text", "  ") == 2
    assert capsys.readouterr().err == "samwise: the text is empty: say what to follow\n"
    assert len(labels_in(tmp_path / "out")) == 5


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()])
def test_without_a_first_result_earlier_ones_stay(
    error: BaseException, tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert track(clip, tmp_path / "out") == 0

    def fail(tracker: SquareTracker, frame: Frame) -> FrameResult:
        raise error

    monkeypatch.setattr(SquareTracker, "step", fail)
    assert track(clip, tmp_path / "out") != 0
    assert len(labels_in(tmp_path / "out")) == len(lines_in(tmp_path / "out")) == 5


def test_bad_input_is_one_sentence(tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert track(tmp_path / "none.mp4", tmp_path / "out") == 2
    assert "none.mp4' does not exist" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    assert track(clip, tmp_path / "file") == 2
    assert "which is a file: name a folder" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        track(clip, tmp_path / "out", "--max-frames", "0")
    assert "'0' is not a whole number of at least 1" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        track(clip, tmp_path / "out", "--max-frames", "9223372036854775808")
    assert "'9223372036854775808' is not a whole number of at least 1 and below 2 to the 31" in capsys.readouterr().err


def test_results_never_overwrite_their_input(tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert track(clip, out) == 0
    for source in (out / "overlay.mp4", out / "labels", out / "labels" / "000001.png"):
        capsys.readouterr()
        assert track(source, out) == 2
        assert "would overwrite the input" in capsys.readouterr().err
    assert len(labels_in(out)) == 5


def test_results_never_replace_what_no_run_has_left(
    tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = tmp_path / "set" / "labels" / "000000.png"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"somebody's")
    assert track(clip, tmp_path / "set") == 2
    assert (
        f"would overwrite '{theirs}', and no objects.jsonl shows that an earlier run left it" in capsys.readouterr().err
    )
    assert theirs.read_bytes() == b"somebody's"
    (tmp_path / "set" / "objects.jsonl").write_text('{"my": "annotations"}\n')
    assert track(clip, tmp_path / "set") == 2
    assert "and no objects.jsonl shows that an earlier run left it" in capsys.readouterr().err
    assert (tmp_path / "set" / "objects.jsonl").read_text() == '{"my": "annotations"}\n'


def test_input_that_holds_no_frame_leaves_earlier_results_alone(tmp_path: Path, clip: Path) -> None:
    assert track(clip, tmp_path / "out") == 0
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "0.png").write_bytes(b"no picture")
    for source in (tmp_path / "broken", tmp_path / "broken" / "0.png"):
        assert track(source, tmp_path / "out") == 2
    assert len(labels_in(tmp_path / "out")) == len(lines_in(tmp_path / "out")) == 5


def test_each_text_has_a_label_of_its_own(tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert track(clip, tmp_path / "out", "--text", "The red  square") == 2
    assert "--text 'The red square' was given twice, expected different ones" in capsys.readouterr().err
    assert track(clip, tmp_path / "out", "--text", "the\u200bred square") == 2
    assert "--text 'the red square' was given twice, expected different ones" in capsys.readouterr().err


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Python's own way with SIGINT, which whoever starts the tests may have told them to ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_waits_for_the_frame_at_hand(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, interruptible: None
) -> None:
    draw = results.draw_overlay

    def interrupt(result: FrameResult) -> object:
        signal.raise_signal(signal.SIGINT)
        return draw(result)

    monkeypatch.setattr(results, "draw_overlay", interrupt)
    assert track(clip, tmp_path / "out") == 130
    assert len(labels_in(tmp_path / "out")) == len(lines_in(tmp_path / "out")) == 1
    assert open_footage(tmp_path / "out" / "overlay.mp4").total_frames == 1


def test_an_ignored_interrupt_stays_ignored(tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = results.draw_overlay

    def interrupt(result: FrameResult) -> object:
        signal.raise_signal(signal.SIGINT)
        return draw(result)

    monkeypatch.setattr(results, "draw_overlay", interrupt)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert track(clip, tmp_path / "out") == 0
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(lines_in(tmp_path / "out")) == 5


def test_a_start_that_was_interrupted_can_be_repeated(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert track(clip, tmp_path / "out") == 0

    def interrupt(self: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", interrupt)
        assert track(clip, tmp_path / "out") == 130
    assert track(clip, tmp_path / "out") == 0


def test_a_full_disk_is_a_sentence(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: Image.Image, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    assert track(clip, tmp_path / "out") == 2
    out = tmp_path / "out"
    assert f"results in '{out}' cannot be written (No space left on device): make room" in capsys.readouterr().err


def test_an_interrupted_run_keeps_what_it_had(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(SquareTracker, "interrupt_at", 3)
    assert track(clip, tmp_path / "out") == 130
    assert capsys.readouterr().err == ""
    assert len(labels_in(tmp_path / "out")) == len(lines_in(tmp_path / "out")) == 3
    assert open_footage(tmp_path / "out" / "overlay.mp4").total_frames == 3


def test_an_error_in_the_middle_is_a_sentence(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: VideoWriter, rgb: object) -> None:
        raise ImageError("ffmpeg cannot write video 'overlay.mp4' (No space left on device)")

    monkeypatch.setattr(VideoWriter, "write", fail)
    assert track(clip, tmp_path / "out") == 2
    assert "No space left on device" in capsys.readouterr().err
