"""Solids: every kind has its own outline, every colour is what its name says."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

from samwise_ros.data.shapes import COLOUR_HSV, SOLIDS, Camera, Solid, Sprite, hsv_to_rgb, render_sprite, sample_colour

CAMERA = Camera(0.6, (0.3, 0.8, -0.52), 0.5)


def sprite_of(kind: str, proportions: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Sprite:
    """A plain solid at 40 pixels per unit."""
    return render_sprite(Solid(kind, proportions, 0.4, (0.8, 0.4, 0.2), 0.2, 0.0), CAMERA, 40.0)


@pytest.mark.parametrize("kind", SOLIDS)
def test_sprite_is_whole_and_stands_on_its_foot(kind: str) -> None:
    sprite = sprite_of(kind)
    alpha = sprite.rgba[:, :, 3]
    assert sprite.rgba.dtype == np.uint8
    assert (alpha == 255).sum() > 200
    assert (sprite.rgba[:, :, :3] <= alpha[:, :, None]).all()
    assert 0 < sprite.anchor_px[0] < alpha.shape[1]
    assert alpha.shape[0] / 2 < sprite.anchor_px[1] < alpha.shape[0]
    assert abs(sprite.size**2 - (alpha >= 128).sum() / 40**2) < 0.01
    assert abs(sprite.extent - max(alpha.shape) / 40) < 1e-9
    assert sprite.shadow.max() > 60
    assert max(sprite.shadow[[0, -1]].max(), sprite.shadow[:, [0, -1]].max()) < 12


def test_outlines_differ_between_kinds() -> None:
    outlines = {}
    for kind in SOLIDS:
        canvas = np.zeros((160, 160), bool)
        sprite = sprite_of(kind)
        top, left = round(100 - sprite.anchor_px[1]), round(80 - sprite.anchor_px[0])
        alpha = sprite.rgba[:, :, 3] >= 128
        canvas[top : top + alpha.shape[0], left : left + alpha.shape[1]] = alpha
        outlines[kind] = canvas
    for one in outlines:
        for other in outlines:
            overlap = (outlines[one] & outlines[other]).sum() / (outlines[one] | outlines[other]).sum()
            assert one == other or overlap < 0.85, (one, other)


def test_proportions_stretch_the_picture() -> None:
    plain, wide = sprite_of("ball"), sprite_of("ball", (1.2, 1.0, 1.2))
    assert wide.rgba.shape[1] > plain.rgba.shape[1] * 1.12


def test_the_side_towards_the_lamp_is_brighter() -> None:
    picture = sprite_of("ball").rgba[:, :, 0].astype(float)
    rows, columns = picture.shape
    assert picture[: rows // 2, columns // 2 :].mean() > picture[rows // 2 :, : columns // 2].mean() * 1.2


@pytest.mark.parametrize("name", COLOUR_HSV)
def test_sampled_colour_is_within_its_limits(name: str) -> None:
    (low, high), saturation, value = COLOUR_HSV[name]
    rng = np.random.default_rng(0)
    for _ in range(20):
        hue, seen_saturation, seen_value = colorsys.rgb_to_hsv(*sample_colour(name, rng))
        assert saturation[0] - 1e-6 <= seen_saturation <= saturation[1] + 1e-6
        assert value[0] - 1e-6 <= seen_value <= value[1] + 1e-6
        if seen_saturation > 0.01:
            assert abs((hue * 360 - (low + high) / 2 + 180) % 360 - 180) <= (high - low) / 2 + 1e-3


def test_colour_names_do_not_overlap() -> None:
    names = list(COLOUR_HSV)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            boxes = list(zip(COLOUR_HSV[one], COLOUR_HSV[other], strict=True))
            greyish = COLOUR_HSV[one][1][1] <= 0.2 or COLOUR_HSV[other][1][1] <= 0.2
            gaps = [max(a[0], b[0]) - min(a[1], b[1]) for a, b in boxes]
            assert max(gaps[1:] if greyish else gaps) > 0, (one, other)


def test_hsv_to_rgb_knows_the_primaries() -> None:
    assert hsv_to_rgb(0, 1, 1) == pytest.approx((1, 0, 0))
    assert hsv_to_rgb(-240, 1, 0.5) == pytest.approx((0, 0.5, 0))
    assert hsv_to_rgb(240, 0.5, 1) == pytest.approx((0.5, 0.5, 1))
