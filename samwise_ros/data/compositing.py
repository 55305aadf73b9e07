"""Puts sprites and their shadows into a picture, and turns the picture into a camera's. Called by `synthetic.World`."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from samwise_ros.data.shapes import SHADOW_REACH, Bytes, Camera, Sprite

_GRAIN_SHIFT_PX = 61


def draw_shadow(rgb: Bytes, sprite: Sprite, camera: Camera, foot_px: npt.NDArray[np.float64], scale: float) -> None:
    """Darken the ground around one object, in place.

    Args:
        rgb: (H, W, 3) picture to darken.
        sprite: the object's picture.
        camera: how the scene is seen.
        foot_px: where the object stands, (x, y).
        scale: pixels per unit.
    """
    flat = float(np.sin(camera.pitch_rad))
    reach_x, reach_y = SHADOW_REACH * scale, SHADOW_REACH * scale * flat
    box = _clip_box(rgb, foot_px[0] - reach_x, foot_px[1] - reach_y, foot_px[0] + reach_x, foot_px[1] + reach_y)
    if box is None:
        return
    left, top, right, bottom = box
    cells = len(sprite.shadow)
    middle, cell_px = (cells - 1) / 2, 2 * reach_x / cells
    place = _placement(cell_px, cell_px * flat, (middle, middle), (foot_px[0] - left, foot_px[1] - top))
    dark = cv2.warpAffine(sprite.shadow, place, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    patch = rgb[top:bottom, left:right]
    patch[:] = cv2.multiply(patch, cv2.merge([255 - dark] * 3), scale=1 / 255)


def draw_sprite(
    rgb: Bytes, instances: Bytes, index: int, sprite: Sprite, foot_px: npt.NDArray[np.float64], scale: float
) -> None:
    """Draw one object over what is there already, in place.

    Args:
        rgb: (H, W, 3) picture; edges are blended.
        instances: (H, W) picture of owners: pixels that the object covers at least by half become its own.
        index: the object's value in `instances`.
        sprite: its picture.
        foot_px: where it stands, (x, y).
        scale: pixels per unit.
    """
    zoom = scale / sprite.px_per_unit
    left_px, top_px = foot_px - np.array(sprite.anchor_px) * zoom
    rows, columns = sprite.rgba.shape[:2]
    box = _clip_box(rgb, left_px - 1, top_px - 1, left_px + columns * zoom + 1, top_px + rows * zoom + 1)
    if box is None:
        return
    left, top, right, bottom = box
    place = _placement(zoom, zoom, sprite.anchor_px, (foot_px[0] - left, foot_px[1] - top))
    layer = cv2.warpAffine(sprite.rgba, place, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    alpha = layer[:, :, 3]
    patch = rgb[top:bottom, left:right]
    behind = cv2.multiply(patch, cv2.merge([255 - alpha] * 3), scale=1 / 255)
    patch[:] = cv2.add(behind, np.ascontiguousarray(layer[:, :, :3]))
    instances[top:bottom, left:right][alpha >= 128] = index


class Sensor:
    """A camera's exposure, white balance, flicker, blur and grain, chosen once per scene.

    Args:
        rng: all choices but the grain come from it.
        seed: of the grain.
        height: rows of the picture.
        width: columns of the picture.
    """

    def __init__(self, rng: np.random.Generator, seed: int, height: int, width: int) -> None:
        self._seed, self._height, self._width = seed, height, width
        self._blur_px = float(rng.uniform(0.0015, 0.0035)) * min(height, width) * (rng.random() < 0.35)
        gain = rng.uniform(0.88, 1.06) * (1 + rng.uniform(-0.05, 0.05, 3))
        self._tone = (np.arange(256)[:, None] / 255.0) ** rng.uniform(0.9, 1.1) * gain * 255
        self._flicker = float(rng.uniform(0, 0.015))
        strength = np.float32(rng.uniform(0.5, 5.0))
        shape = (height + _GRAIN_SHIFT_PX, width + _GRAIN_SHIFT_PX, 3)
        grain = np.random.default_rng([seed, 1]).standard_normal(shape, np.float32)
        self._grain = np.rint(grain * strength).astype(np.int16)

    def expose(self, rgb: Bytes, t: int) -> Bytes:
        """Return the picture (H, W, 3) uint8 as the camera gives it in frame `t`."""
        if self._blur_px > 0.2:
            rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), self._blur_px), np.uint8)
        tone = np.clip(self._tone * (1 + self._flicker * np.sin(t * 0.7)), 0, 255).astype(np.uint8)
        top, left = np.random.default_rng([self._seed, 3, t]).integers(0, _GRAIN_SHIFT_PX, 2)
        grain = self._grain[top : top + self._height, left : left + self._width]
        return np.asarray(cv2.add(cv2.LUT(rgb, tone[None]), grain, dtype=cv2.CV_8U), np.uint8)


def _clip_box(rgb: Bytes, left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int] | None:
    """Whole pixels of a box that lie in the picture, half-open; None where there are none."""
    height, width = rgb.shape[:2]
    box = (max(int(left), 0), max(int(top), 0), min(int(right) + 1, width), min(int(bottom) + 1, height))
    return box if box[0] < box[2] and box[1] < box[3] else None


def _placement(
    zoom_x: float, zoom_y: float, source: tuple[float, float], target: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Affine map (2, 3) that scales and takes point `source` to point `target`."""
    return np.array([[zoom_x, 0, target[0] - zoom_x * source[0]], [0, zoom_y, target[1] - zoom_y * source[1]]])
