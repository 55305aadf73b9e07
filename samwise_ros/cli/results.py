"""The folder that `samwise track` leaves behind: overlay, label images and `objects.jsonl`."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from PIL import Image

from samwise_ros.data.video import ImageFiles, VideoFile, VideoWriter
from samwise_ros.engine.overlay import draw_overlay
from samwise_ros.errors import ConfigError
from samwise_ros.types import FrameResult, TrackedObject

_LABELS_NAME = re.compile(r"\d{6,}\.png")
_FIRST_LINE = re.compile(rb'\{"frame": \d+, "stamp_s": ')
_LINE_BYTES = 100
"""So much of a line tells whose it is."""


class ResultFolder:
    """Writes each result as it comes, so that an interrupted run keeps what it had; a context manager.

    The folder gets `overlay.mp4` (`overlay.png` for a single image), `labels/000000.png` and so on (mono8: 0
    background, n the n-th target) and `objects.jsonl` (a line per frame). Entering removes these files of an earlier
    run, and nothing else.

    Args:
        path: the folder; made where it is missing.
        footage: what the results are about.

    Raises:
        ConfigError: `path` is a file, or writing there would destroy the footage or files that no run has left.
    """

    def __init__(self, path: Path, footage: VideoFile | ImageFiles) -> None:
        self._path = path
        self._footage = footage
        self._labels = path / "labels"
        if path.exists() and not path.is_dir():
            raise ConfigError(f"the results cannot go to '{path}', which is a file: name a folder")
        source = footage.path.resolve()
        if source == self._labels.resolve() or source in {file.resolve() for file in self._earlier_files()}:
            raise ConfigError(f"results in '{path}' would overwrite the input '{footage.path}': name another folder")
        if (others := self._earlier_files()) and not _is_of_a_run(path / "objects.jsonl"):
            raise ConfigError(
                f"results in '{path}' would overwrite '{others[0]}', and no objects.jsonl shows that an earlier run "
                "left it: remove it, or name another folder"
            )
        self._open_files = ExitStack()

    def __enter__(self) -> ResultFolder:
        self._labels.mkdir(parents=True, exist_ok=True)
        # First, since by it the others are known to be of an earlier run.
        objects = (self._path / "objects.jsonl").open("w", encoding="utf-8", buffering=1)
        self._objects = self._open_files.enter_context(objects)
        for file in self._earlier_files():
            if file.name != "objects.jsonl":
                file.unlink()
        self._video = self._open_files.enter_context(VideoWriter(self._path / "overlay.mp4", self._footage.rate_hz))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._open_files.__exit__(kind, error, trace)
        except OSError:
            if error is None:
                raise

    def add(self, index: int, result: FrameResult) -> None:
        """Write one frame's result.

        Args:
            index: the frame's place in the footage; it names the label image.
            result: what was found in the frame.

        Raises:
            ImageError: the overlay video cannot be written.
            ConfigError: another file cannot be written.
            KeyboardInterrupt: Ctrl-C; the frame's results are whole.
        """
        try:
            with _uninterrupted():
                self._write(index, result)
        except OSError as error:
            raise ConfigError(
                f"results in '{self._path}' cannot be written ({error.strerror or error}): make room there, or name "
                "another folder"
            ) from error

    def _write(self, index: int, result: FrameResult) -> None:
        Image.fromarray(result.labels).save(self._labels / f"{index:06d}.png", compress_level=1)
        line = {
            "frame": index,
            "stamp_s": round(result.frame.stamp_ns / 1e9, 6),
            "objects": [_object_to_json(found) for found in result.objects],
        }
        self._objects.write(json.dumps(line, ensure_ascii=False) + "\n")
        overlay = draw_overlay(result)
        if self._footage.is_still:
            Image.fromarray(overlay).save(self._path / "overlay.png")
        else:
            self._video.write(overlay)

    def _earlier_files(self) -> list[Path]:
        files = [self._path / name for name in ("overlay.mp4", "overlay.png", "objects.jsonl")]
        if self._labels.is_dir():
            files += [file for file in self._labels.iterdir() if _LABELS_NAME.fullmatch(file.name)]
        return [file for file in files if file.is_file()]


def _is_of_a_run(path: Path) -> bool:
    """Whether a file of objects begins as `ResultFolder` writes it, or is empty, as it leaves it without a frame."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(_LINE_BYTES)
    return not first or _FIRST_LINE.match(first) is not None


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put Ctrl-C off until what is inside is done."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # nobody is to hear of it, or not so
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def _object_to_json(found: TrackedObject) -> dict[str, Any]:
    centroid = found.centroid_xy_px
    return {
        "id": found.target.id,
        "text": found.target.text,
        "visible": found.visible,
        "score": round(float(found.score), 4),
        "box_xyxy_px": None if found.box_xyxy_px is None else [int(edge) for edge in found.box_xyxy_px],
        "centroid_xy_px": None if centroid is None else [round(float(value), 2) for value in centroid],
        "area_px": int(found.area_px),
    }
