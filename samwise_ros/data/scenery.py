"""Backdrops of the synthetic world: a patterned ground, often a wall, and flat clutter.

`synthetic.World` paints one per scene and moves its camera over it.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from samwise_ros.data.shapes import COLOUR_HSV, Bytes, Floats, hsv_to_rgb, sample_colour

_PATTERNS = ("plain", "noise", "noise", "wood", "wood", "checks", "stripes", "tiles", "speckle")


def paint_backdrop(rng: np.random.Generator, height: int, width: int, horizon: float) -> Bytes:
    """Paint ground, wall and clutter.

    Args:
        rng: all choices come from it; how many are drawn does not depend on the size.
        height: rows of the picture.
        width: columns of the picture.
        horizon: row, as a share of the height, where the wall ends; 0 or less: no wall.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    across, down = columns / width - np.float32(0.5), rows / height
    away = np.float32(1.0) / (down - np.float32(horizon) + np.float32(0.35)).clip(0.05)
    turn = np.float32(rng.uniform(-0.6, 0.6))
    ground_u, ground_v = across * away * 2, away * np.float32(1.3)
    picture = _paint_surface(
        rng, ground_u * np.cos(turn) + ground_v * np.sin(turn), ground_v * np.cos(turn) - ground_u * np.sin(turn), 0.0
    )
    wall = _paint_surface(rng, across * 2, down * 2, 0.4)
    _hang_pictures(rng, wall, horizon)
    if horizon > 0:
        edge = np.clip((down - np.float32(horizon)) * height, 0, 1)[:, :, None]
        shade = 1 - np.float32(0.25) * np.exp(-np.abs(down - np.float32(horizon)) / np.float32(0.02))[:, :, None]
        picture = (picture * edge + wall * (1 - edge)) * shade
    _scatter_papers(rng, picture, max(horizon, 0.0))
    fall_x, fall_y = rng.uniform(-0.25, 0.25, 2).astype(np.float32)
    picture *= (1 + fall_x * across + fall_y * (down - np.float32(0.5)))[:, :, None]
    return np.clip(picture * 255, 0, 255).astype(np.uint8)


def _surface_colour(rng: np.random.Generator, greyness: float) -> npt.NDArray[np.float64]:
    """A colour for a large area: mostly muted, now and then that of an object."""
    vivid, name = rng.random(), str(rng.choice(tuple(COLOUR_HSV)))
    muted = hsv_to_rgb(rng.uniform(0, 360), rng.uniform(0, 0.45), rng.uniform(0.3, 0.92))
    wooden = hsv_to_rgb(rng.uniform(18, 40), rng.uniform(0.2, 0.6), rng.uniform(0.4, 0.85))
    strong = sample_colour(name, rng)
    if vivid < 0.14 * (1 - greyness):
        return np.array(strong) * 0.85
    return np.array(wooden if vivid > 0.7 else muted)


def _paint_surface(rng: np.random.Generator, u: Floats, v: Floats, greyness: float) -> Floats:
    """One patterned surface, (H, W, 3) in 0..1, over surface coordinates u and v."""
    pattern = str(rng.choice(_PATTERNS))
    first = _surface_colour(rng, greyness)
    second = first * rng.uniform(0.55, 0.95) if rng.random() < 0.75 else _surface_colour(rng, greyness)
    frequency, angle = np.float32(rng.uniform(2.5, 8)), np.float32(rng.uniform(0, np.pi))
    tile = rng.random((64, 64)).astype(np.float32)
    fine, coarse = _noise(tile, u * 9, v * 9), _noise(tile, u * 2 + 7, v * 2 + 3)
    along = u * np.cos(angle) + v * np.sin(angle)
    if pattern == "checks":
        mix = ((np.floor(u * frequency) + np.floor(v * frequency)) % 2).astype(np.float32)
    elif pattern == "stripes":
        mix = np.clip(np.sin(along * frequency * 5) * 4 + 0.5, 0, 1)
    elif pattern == "tiles":
        joint = np.minimum(np.abs(u * frequency % 1 - 0.5), np.abs(v * frequency % 1 - 0.5))
        mix = np.clip(1 - joint * 25, 0, 1)
    elif pattern == "wood":
        grain = _noise(tile, u * 1.5, v * 14)
        board = _noise(tile, np.floor(v * frequency / 2) * 3.7, np.zeros_like(v))
        mix = 0.5 * np.abs(np.sin((grain * 2 + coarse) * 6)) * grain + 0.6 * board
    elif pattern == "speckle":
        mix = (_noise(tile, u * 30, v * 30) > 0.66).astype(np.float32)
    elif pattern == "noise":
        mix = coarse
    else:
        mix = np.zeros_like(u)
    mix = np.clip(mix, 0, 1)[:, :, None].astype(np.float32)
    surface = first.astype(np.float32) * (1 - mix) + second.astype(np.float32) * mix
    return np.asarray(surface * (np.float32(0.88) + np.float32(0.16) * fine + np.float32(0.08) * coarse)[:, :, None])


def _noise(tile: Floats, u: Floats, v: Floats) -> Floats:
    """Smooth noise in 0..1 that repeats every 64 steps of u and v."""
    return np.asarray(cv2.remap(tile, u % 64, v % 64, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.float32)


def _dull(rng: np.random.Generator) -> tuple[float, float, float]:
    """A colour for clutter, too pale to be taken for an object's."""
    return hsv_to_rgb(rng.uniform(0, 360), rng.uniform(0, 0.3), rng.uniform(0.35, 0.9))


def _quad(picture: Floats, corners: npt.NDArray[np.float64], colour: tuple[float, float, float]) -> None:
    """Fill a four-cornered patch; corners as shares of width and height."""
    height, width = picture.shape[:2]
    points = np.rint(corners * [width, height] * 16).astype(np.int32)
    cv2.fillConvexPoly(picture, points, colour, cv2.LINE_8, shift=4)


def _hang_pictures(rng: np.random.Generator, wall: Floats, horizon: float) -> None:
    """Put up to three flat frames on the wall."""
    for _ in range(int(rng.integers(0, 4))):
        left, top = rng.uniform(0, 0.9), rng.uniform(-0.05, 0.2)
        wide, high = rng.uniform(0.08, 0.25), rng.uniform(0.08, 0.25)
        top = min(top, horizon - high)
        rim = np.array([[left, top], [left + wide, top], [left + wide, top + high], [left, top + high]])
        _quad(wall, rim, _dull(rng))
        centre = rim.mean(axis=0)
        _quad(wall, centre + (rim - centre) * 0.8, _dull(rng))


def _scatter_papers(rng: np.random.Generator, picture: Floats, horizon: float) -> None:
    """Lay up to four flat sheets or strips on the ground."""
    for _ in range(int(rng.integers(0, 5))):
        centre = np.array([rng.uniform(0, 1), rng.uniform(horizon + 0.1, 1)])
        angle, wide, high = rng.uniform(0, np.pi), rng.uniform(0.04, 0.16), rng.choice([0.01, 0.05, 0.1])
        axes = np.array([[np.cos(angle), 0.5 * np.sin(angle)], [-np.sin(angle), 0.5 * np.cos(angle)]])
        corners = np.array([[-wide, -high], [wide, -high], [wide, high], [-wide, high]]) @ axes + centre
        corners[:, 1] = np.maximum(corners[:, 1], horizon)
        _quad(picture, corners, _dull(rng))
