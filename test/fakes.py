"""Stand-ins that need no model: a tracker that finds whatever is bright red, and frames for it."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from samwise_ros.errors import CommandError
from samwise_ros.types import Frame, FrameResult, Target, TrackedObject, text_key


def red_square(height_px: int = 48, width_px: int = 64, left_px: int = 10, side_px: int = 16) -> npt.NDArray[np.uint8]:
    """Return (H, W, 3) uint8: black, with a red square that starts at row 8."""
    rgb = np.zeros((height_px, width_px, 3), np.uint8)
    rgb[8 : 8 + side_px, left_px : left_px + side_px, 0] = 255
    return rgb


class FakeTracker:
    """Meets `engine.tracker.Tracker`; every target's mask is where red is above 127.

    Attributes:
        gate: `step` waits while it is cleared.
        stepping: set once a `step` has begun.
        error: what the next `step` raises.
        resets: how often the memory was dropped.
        last_id: number of the newest target.
    """

    def __init__(self, max_targets: int = 8, last_id: int = 0) -> None:
        self.targets: tuple[Target, ...] = ()
        self.gate = threading.Event()
        self.gate.set()
        self.stepping = threading.Event()
        self.error: Exception | None = None
        self.resets = 0
        self._max_targets = max_targets
        self.last_id = last_id

    def follow(self, texts: Iterable[str]) -> tuple[Target, ...]:
        wanted = {text_key(text): text.strip() for text in texts}
        if "" in wanted:
            raise CommandError("target is empty, expected words: say what to look at")
        targets = [target for target in self.targets if text_key(target.text) in wanted]
        new = [text for key, text in wanted.items() if key not in {text_key(target.text) for target in targets}]
        count = len(targets) + len(new)
        if count > self._max_targets:
            raise CommandError(f"{count} targets would be followed, expected at most {self._max_targets}")
        targets += [Target(self.last_id + number, text) for number, text in enumerate(new, start=1)]
        self.last_id += len(new)
        self.targets = tuple(targets)
        return self.targets

    def add(self, text: str) -> Target:
        targets = self.follow([*(target.text for target in self.targets), text])
        return next(target for target in targets if text_key(target.text) == text_key(text))

    def remove(self, target_id: int) -> Target:
        for target in self.targets:
            if target.id == target_id:
                self.targets = tuple(other for other in self.targets if other.id != target_id)
                return target
        raise CommandError(f"no target has id {target_id}: see `~/objects` for those that are followed")

    def clear(self) -> tuple[Target, ...]:
        gone, self.targets = self.targets, ()
        return gone

    def reset(self) -> None:
        self.resets += 1

    def step(self, frame: Frame) -> FrameResult:
        targets = self.targets
        self.stepping.set()
        assert self.gate.wait(30)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        mask = frame.rgb[:, :, 0] > 127
        labels = np.where(mask & bool(targets), len(targets), 0).astype(np.uint8)
        return FrameResult(frame, tuple(_found(target, mask) for target in targets), labels)


def _found(target: Target, mask: npt.NDArray[np.bool_]) -> TrackedObject:
    rows, columns = np.nonzero(mask)
    if not rows.size:
        return TrackedObject(target, 0.1, None, np.zeros((0, 0), bool), None, 0)
    left, top, right, bottom = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
    centroid = (float(columns.mean()), float(rows.mean()))
    return TrackedObject(target, 0.9, (left, top, right, bottom), mask[top:bottom, left:right], centroid, rows.size)
