"""Colours as people name them."""

import colorsys

import numpy as np
import pytest

from samwise_ros.data.colours import COLOUR_HSV, hsv_to_rgb, sample_colour


@pytest.mark.parametrize("hue", [-30.0, 0.0, 75.0, 200.0, 359.0, 420.0])
def test_hsv_is_the_usual_one(hue: float):
    assert hsv_to_rgb(hue, 0.6, 0.8) == pytest.approx(colorsys.hsv_to_rgb(hue / 360 % 1, 0.6, 0.8))


@pytest.mark.parametrize("name", COLOUR_HSV)
def test_samples_are_of_the_colour_and_vary(name: str):
    rng = np.random.default_rng(0)
    colours = np.array([sample_colour(name, rng) for _ in range(50)])
    assert ((colours >= 0) & (colours <= 1)).all()
    values = [colorsys.rgb_to_hsv(*colour)[2] for colour in colours]
    low, high = COLOUR_HSV[name][2]
    assert low - 1e-9 <= min(values) < max(values) <= high + 1e-9
    assert np.ptp(values) > 0.5 * (high - low)
