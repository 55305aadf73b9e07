"""What a room has that nobody means: painted tables and walls, mats, posters, sleeves. Called by `data.staging`.

Real rooms have patches of every colour that a thing may have, and what is called "the blue cup" is none of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from samwise_ros.data.colours import sample_colour
from samwise_ros.data.props import to_linear
from samwise_ros.data.tracks import Floats

PAINTS = ("red", "orange", "yellow", "green", "blue", "purple", "pink")
"""Colours that are rare enough in rooms to single out a thing."""

MOST_PATCHES = 4
PATCH_HALF_M = (0.02, 0.22)
"""Range of a patch's half extents on the table; those on floors and walls are so many times as large:"""
FAR_SCALE = 1.8

THIN, THIN_HALF_M = 0.25, (0.004, 0.012)
"""Share of the patches that are strips, cables' say, and the range of their half widths."""

ABOVE_M = 1e-3
"""So far patches lie above what they lie on."""


@dataclass(frozen=True, slots=True)
class Paint:
    """A colour that has a name, and its two shades in linear light, (3,) each."""

    name: str
    first: Floats
    second: Floats


@dataclass(frozen=True, slots=True)
class Patch:
    """A painted rectangle: its middle (3,), unit vectors along its edges (3,), and half extents (2,), in metres.

    It faces across x along.
    """

    paint: Paint
    place: Floats
    across: Floats
    along: Floats
    half_m: Floats


def choose_paint(rng: np.random.Generator) -> Paint:
    """One of the colours that things have, a good example of its name or not."""
    name = str(rng.choice(PAINTS))
    colour = np.array(sample_colour(name, rng, fringe=rng.random() < 0.5))
    return Paint(name, to_linear(colour), to_linear(colour * rng.uniform(0.7, 1.05)))


def choose_patches(
    rng: np.random.Generator, table_half_m: tuple[float, float], floor_m: float, back_m: float
) -> list[Patch]:
    """None to MOST_PATCHES rectangles, half of them on the table, the others on the floor and the wall behind it.

    Args:
        rng: chooses.
        table_half_m: the table's half extents; infinite where things stand on the floor.
        floor_m: where the floor beneath a table is, along z.
        back_m: where the wall is, along y.
    """
    floor_m = 0.0 if math.isinf(table_half_m[0]) else floor_m
    return [_choose_patch(rng, table_half_m, floor_m, back_m) for _ in range(int(rng.integers(MOST_PATCHES + 1)))]


def _choose_patch(rng: np.random.Generator, table_half_m: tuple[float, float], floor_m: float, back_m: float) -> Patch:
    paint, where = choose_paint(rng), rng.random()
    least, most = np.log(PATCH_HALF_M)
    half = np.exp(rng.uniform(least, most, 2))
    if rng.random() < THIN:
        half[1] = rng.uniform(*THIN_HALF_M)
    x, y = rng.uniform(-1, 1, 2)
    if where < 0.5:
        room = [max(0.0, min(side, 0.7) - math.hypot(*half)) for side in table_half_m]
        return _lay(rng, paint, (x * room[0], y * room[1], ABOVE_M), half, (0, 1, 0))
    if where < 0.7:
        return _lay(rng, paint, (1.5 * x, rng.uniform(0.3, back_m), floor_m + ABOVE_M), FAR_SCALE * half, (0, 1, 0))
    return _lay(rng, paint, (x, back_m - ABOVE_M, rng.uniform(floor_m, 0.8)), FAR_SCALE * half, (0, 0, 1))


def _lay(
    rng: np.random.Generator, paint: Paint, place: tuple[float, float, float], half_m: Floats, up: tuple[int, int, int]
) -> Patch:
    """Turn a rectangle by any angle in the plane of x and `up`."""
    angle = rng.uniform(-math.pi, math.pi)
    right, ahead = np.array((1.0, 0.0, 0.0)), np.array(up, np.float64)
    across = math.cos(angle) * right + math.sin(angle) * ahead
    along = math.cos(angle) * ahead - math.sin(angle) * right
    return Patch(paint, np.array(place), across, along, half_m)
