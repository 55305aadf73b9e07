"""How fast a tracker is on this machine, and how fast its arithmetic would let it be. Called by `cli.bench`."""

from __future__ import annotations

import resource
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from samwise_ros.engine.tracker import Tracker
from samwise_ros.model.captured import CapturedSegmenter
from samwise_ros.model.segmenter import Segmenter
from samwise_ros.model.stages import timed_by
from samwise_ros.types import Frame

DIFFERENT_FRAMES = 16
"""Random pictures that are shown in turn."""

COPIED_BYTES = {"cpu": 1 << 27, "cuda": 1 << 30}
MULTIPLIED_SIDE = {"cpu": 2048, "cuda": 8192}
"""Sizes, by kind of device, at which its rates are measured: too large for any cache, enough to keep it busy."""

RATE_S = 0.5
"""Seconds for which a rate is measured; the best round counts."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds.

    Attributes:
        p50: median.
        p90: 90th percentile.
        p99: 99th percentile.
    """

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured of a tracker.

    Attributes:
        stages: by name, a frame's time in each part of a step; on CUDA the device's time, by events.
        step: a frame's whole time, from the camera image to its result in memory.
        frames_per_s: frames by the time of all steps.
        host_peak_bytes: most memory that the process had, all that it has loaded included.
        device_peak_bytes: most memory that PyTorch had on the GPU; None without one.
        device_growth_bytes: by how much that which it holds grew from the first measured frame to the last; None
            without one.
    """

    stages: dict[str, Percentiles]
    step: Percentiles
    frames_per_s: float
    host_peak_bytes: int
    device_peak_bytes: int | None
    device_growth_bytes: int | None


@dataclass(frozen=True, slots=True)
class Rates:
    """What a device reaches at best.

    Attributes:
        flop_per_s: in a product of two large matrices of the model's precision.
        bytes_per_s: read and written, in a copy.
    """

    flop_per_s: float
    bytes_per_s: float


class StageClock:
    """Sums the time of each part of a step, by the CPU's clock or, without waiting, by events of a CUDA device.

    Args:
        device: where the model runs.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._spans: list[tuple[str, Any, Any]] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        start = self._now()
        yield
        self._spans.append((name, start, self._now()))

    def take(self) -> dict[str, float]:
        """Milliseconds by name since the last call, to be asked for when the device has finished."""
        sums: defaultdict[str, float] = defaultdict(float)
        for name, start, end in self._spans:
            sums[name] += start.elapsed_time(end) if self._device.type == "cuda" else 1e3 * (end - start)
        self._spans = []
        return dict(sums)

    def _now(self) -> Any:
        if self._device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event


def measure_speed(
    segmenter: Segmenter[Any, Any, Any], *, height_px: int, width_px: int, targets: int, frames: int, warmup: int
) -> Speed:
    """Follow some targets through random pictures.

    Args:
        segmenter: the model.
        height_px: rows of the camera image.
        width_px: columns of the camera image.
        targets: how many are followed.
        frames: how many are measured, at least 1; of a model that takes several at once, rounded up to whole steps.
        warmup: frames before these that are not.

    Returns:
        Times and memory.
    """
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (height_px, width_px, 3), np.uint8) for _ in range(DIFFERENT_FRAMES)]
    tracker = Tracker(segmenter, max_targets=max(1, targets))
    tracker.follow(f"thing number {index} on the table" for index in range(targets))
    at_once, device = segmenter.frames_per_step, segmenter.device
    on_gpu = device.type == "cuda"
    clock = StageClock(device)
    steps, stages = [], defaultdict[str, list[float]](list)
    shown = 0

    def step() -> float:
        """One step of the model; seconds per frame."""
        nonlocal shown
        chunk = [Frame(pictures[(shown + index) % len(pictures)]) for index in range(at_once)]
        shown += at_once
        start = time.perf_counter()
        for _ in tracker.run(chunk):
            pass
        return (time.perf_counter() - start) / at_once

    for _ in range(-(-warmup // at_once)):
        step()
    if isinstance(segmenter, CapturedSegmenter):
        segmenter.settle()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
        held = torch.cuda.memory_allocated(device)
    with timed_by(clock):
        for _ in range(-(-frames // at_once)):
            steps.append(step())
            for name, value in clock.take().items():
                stages[name].append(value / at_once)
    return Speed(
        stages={name: percentiles(values) for name, values in stages.items()},
        step=percentiles([1e3 * seconds for seconds in steps]),
        frames_per_s=len(steps) / sum(steps),
        host_peak_bytes=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        device_peak_bytes=torch.cuda.max_memory_allocated(device) if on_gpu else None,
        device_growth_bytes=torch.cuda.memory_allocated(device) - held if on_gpu else None,
    )


def measure_rates(device: torch.device, dtype: torch.dtype) -> Rates:
    """What the device reaches at best.

    Args:
        device: a CPU or a CUDA device.
        dtype: the model's precision.

    Returns:
        The best of some rounds.
    """
    side, size = MULTIPLIED_SIDE[device.type], COPIED_BYTES[device.type]
    one, other, product = (torch.ones(side, side, dtype=dtype, device=device) for _ in range(3))
    source, copy = (torch.ones(size, dtype=torch.uint8, device=device) for _ in range(2))
    return Rates(
        flop_per_s=2 * side**3 / _best_s(device, lambda: torch.mm(one, other, out=product)),
        bytes_per_s=2 * size / _best_s(device, lambda: copy.copy_(source)),
    )


def percentiles(values_ms: list[float] | npt.NDArray[np.float64]) -> Percentiles:
    """Percentiles of at least one value."""
    return Percentiles(*(float(np.percentile(values_ms, rank)) for rank in (50, 90, 99)))


def _best_s(device: torch.device, work: Callable[[], object]) -> float:
    """Seconds of the fastest round of some work, the first of which does not count."""
    rounds: list[float] = []
    began = time.perf_counter()
    while len(rounds) < 3 or time.perf_counter() - began < RATE_S:
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        rounds.append(time.perf_counter() - start)
    return min(rounds[1:])
