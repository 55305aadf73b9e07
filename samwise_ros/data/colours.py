"""Colours as people name them. Called by `data.staging`."""

from __future__ import annotations

import numpy as np

COLOUR_HSV: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((-9, 7), (0.68, 0.95), (0.55, 0.95)),
    "orange": ((19, 32), (0.78, 1.0), (0.85, 1.0)),
    "yellow": ((46, 59), (0.62, 0.96), (0.82, 1.0)),
    "green": ((88, 155), (0.42, 0.9), (0.35, 0.8)),
    "blue": ((203, 236), (0.55, 0.95), (0.42, 0.95)),
    "purple": ((266, 292), (0.42, 0.8), (0.42, 0.75)),
    "pink": ((322, 346), (0.3, 0.6), (0.88, 1.0)),
    "brown": ((15, 28), (0.5, 0.78), (0.26, 0.44)),
    "white": ((30, 60), (0.0, 0.06), (0.88, 1.0)),
    "black": ((200, 260), (0.0, 0.2), (0.04, 0.13)),
    "grey": ((190, 230), (0.0, 0.07), (0.38, 0.58)),
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
