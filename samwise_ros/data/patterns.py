"""What surfaces look like: a bank of patterns that tile, each a value between two colours. Called by `data.filming`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

SIDE_PX = 256
"""Side of a pattern, after which it repeats."""

VARIANTS = 4
"""How many of each kind there are."""

Floats = npt.NDArray[np.float32]


def _noise(rng: np.random.Generator, cells: tuple[int, int], octaves: int = 4) -> Floats:
    """Smooth noise that tiles, 0..1; `cells` are the coarsest octave's rows and columns."""
    total = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    for octave in range(octaves):
        rows, columns = (min(SIDE_PX, count << octave) for count in cells)
        grid = rng.random((rows, columns), np.float32)
        # Resized with its own neighbours around it, so that the edges meet.
        wide = cv2.resize(np.tile(grid, (3, 3)), (3 * SIDE_PX, 3 * SIDE_PX), interpolation=cv2.INTER_CUBIC)
        total += wide[SIDE_PX : 2 * SIDE_PX, SIDE_PX : 2 * SIDE_PX] * 0.5**octave
    return _stretch(total)


def _stretch(values: Floats) -> Floats:
    low, high = np.percentile(values, (2, 98))
    return np.asarray(np.clip((values - low) / max(high - low, 1e-6), 0, 1), np.float32)


def _plain(rng: np.random.Generator) -> Floats:
    return np.asarray(0.4 + 0.2 * _noise(rng, (4, 4)), np.float32)


def _wood(rng: np.random.Generator) -> Floats:
    bend = _noise(rng, (2, 3), 3)
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (rng.integers(6, 14) * np.linspace(0, 1, SIDE_PX)[:, None] + 1.5 * bend))
    return _stretch(rings.astype(np.float32) * 0.6 + _noise(rng, (64, 2), 3) * 0.6)


def _cloth(rng: np.random.Generator) -> Floats:
    threads = int(rng.choice([32, 64]))
    along = np.sin(2 * np.pi * threads * np.arange(SIDE_PX) / SIDE_PX)
    weave = np.maximum(along[:, None], along[None, :]).astype(np.float32)
    return _stretch(weave * 0.5 + _noise(rng, (8, 8)) * 0.7)


def _tiles(rng: np.random.Generator) -> Floats:
    count = int(rng.choice([2, 4, 8]))
    size = SIDE_PX // count
    shades = np.kron(rng.random((count, count), np.float32), np.ones((size, size), np.float32))
    place = np.arange(SIDE_PX) % size
    joint = (place < max(2, size // 24)).astype(np.float32)
    joints = np.maximum(joint[:, None], joint[None, :])
    return np.clip(0.25 + 0.35 * shades + 0.1 * _noise(rng, (8, 8)) + 0.6 * joints, 0, 1).astype(np.float32)


def _checks(rng: np.random.Generator) -> Floats:
    size = SIDE_PX // int(rng.choice([4, 8, 16]))
    squares = np.add.outer(np.arange(SIDE_PX) // size, np.arange(SIDE_PX) // size) % 2
    return (0.85 * squares + 0.15 * _noise(rng, (8, 8))).astype(np.float32)


def _gravel(rng: np.random.Generator) -> Floats:
    stones = _noise(rng, (24, 24), 2)
    return _stretch(np.abs(stones - 0.5) + 0.4 * _noise(rng, (48, 48), 2))


def _foliage(rng: np.random.Generator) -> Floats:
    leaves = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    for _ in range(400):
        centre = rng.integers(0, SIDE_PX, 2)
        axes, angle = (int(rng.integers(6, 18)), int(rng.integers(2, 7))), float(rng.uniform(0, 180))
        shade = float(rng.random())
        for shift in ((0, 0), (SIDE_PX, 0), (0, SIDE_PX), (-SIDE_PX, 0), (0, -SIDE_PX)):
            at = (int(centre[0]) + shift[0], int(centre[1]) + shift[1])
            cv2.ellipse(leaves, at, axes, angle, 0, 360, shade, -1, cv2.LINE_AA)
    return leaves


def _print(rng: np.random.Generator) -> Floats:
    page: Floats = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    row = int(rng.integers(4, 20))
    while row < SIDE_PX - 12:
        height = int(rng.choice([4, 5, 6, 14]))
        column = 10
        while column < SIDE_PX - 20:
            width = int(rng.integers(6, 40))
            if rng.random() < 0.85:
                page[row : row + height, column : min(column + width, SIDE_PX - 8)] = rng.uniform(0.6, 1.0)
            column += width + 5
        row += height + int(rng.integers(5, 12))
    return page


def _spots(rng: np.random.Generator) -> Floats:
    size = SIDE_PX // int(rng.choice([4, 8]))
    place = np.arange(SIDE_PX) % size - size / 2
    return np.asarray(np.hypot(place[:, None], place[None, :]) < size * 0.3, np.float32)


def _stripes(rng: np.random.Generator) -> Floats:
    count = int(rng.choice([4, 8, 12]))
    edge = np.sin(2 * np.pi * count * np.arange(SIDE_PX) / SIDE_PX)
    return np.broadcast_to((edge > 0).astype(np.float32)[:, None], (SIDE_PX, SIDE_PX)).copy()


_MAKERS: dict[str, Callable[[np.random.Generator], Floats]] = {
    "plain": _plain,
    "wood": _wood,
    "cloth": _cloth,
    "tiles": _tiles,
    "checks": _checks,
    "gravel": _gravel,
    "foliage": _foliage,
    "print": _print,
    "spots": _spots,
    "stripes": _stripes,
}

PATTERNS: tuple[str, ...] = tuple(name for name in _MAKERS for _ in range(VARIANTS))
"""The kind of each pattern of the bank."""


@cache
def pattern_bank(device: torch.device) -> Tensor:
    """All patterns, made once per process and device.

    Returns:
        (K, SIDE_PX, SIDE_PX) float32, 0..1; pattern k is a PATTERNS[k].
    """
    bank = [_MAKERS[name](np.random.default_rng([7, index])) for index, name in enumerate(PATTERNS)]
    return torch.from_numpy(np.stack(bank)).to(device)


def look_up(bank: Tensor, pattern: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Values of patterns at places, bilinearly.

    Args:
        bank: (K, S, S).
        pattern: (P,) int64.
        u: (P,) place along the columns, in pattern sides; any number, since patterns tile.
        v: (P,) along the rows.

    Returns:
        (P,) 0..1.
    """
    side = bank.shape[-1]
    x, y = (u - u.floor()) * side, (v - v.floor()) * side
    left, top = x.floor(), y.floor()
    across, down = x - left, y - top
    # A power of two: its last bits are the remainder.
    left_px, top_px = left.long() & (side - 1), top.long() & (side - 1)
    right_px, bottom_px = (left_px + 1) & (side - 1), (top_px + 1) & (side - 1)
    flat, start = bank.flatten(), pattern * (side * side)
    above, below = start + top_px * side, start + bottom_px * side
    above, below = (
        torch.lerp(flat.index_select(0, row + left_px), flat.index_select(0, row + right_px), across)
        for row in (above, below)
    )
    return torch.lerp(above, below, down)
