"""Names the parts of a step, so that whoever wants to can time them. Used by `engine`, `model`, `evaluation.speed`.

    with stage("decode"):
        ...

costs less than a microsecond where nobody listens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TypeAlias

Clock: TypeAlias = Callable[[str], AbstractContextManager[None]]
"""Called with a part's name, gives what surrounds that part."""

_clock: ContextVar[Clock | None] = ContextVar("clock", default=None)


def stage(name: str) -> AbstractContextManager[None]:
    """What surrounds the part of a step that has this name."""
    clock = _clock.get()
    return nullcontext() if clock is None else clock(name)


@contextmanager
def timed_by(clock: Clock) -> Iterator[None]:
    """Let a clock surround each part of the steps that are run inside, in this thread."""
    token = _clock.set(clock)
    try:
        yield
    finally:
        _clock.reset(token)
