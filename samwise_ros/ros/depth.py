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
        self._passed = False
        self.msg: Image | None = None

    def offer(self, msg: Image) -> None:
        """Take an image that has come, where it is nearer."""
        self._passed |= stamp_to_ns(msg.header.stamp) >= self._stamp_ns
        if self.msg is None or self._distance_ns(msg) < self.distance_ns:
            self.msg = msg

    @property
    def distance_ns(self) -> float:
        """Nanoseconds between the two stamps; infinite where none has come."""
        return float("inf") if self.msg is None else self._distance_ns(self.msg)

    @property
    def settled(self) -> bool:
        """Whether what comes is hardly nearer: one is near, or they are past the colour image."""
        return self._passed or self.distance_ns <= NEAR_NS

    def _distance_ns(self, msg: Image) -> int:
        return abs(stamp_to_ns(msg.header.stamp) - self._stamp_ns)


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
            self._answered = match

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
                self._condition.wait_for(lambda: match.settled, max(0.0, received_s + LAG_S - now_s))
            return match.msg if match.distance_ns <= tolerance_s * 1e9 else None
