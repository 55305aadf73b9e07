"""Hands the newest camera image from the callback that receives it to the thread that works on it. Used by `worker`."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Room for one item: a new one replaces the one that still waits."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._item: T | None = None
        self._dropped = 0
        self._closed = False

    @property
    def dropped(self) -> int:
        """How many items were never taken: replaced by a newer one, or left over when the mailbox closed."""
        return self._dropped

    def put(self, item: T) -> None:
        """Leave an item; returns at once. After `close` it is dropped."""
        with self._condition:
            if self._closed or self._item is not None:
                self._dropped += 1
            if not self._closed:
                self._item = item
                self._condition.notify()

    def take(self) -> T | None:
        """Wait for an item and take it; None once the mailbox is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._item is not None)
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Let every `take` return None from now on. Closing twice does no harm."""
        with self._condition:
            if self._item is not None:
                self._dropped += 1
            self._item = None
            self._closed = True
            self._condition.notify_all()
