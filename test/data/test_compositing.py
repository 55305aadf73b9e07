"""Drawing into a picture: what is covered is owned, what is not stays."""

from __future__ import annotations

import cv2
import numpy as np

from samwise_ros.data.compositing import Sensor, draw_shadow, draw_sprite
from samwise_ros.data.shapes import Camera, Solid, Sprite, render_sprite

CAMERA = Camera(0.6, (0.3, 0.8, -0.52), 0.5)


def ball(rgb: tuple[float, float, float] = (0.9, 0.1, 0.1)) -> Sprite:
    """A plain ball, 40 pixels high."""
    return render_sprite(Solid("ball", (1.0, 1.0, 1.0), 0.0, rgb, 0.0, 0.0), CAMERA, 40.0)


def canvas() -> tuple[np.ndarray, np.ndarray]:
    """A grey picture and its empty picture of owners."""
    return np.full((100, 120, 3), 128, np.uint8), np.zeros((100, 120), np.uint8)


def test_sprite_changes_its_own_pixels_and_their_edge_only() -> None:
    rgb, instances = canvas()
    draw_sprite(rgb, instances, 3, ball(), np.array([60.0, 70.0]), 40.0)
    changed = (rgb != 128).any(axis=2)
    assert set(np.unique(instances)) == {0, 3}
    assert changed[instances == 3].all()
    assert not changed[cv2.dilate(instances, np.ones((5, 5), np.uint8)) == 0].any()


def test_ball_has_the_area_of_its_disc_at_any_scale() -> None:
    sprite = ball()
    for scale in (20.0, 40.0, 50.0):
        rgb, instances = canvas()
        draw_sprite(rgb, instances, 1, sprite, np.array([60.3, 70.7]), scale)
        disc = np.pi / 4 * scale**2
        assert abs(instances.sum() - disc) < 0.12 * disc
        assert abs(instances.sum() - (sprite.size * scale) ** 2) < 0.06 * disc


def test_later_sprite_owns_what_it_covers() -> None:
    rgb, instances = canvas()
    draw_sprite(rgb, instances, 1, ball(), np.array([55.0, 70.0]), 40.0)
    alone = instances == 1
    draw_sprite(rgb, instances, 2, ball((0.1, 0.1, 0.9)), np.array([70.0, 75.0]), 40.0)
    front = instances == 2
    assert np.array_equal(instances == 1, alone & ~front)
    covered = cv2.erode((alone & front).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert covered.sum() > 100
    assert (rgb[covered][:, 2] > rgb[covered][:, 0]).all()


def test_sprite_is_cut_at_the_edge_and_left_out_beyond() -> None:
    rgb, instances = canvas()
    draw_sprite(rgb, instances, 1, ball(), np.array([0.0, 70.0]), 40.0)
    assert 0.4 < instances.sum() / (np.pi * 20**2) < 0.6
    rgb, instances = canvas()
    draw_sprite(rgb, instances, 1, ball(), np.array([-100.0, 70.0]), 40.0)
    draw_shadow(rgb, ball(), CAMERA, np.array([-200.0, 70.0]), 40.0)
    assert (rgb == 128).all()
    assert not instances.any()


def test_shadow_darkens_the_ground_away_from_the_lamp() -> None:
    rgb, _ = canvas()
    draw_shadow(rgb, ball(), CAMERA, np.array([60.0, 60.0]), 30.0)
    assert (rgb <= 128).all()
    assert rgb[60, 60, 0] < 90
    assert rgb[:, :60].mean() < rgb[:, 60:].mean()


def test_sensor_keeps_shape_and_adds_fresh_grain() -> None:
    sensor = Sensor(np.random.default_rng(1), 1, 100, 120)
    rgb, _ = canvas()
    one, other = sensor.expose(rgb, 0), sensor.expose(rgb, 1)
    assert one.shape == rgb.shape
    assert one.dtype == np.uint8
    assert not np.array_equal(one, other)
    assert np.array_equal(one, sensor.expose(rgb, 0))
    assert abs(float(one.mean()) - 128) < 30
