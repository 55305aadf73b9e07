"""Pairs depth images with colour images by their stamps. Used by `inputs` and `node`.

A depth image may come before its colour image, which is larger, or after it, since a registered one is computed from
it; and a model may be at an image for longer than any number of depth images could be kept. So each colour image has
the nearest one kept for it from its receipt on, until it is answered or replaced.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from sensor_msgs.msg import Image

from samwise_ros.ros.convert import stamp_to_ns

KEPT = 5
"""Depth images that may come before their colour image."""

LAG_S = 0.1
"""So long after its colour image a depth image may come."""

NEAR_NS = 5_000_000
"""So near in time, none nearer is waited for, nanoseconds."""

STALE_S = 1.0
"""Where none has come for so long, none is waited for."""


class DepthMatch:
    """The depth image that is nearest in time to a colour image, as far as they have come.

    Args:
        stamp_ns: of the colour image.

    Attributes:
        msg: the depth image; None where none has come.
    """

    def __init__(self, stamp_ns: int) -> None:
        self._stamp_ns = stamp_ns
        self.msg: Image | None = None

    def offer(self, msg: Image) -> None:
        """Take an image that has come, where it is nearer."""
        if self._apart_ns(stamp_to_ns(msg.header.stamp)) < self.distance_ns:
            self.msg = msg

    def is_nearer(self, stamp_ns: int) -> bool:
        """Whether one of this stamp would be nearer than what there is, which is not near."""
        return self.distance_ns > NEAR_NS and self._apart_ns(stamp_ns) < self.distance_ns

    @property
    def distance_ns(self) -> float:
        """Nanoseconds between the two stamps; infinite where none has come."""
        return float("inf") if self.msg is None else self._apart_ns(stamp_to_ns(self.msg.header.stamp))

    def _apart_ns(self, stamp_ns: int) -> int:
        return abs(stamp_ns - self._stamp_ns)


class DepthImages:
    """What a depth camera sends, paired with a colour camera's images; safe to use from any thread."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._kept: deque[Image] = deque(maxlen=KEPT)
        self._came_s = float("-inf")
        self._waiting: DepthMatch | None = None
        self._answered: DepthMatch | None = None

    def keep(self, msg: Image) -> None:
        """Take a depth image."""
        with self._condition:
            self._kept.append(msg)
            self._came_s = time.monotonic()
            for match in (self._waiting, self._answered):
                if match is not None:
                    match.offer(msg)
            self._condition.notify_all()

    def expect(self, stamp_ns: int) -> DepthMatch:
        """A colour image has come and waits to be answered, in place of any that did."""
        match = DepthMatch(stamp_ns)
        with self._condition:
            for msg in self._kept:
                match.offer(msg)
            self._waiting = match
        return match

    def answer(self, match: DepthMatch) -> None:
        """The colour image of a match is being answered, in place of the one before."""
        with self._condition:
            # Another may have come to wait already, and since then depth was kept for that one alone.
            for msg in self._kept:
                match.offer(msg)
            self._answered = match

    def forget(self) -> None:
        """What came belongs to another recording than what comes."""
        with self._condition:
            self._kept.clear()

    def find(self, match: DepthMatch, tolerance_s: float, received_s: float) -> Image | None:
        """The depth image of a match, waited for where it may still come.

        Args:
            match: that is waiting or being answered.
            tolerance_s: how far the two stamps may be apart.
            received_s: when the colour image came, reading of the monotonic clock.

        Returns:
            The image; None where none is near enough.
        """
        with self._condition:
            now_s = time.monotonic()
            if now_s - self._came_s < STALE_S:
                patience_s = max(0.0, received_s + LAG_S - now_s)
                self._condition.wait_for(lambda: not self._nearer_may_come(match), patience_s)
            return match.msg if match.distance_ns <= tolerance_s * 1e9 else None

    def _nearer_may_come(self, match: DepthMatch) -> bool:
        """Whether the next one would be nearer, coming as long after the last as that after the one before."""
        if len(self._kept) < 2:
            return match.distance_ns > NEAR_NS
        before_ns, last_ns = (stamp_to_ns(msg.header.stamp) for msg in list(self._kept)[-2:])
        return match.is_nearer(2 * last_ns - before_ns)
