"""How a camera's images were served: counts, rates and latencies in bounded memory. For `node` and `diagnostics`."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

WINDOW_S = 5.0
"""Rates are those of the last so many seconds."""

LATENCIES = 200
"""Latencies are those of the last so many answers, so that one hiccup among them is not yet the 99th percentile."""

MAX_LATENCY_S = 3600.0
"""A stamp that is older, or lies in the future, was not made by the node's clock."""

_EVENTS = 1024
_REASON_CHARS = 300


@dataclass(frozen=True, slots=True)
class Latency:
    """Time until the answer, over those of the last LATENCIES answers whose time is known.

    Attributes:
        p50_ms: median.
        p99_ms: 99th percentile.
    """

    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How a camera's images were served, at one moment.

    Attributes:
        age_s: seconds since the counting began.
        received: images that came.
        answered: images whose result was published.
        dropped: images that a newer one has replaced.
        failed: images that could not be used.
        received_hz: images per second that came, over the last WINDOW_S.
        answered_hz: images per second that were answered, over the last WINDOW_S.
        failed_hz: images per second that failed, over the last WINDOW_S.
        silent_s: seconds since the last image, or since the counting began where there was none.
        waiting_s: seconds for which there has been a newer image than the last that was answered or failed; 0 where
            there is none.
        from_stamp: latency from the images' stamps, by the node's clock; None where of late no stamp fits that clock.
        from_receipt: latency from the images' receipt; None before the first answer.
        last_failure: why an image failed last; empty where none has.
    """

    age_s: float
    received: int
    answered: int
    dropped: int
    failed: int
    received_hz: float
    answered_hz: float
    failed_hz: float
    silent_s: float
    waiting_s: float
    from_stamp: Latency | None
    from_receipt: Latency | None
    last_failure: str


class Statistics:
    """Counts what happens to a camera's images. Any thread may call any method.

    Args:
        monotonic_s: the clock that also reads an image's receipt.
    """

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._monotonic_s = monotonic_s
        self._start_s = self._last_s = monotonic_s()
        self._waiting_since_s: float | None = None
        self._received, self._answered, self._failed = _Events(), _Events(), _Events()
        self._from_stamp_s: deque[float] = deque(maxlen=LATENCIES)
        self._from_receipt_s: deque[float] = deque(maxlen=LATENCIES)
        self._last_failure = ""

    def image_received(self, received_s: float) -> None:
        """Count an image.

        Args:
            received_s: when it came, by the monotonic clock.
        """
        with self._lock:
            self._last_s = received_s
            self._received.add(received_s)
            if self._waiting_since_s is None:
                self._waiting_since_s = received_s

    def image_answered(self, received_s: float, stamp_ns: int, now_ns: int) -> None:
        """Count an image whose result has just been published.

        Args:
            received_s: when it came, by the monotonic clock.
            stamp_ns: its stamp; 0 for none.
            now_ns: time of the node's clock, which may be simulated.
        """
        with self._lock:
            now_s = self._done(self._answered, received_s)
            self._from_receipt_s.append(now_s - received_s)
            latency_s = (now_ns - stamp_ns) / 1e9
            fits = stamp_ns and 0 <= latency_s <= MAX_LATENCY_S
            self._from_stamp_s.append(latency_s if fits else float("nan"))

    def image_failed(self, received_s: float, reason: str) -> None:
        """Count an image that could not be used.

        Args:
            received_s: when it came, by the monotonic clock.
            reason: why, as a sentence; its first 300 characters are kept.
        """
        with self._lock:
            self._done(self._failed, received_s)
            self._last_failure = reason[:_REASON_CHARS]

    def snapshot(self, dropped: int) -> Snapshot:
        """Sum up what has happened until now.

        Args:
            dropped: images that a newer one has replaced; the mailbox counts them.

        Returns:
            The numbers.
        """
        with self._lock:
            now_s = self._monotonic_s()
            age_s = now_s - self._start_s
            return Snapshot(
                age_s=age_s,
                received=self._received.count,
                answered=self._answered.count,
                dropped=dropped,
                failed=self._failed.count,
                received_hz=self._received.rate_hz(now_s, age_s),
                answered_hz=self._answered.rate_hz(now_s, age_s),
                failed_hz=self._failed.rate_hz(now_s, age_s),
                silent_s=now_s - self._last_s,
                waiting_s=0.0 if self._waiting_since_s is None else now_s - self._waiting_since_s,
                from_stamp=_latency(self._from_stamp_s),
                from_receipt=_latency(self._from_receipt_s),
                last_failure=self._last_failure,
            )

    def _done(self, events: _Events, received_s: float) -> float:
        now_s = self._monotonic_s()
        events.add(now_s)
        # Of the images that came meanwhile only the newest still waits.
        self._waiting_since_s = self._last_s if self._last_s > received_s else None
        return now_s


class _Events:
    """How often something happened, and when of late."""

    def __init__(self) -> None:
        self.count = 0
        self._times_s: deque[float] = deque(maxlen=_EVENTS)

    def add(self, now_s: float) -> None:
        self.count += 1
        self._times_s.append(now_s)

    def rate_hz(self, now_s: float, age_s: float) -> float:
        """Events per second of the last WINDOW_S, or of what there is of it; less than a second counts as one."""
        recent = sum(now_s - time_s <= WINDOW_S for time_s in self._times_s)
        # A full ring may begin within the window.
        span_s = now_s - self._times_s[0] if recent == _EVENTS else min(age_s, WINDOW_S)
        return recent / max(span_s, 1.0)


def _latency(latencies_s: deque[float]) -> Latency | None:
    known_s = [latency_s for latency_s in latencies_s if not math.isnan(latency_s)]
    if not known_s:
        return None
    p50_ms, p99_ms = np.percentile(known_s, (50, 99)) * 1e3
    return Latency(float(p50_ms), float(p99_ms))
