"""Colours as people name them."""

import colorsys

import numpy as np
import pytest

from samwise_ros.data.colours import COLOUR_HSV, FRINGES_HSV, HsvBox, hsv_to_rgb, sample_colour


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


def overlap(box: HsvBox, other: HsvBox) -> bool:
    """Whether two boxes share more than their sides, on the circle of hues."""
    hues = any(
        max(box[0][0], low) < min(box[0][1], high)
        for turn in (-360, 0, 360)
        for low, high in [turn + np.array(other[0])]
    )
    return hues and all(max(a[0], b[0]) < min(a[1], b[1]) for a, b in zip(box[1:], other[1:], strict=True))


def test_no_fringe_reaches_into_another_colour_but_that_brick_is_red_and_brown():
    boxes = [(name, box) for name in COLOUR_HSV for box in (COLOUR_HSV[name], *FRINGES_HSV[name])]
    both = {(name, called) for name, box in boxes for called, other in boxes if called < name and overlap(box, other)}
    assert both == {("red", "brown")}


def test_what_people_call_so_as_well_is_a_sample_of_the_fringe():
    """A violet-blue bowl and a dark magenta cup are purple, wooden blocks of amber are yellow."""
    seen = {}
    for name in COLOUR_HSV:
        rng = np.random.default_rng(0)
        seen[name] = np.array([colorsys.rgb_to_hsv(*sample_colour(name, rng, fringe=True)) for _ in range(3000)])
    for name, hue, saturation, value in (
        ("purple", 251, 0.64, 0.56),
        ("purple", 317, 0.69, 0.36),
        ("yellow", 40, 0.56, 0.79),
    ):
        near = {one for one in seen if (np.abs(seen[one] - (hue / 360, saturation, value)).max(1) < 0.06).any()}
        assert near == {name}
