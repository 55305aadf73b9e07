"""Ctrl-C and SIGTERM, noted so that a training can end its step and save. Called by `training.loop`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Notes the signals that ask the process to end, while it is entered; SIGQUIT still ends it at once.

    `torchrun` sends a signal to processes that have it already, so a second one means no more than the first.

    Attributes:
        came: whether one came.
    """

    def __init__(self) -> None:
        self.came = False
        self._raises = False
        self._before: list[Any] = []

    def __enter__(self) -> Interrupts:
        self._before = [signal.signal(number, self._note) for number in SIGNALS]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in zip(SIGNALS, self._before, strict=True):
            signal.signal(number, handler)

    @contextmanager
    def breaking_off(self) -> Iterator[None]:
        """What nothing is lost of, and may take hours: a signal that came, or comes in it, raises KeyboardInterrupt."""
        self._raises = True
        try:
            if self.came:
                raise KeyboardInterrupt
            yield
        finally:
            self._raises = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        if self._raises:
            self._raises = False
            raise KeyboardInterrupt


def ignore_interrupt(worker: int) -> None:
    """Let a data-loader worker outlive Ctrl-C, and a SIGTERM to the process group, as `torchrun` and `timeout` send it.

    The training process still wants its samples to end a step. SIGTERM to the worker itself ends it, which is how the
    training process gets rid of it.

    Args:
        worker: its number, as a data loader calls its `worker_init_fn`.
    """
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
