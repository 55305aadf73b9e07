"""Keeping the memory of a frame's tensors for the next frame, on a CPU.

`model.build` asks for it; what makes large tensors makes them in parts that are small enough.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import torch
from torch import Tensor

KEPT_BYTES = 1 << 28
"""At most so much freed memory is kept."""

LARGEST_KEPT_BYTES = 1 << 25
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
    return bool(mallopt(_TRIM_THRESHOLD, KEPT_BYTES) and mallopt(_MMAP_THRESHOLD, LARGEST_KEPT_BYTES))


def in_strips(compute: Callable[[Tensor], Tensor], x: Tensor, dim: int, step: int, widest_bytes: int) -> Tensor:
    """Compute something of a map, on a CPU a strip of rows at a time, so that the memory in between is kept.

    The same numbers as at once, where nothing is learnt; a tenth faster for an image of 1024 px (docs/log.md).

    Args:
        compute: makes (…, rows', …) of (…, rows, …), and of a strip of `step` rows what it makes of it in the whole.
        x: the map.
        dim: of its rows.
        step: rows that belong together.
        widest_bytes: size of the largest tensor that `compute` makes of all of `x`.

    Returns:
        `compute(x)`.
    """
    if x.device.type != "cpu" or torch.is_grad_enabled():
        return compute(x)
    strips = -(-2 * widest_bytes // LARGEST_KEPT_BYTES)  # half, since the last row may reach beyond
    rows = step * -(-x.shape[dim] // (step * max(1, strips)))
    if rows >= x.shape[dim]:
        return compute(x)
    return torch.cat([compute(strip) for strip in x.split(rows, dim)], dim)
