"""Colours as people name them. Called by `data.props`, `data.decor` and `data.vocabulary`."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

HsvBox: TypeAlias = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

COLOUR_HSV: dict[str, HsvBox] = {
    "red": ((-12, 10), (0.6, 1.0), (0.45, 0.98)),
    "orange": ((20, 36), (0.68, 1.0), (0.8, 1.0)),
    "yellow": ((46, 63), (0.5, 1.0), (0.72, 1.0)),
    "green": ((78, 168), (0.22, 1.0), (0.28, 0.95)),
    "blue": ((196, 246), (0.4, 1.0), (0.3, 1.0)),
    "purple": ((260, 294), (0.32, 0.9), (0.32, 0.85)),
    "pink": ((316, 346), (0.28, 0.8), (0.75, 1.0)),
    "brown": ((17, 30), (0.45, 0.78), (0.22, 0.44)),
    "white": ((30, 60), (0.0, 0.08), (0.84, 1.0)),
    "black": ((200, 260), (0.0, 0.25), (0.02, 0.14)),
    "grey": ((190, 230), (0.0, 0.09), (0.34, 0.62)),
}
"""Per colour name: hue in degrees, saturation and value in 0..1, each as (lowest, highest)."""

FRINGES_HSV: dict[str, tuple[HsvBox, ...]] = {
    "red": (((-14, 12), (0.5, 1.0), (0.3, 0.98)), ((10, 15), (0.55, 0.85), (0.4, 0.65))),
    "orange": (((13, 20), (0.68, 1.0), (0.76, 1.0)),),
    "yellow": (
        ((36, 46), (0.42, 0.66), (0.7, 0.95)),
        ((39, 46), (0.66, 1.0), (0.66, 1.0)),
        ((46, 64), (0.4, 1.0), (0.45, 0.72)),
    ),
    "green": (((68, 78), (0.4, 1.0), (0.35, 0.9)), ((160, 174), (0.5, 1.0), (0.2, 0.6))),
    "blue": (((186, 196), (0.55, 1.0), (0.3, 0.7)), ((196, 246), (0.25, 0.4), (0.45, 0.9))),
    "purple": (((248, 262), (0.4, 0.72), (0.32, 0.75)), ((294, 322), (0.35, 0.85), (0.24, 0.62))),
    "pink": (
        ((346, 360), (0.2, 0.45), (0.72, 1.0)),
        ((300, 316), (0.3, 0.75), (0.78, 1.0)),
        ((316, 346), (0.3, 0.8), (0.64, 0.76)),
    ),
    "brown": (((14, 34), (0.38, 0.8), (0.17, 0.46)), ((25, 36), (0.3, 0.42), (0.46, 0.62))),
    "white": (((0, 360), (0.0, 0.08), (0.76, 1.0)),),
    "black": (((0, 360), (0.0, 0.3), (0.02, 0.2)),),
    "grey": (((0, 360), (0.0, 0.11), (0.27, 0.66)),),
}
"""What people call so as well, but would not choose as an example of it: a violet blue or dark magenta is purple, and
amber yellow."""


def sample_colour(name: str, rng: np.random.Generator, *, fringe: bool = False) -> tuple[float, float, float]:
    """Draw one RGB colour (0..1) that a person would call `name`, a key of COLOUR_HSV; `fringe`: of FRINGES_HSV."""
    box = FRINGES_HSV[name][int(rng.integers(len(FRINGES_HSV[name])))] if fringe else COLOUR_HSV[name]
    hue, saturation, value = (rng.uniform(*limits) for limits in box)
    return hsv_to_rgb(hue, saturation, value)


def hsv_to_rgb(hue_deg: float, saturation: float, value: float) -> tuple[float, float, float]:
    """Convert one colour; hue in degrees (any turn), the rest and the result in 0..1."""
    sector = (np.array([5.0, 3.0, 1.0]) + hue_deg / 60.0) % 6.0
    red, green, blue = value - value * saturation * np.clip(np.minimum(sector, 4.0 - sector), 0.0, 1.0)
    return float(red), float(green), float(blue)
