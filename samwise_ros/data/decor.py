"""What a room has that nobody means: painted tables and walls, mats, posters, sleeves, clutter. Called by `staging`.

Real rooms have patches of every colour that a thing may have, and what is called "the blue cup" is none of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from samwise_ros.data.colours import hsv_to_rgb, sample_colour
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

SPREAD_M = 0.2
"""Patches on a table lie about its middle, as the things do, with this standard deviation."""

ABOVE_M = 1e-3
"""So far patches lie above what they lie on."""

CLUTTER_SIDE_PX = 512
"""Side of a picture of clutter, a power of two as `patterns.look_up` wants it."""

MOST_CLUTTER_PAINTS = 3
"""So many colours that things have are in it at most, the others are pale, dark or dull."""

PAINTED_SHARE = 0.25
"""Share of its shapes that have them, where there are any."""

CLUTTER_SHAPES, CLUTTER_RADIUS_PX = (100, 400), (4, 110)
"""Ranges of how many shapes there are and of how large they are, each octave as often as any other."""


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
    if where < 0.5:
        room = [max(0.0, side - math.hypot(*half)) for side in table_half_m]
        x, y = np.clip(rng.normal(0, SPREAD_M, 2), np.negative(room), room)
        return _lay(rng, paint, (x, y, ABOVE_M), half, (0, 1, 0))
    x = rng.uniform(-1, 1)
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


def choose_clutter(rng: np.random.Generator) -> tuple[list[Paint], npt.NDArray[np.float32]]:
    """Paint a picture of many flat shapes, one on the other, each with a shade: what stands about in a room, unnamed.

    Returns:
        The colours in it that things have, and the picture, (CLUTTER_SIDE_PX, CLUTTER_SIDE_PX, 3) in linear light.
    """
    paints = [choose_paint(rng) for _ in range(int(rng.integers(MOST_CLUTTER_PAINTS + 1)))]
    picture = np.empty((CLUTTER_SIDE_PX, CLUTTER_SIDE_PX, 3), np.float32)
    picture[:] = _dull(rng)
    least, most = np.log(CLUTTER_RADIUS_PX)
    for radius in np.exp(rng.uniform(least, most, int(rng.integers(*CLUTTER_SHAPES)))):
        if paints and rng.random() < PAINTED_SHARE:
            paint = paints[int(rng.integers(len(paints)))]
            colour = paint.first + rng.random() * (paint.second - paint.first)
        else:
            colour = _dull(rng)
        _draw_shape(picture, _choose_outline(rng, radius), colour, rng)
    return paints, picture


def _dull(rng: np.random.Generator) -> Floats:
    """Linear light of a colour by which nobody would call a thing, unless it is white, black, grey or brown."""
    return to_linear(np.array(hsv_to_rgb(rng.uniform(0, 360), rng.uniform(0, 0.3), rng.uniform(0.05, 0.95))))


def _choose_outline(rng: np.random.Generator, radius_px: float) -> Floats:
    """Corners (P, 2), in pixels, of a convex shape somewhere in the picture, or partly outside."""
    corners = int(rng.choice((4, 4, 4, 3, 5, 24)))
    turn = rng.normal(0, 0.12) if corners == 4 and rng.random() < 0.7 else rng.uniform(0, 2 * math.pi)
    angle = 2 * math.pi * (np.arange(corners) + 0.5) / corners
    stretch = np.exp(0.5 * rng.normal(0, 0.8))
    x, y = radius_px * stretch * np.cos(angle), radius_px / stretch * np.sin(angle)
    middle = rng.uniform(0, CLUTTER_SIDE_PX, 2)
    turned = math.cos(turn) * x - math.sin(turn) * y, math.sin(turn) * x + math.cos(turn) * y
    return np.asarray(middle + np.stack(turned, 1))


def _draw_shape(picture: npt.NDArray[np.float32], outline: Floats, colour: Floats, rng: np.random.Generator) -> None:
    """Fill an outline with a colour (3,) that is darker towards one side."""
    low = np.clip(np.floor(outline.min(0)).astype(int), 0, CLUTTER_SIDE_PX)
    high = np.clip(np.ceil(outline.max(0)).astype(int) + 1, 0, CLUTTER_SIDE_PX)
    width, height = high - low
    if not (width and height):
        return
    covered = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(covered, np.round(outline - low).astype(np.int32), 255, cv2.LINE_AA)
    slope = rng.uniform(-0.4, 0.4, 2)
    shade = 1 + np.add.outer(np.linspace(-slope[0], slope[0], height), np.linspace(-slope[1], slope[1], width))
    part = picture[low[1] : high[1], low[0] : high[0]]
    share = (covered / np.float32(255))[..., None]
    part += share * (np.clip(shade[..., None] * colour, 0, 1).astype(np.float32) - part)
