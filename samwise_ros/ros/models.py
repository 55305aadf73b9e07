"""Models that the nodes of one process share: one copy of the weights for all cameras. Used by `node`."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

import numpy as np

from samwise_ros.types import Frame

if TYPE_CHECKING:
    from samwise_ros.model.segmenter import Segmenter

T = TypeVar("T")

CAMERAS_PX = ((480, 640), (720, 1280))
"""Rows and columns of the pictures that a model is made ready for: of 4:3 and of 16:9."""

_WAKE_S = 0.25
"""A signal that another thread hears, or that comes just before the wait begins, is not heard for so long at most."""

_lock = threading.Lock()
_models: WeakValueDictionary[tuple[str, str, str, str, str, int], Segmenter[Any, Any, Any]] = WeakValueDictionary()


def open_model(
    model: str, weights: str, cache_dir: str, device: str, precision: str, image_side_px: int
) -> Segmenter[Any, Any, Any]:
    """Load and warm a model, or take the one that another node of this process has with the same arguments.

    Args:
        model: a preset of `samwise_ros.config`.
        weights: path of a weights file; empty for the preset's own.
        cache_dir: folder of `samwise download`; empty for the usual one.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto", "float32", "float16" or "bfloat16".
        image_side_px: side of the square into which images are fitted; 0 for the preset's own.

    Returns:
        The model, which is freed when the last node lets go of it.

    Raises:
        ConfigError: there is no such preset, device or side.
        CheckpointError: the weights are missing or unfit.
    """
    key = (model, weights, cache_dir, device, precision, image_side_px)
    with _lock:
        segmenter = _models.get(key)
        if segmenter is None:
            segmenter = _models[key] = _in_a_thread_that_ends(lambda: _load_warm(*key))
        return segmenter


def _in_a_thread_that_ends(work: Callable[[], T]) -> T:
    """Do something in a thread of its own; a signal's exception leaves it behind.

    A thread that has computed keeps its OpenMP threads, and where there are more of these than cores they sleep between
    any two operations. `compact` took a quarter longer (docs/log.md).
    """
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="samwise_loader", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_WAKE_S)
    if failed:
        raise failed[0]
    return done[0]


def _load_warm(
    model: str, weights: str, cache_dir: str, device: str, precision: str, image_side_px: int
) -> Segmenter[Any, Any, Any]:
    # The engine loads torch, which takes seconds: imported when the first model is asked for.
    from samwise_ros.engine import Tracker
    from samwise_ros.engine.preprocess import padded_size
    from samwise_ros.model.build import build_segmenter
    from samwise_ros.model.captured import CapturedSegmenter

    segmenter = build_segmenter(
        model,
        weights=Path(weights).expanduser() if weights else None,
        device=device,
        precision=precision,
        image_side_px=image_side_px or None,
        cache=Path(cache_dir).expanduser() if cache_dir else None,
    )
    tracker = Tracker(segmenter)
    tracker.add("something to warm up with")
    # The second frame is the first with a memory to read.
    for _ in range(2):
        tracker.step(Frame(np.zeros((*CAMERAS_PX[0], 3), np.uint8)))
    if isinstance(segmenter, CapturedSegmenter):
        for size in {padded_size(*camera, segmenter.image_side_px, segmenter.image_step_px) for camera in CAMERAS_PX}:
            segmenter.prepare(*size)
    return segmenter


def free_memory() -> None:
    """Give back what a model that nobody holds any more has taken, on the device too."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
