"""Colours as people name them. Called by `data.props`."""

from __future__ import annotations

import numpy as np

COLOUR_HSV: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
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


def sample_colour(name: str, rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw one RGB colour (0..1) that a person would call `name`, a key of COLOUR_HSV."""
    hue, saturation, value = (rng.uniform(*limits) for limits in COLOUR_HSV[name])
    return hsv_to_rgb(hue, saturation, value)


def hsv_to_rgb(hue_deg: float, saturation: float, value: float) -> tuple[float, float, float]:
    """Convert one colour; hue in degrees (any turn), the rest and the result in 0..1."""
    sector = (np.array([5.0, 3.0, 1.0]) + hue_deg / 60.0) % 6.0
    red, green, blue = value - value * saturation * np.clip(np.minimum(sector, 4.0 - sector), 0.0, 1.0)
    return float(red), float(green), float(blue)
