"""Keeping the memory of a frame's tensors for the next frame, on a CPU. Called by `model.build`."""

from __future__ import annotations

import ctypes

KEPT_BYTES = 1 << 28
"""At most so much freed memory is kept."""

_LARGEST_KEPT_BYTES = 1 << 25
"""Larger tensors go back to the kernel at once; glibc takes no larger number."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of options in glibc's `malloc.h`."""


def keep_freed_memory() -> bool:
    """Let glibc keep what it is given back.

    By default it returns a large tensor's memory to the kernel, which clears every page of the next one: 2200 page
    faults per frame of `compact`, a tenth of its time (docs/log.md).

    Returns:
        Whether this is glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_TRIM_THRESHOLD, KEPT_BYTES) and mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES))
