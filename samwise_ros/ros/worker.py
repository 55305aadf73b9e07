"""The thread that owns a camera's tracker: it takes the newest image and answers it. Used by `node`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from samwise_ros.ros.mailbox import Mailbox

T = TypeVar("T")


class Worker(Generic[T]):
    """Serves one item at a time, always the newest; an item that waits while a newer one comes is dropped.

    Args:
        serve: called in the worker's thread for each item that is not dropped; must not raise.
        name: of the thread.
    """

    def __init__(self, serve: Callable[[T], None], name: str) -> None:
        self._serve = serve
        self._mailbox: Mailbox[T] = Mailbox()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many items were never served."""
        return self._mailbox.dropped

    def put(self, item: T) -> None:
        """Leave an item for the thread; returns at once."""
        self._mailbox.put(item)

    def stop(self, timeout_s: float) -> bool:
        """End the thread after the item it is at.

        Args:
            timeout_s: how long to wait for that.

        Returns:
            Whether it has ended.
        """
        self._mailbox.close()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._mailbox.take()) is not None:
            self._serve(item)
