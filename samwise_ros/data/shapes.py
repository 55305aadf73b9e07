"""Solids of the synthetic world: their outlines, colours and pictures.

Each kind of object is a signed distance function. `render_sprite` traces it once per scene, seen from the scene's
camera and lit by its lamp; `synthetic.World` then only moves and scales the picture. World axes: x right, y up,
z away from the camera; an object stands on y = 0 at the origin and is about one unit high.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Bytes = npt.NDArray[np.uint8]
Distance = Callable[[Floats, Floats, Floats], Floats]

COLOUR_HSV: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((-6, 5), (0.8, 0.95), (0.65, 0.92)),
    "orange": ((21, 30), (0.88, 1.0), (0.92, 1.0)),
    "yellow": ((48, 57), (0.78, 0.95), (0.9, 1.0)),
    "green": ((100, 150), (0.6, 0.9), (0.42, 0.75)),
    "blue": ((208, 230), (0.7, 0.95), (0.55, 0.92)),
    "purple": ((268, 288), (0.5, 0.8), (0.48, 0.72)),
    "pink": ((325, 343), (0.38, 0.58), (0.93, 1.0)),
    "brown": ((17, 27), (0.6, 0.78), (0.3, 0.42)),
    "white": ((30, 60), (0.0, 0.05), (0.93, 1.0)),
    "black": ((200, 260), (0.0, 0.2), (0.06, 0.12)),
    "grey": ((190, 230), (0.0, 0.07), (0.42, 0.54)),
}
"""Per colour name: hue in degrees, saturation and value in 0..1, each as (lowest, highest)."""

SHADOW_REACH = 1.8
"""Half the side of a shadow map, in object units."""

_SHADOW_PX = 48
_TOUCH = 4e-4
_WINDOW_X = (-0.95, 0.95)
_WINDOW_Y = (-0.55, 1.45)


@dataclass(frozen=True, slots=True)
class Camera:
    """How a scene is seen and lit.

    Attributes:
        pitch_rad: how far the camera looks down, above 0 (level) and below pi / 2 (straight down).
        light: unit vector from the object to the lamp.
        ambient: 0..1, share of the light that comes from everywhere.
    """

    pitch_rad: float
    light: tuple[float, float, float]
    ambient: float


@dataclass(frozen=True, slots=True)
class Solid:
    """One object's form and surface.

    Attributes:
        kind: a key of `SOLIDS`.
        proportions: factors of width, height and depth.
        yaw_rad: turn about the vertical axis.
        rgb: surface colour, 0..1.
        gloss: 0..1, strength of the highlight.
        band: 0..1, how clearly a belt of another shade of its colour runs around the object.
    """

    kind: str
    proportions: tuple[float, float, float]
    yaw_rad: float
    rgb: tuple[float, float, float]
    gloss: float
    band: float


@dataclass(frozen=True, slots=True)
class Sprite:
    """The picture of one solid.

    Attributes:
        rgba: (h, w, 4) uint8, colour premultiplied by alpha.
        anchor_px: where the object's foot (its origin) lies in `rgba`, (x, y).
        px_per_unit: resolution of `rgba`.
        shadow: (n, n) uint8 map of the ground around the foot, 0 lit to 255 dark, SHADOW_REACH units to each side.
        centre: the silhouette's centre of mass, in units right of and above the foot.
        size: square root of the silhouette's area, in units.
        extent: larger side of the silhouette's box, in units.
    """

    rgba: Bytes
    anchor_px: tuple[float, float]
    px_per_unit: float
    shadow: Bytes
    centre: tuple[float, float]
    size: float
    extent: float


def sample_colour(name: str, rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw one RGB colour (0..1) that a person would call `name`, a key of COLOUR_HSV."""
    hue, saturation, value = (rng.uniform(*limits) for limits in COLOUR_HSV[name])
    return hsv_to_rgb(hue, saturation, value)


def hsv_to_rgb(hue_deg: float, saturation: float, value: float) -> tuple[float, float, float]:
    """Convert one colour; hue in degrees (any turn), the rest and the result in 0..1."""
    sector = (np.array([5.0, 3.0, 1.0]) + hue_deg / 60.0) % 6.0
    red, green, blue = value - value * saturation * np.clip(np.minimum(sector, 4.0 - sector), 0.0, 1.0)
    return float(red), float(green), float(blue)


def _drum(radius: Floats, y: Floats, low: float, high: float, width: float) -> Floats:
    """Distance to an upright cylinder from `low` to `high`."""
    side = radius - width
    lid = np.abs(y - (low + high) / 2) - (high - low) / 2
    return np.asarray(np.minimum(np.maximum(side, lid), 0) + np.hypot(np.maximum(side, 0), np.maximum(lid, 0)))


def _ball(x: Floats, y: Floats, z: Floats) -> Floats:
    return np.asarray(np.sqrt(x * x + (y - 0.5) ** 2 + z * z) - 0.5)


def _block(x: Floats, y: Floats, z: Floats) -> Floats:
    dx, dy, dz = np.abs(x) - 0.38, np.abs(y - 0.42) - 0.38, np.abs(z) - 0.38
    outside = np.sqrt(np.maximum(dx, 0) ** 2 + np.maximum(dy, 0) ** 2 + np.maximum(dz, 0) ** 2)
    return np.asarray(outside + np.minimum(np.maximum(np.maximum(dx, dy), dz), 0) - 0.04)


def _cylinder(x: Floats, y: Floats, z: Floats) -> Floats:
    return _drum(np.hypot(x, z), y, 0.03, 0.97, 0.31) - np.float32(0.03)


def _cup(x: Floats, y: Floats, z: Floats) -> Floats:
    radius = np.hypot(x, z)
    wall = np.maximum(_drum(radius, y, 0.02, 0.78, 0.35), -_drum(radius, y, 0.1, 1.2, 0.29)) - 0.02
    handle = np.hypot(np.hypot(x - 0.4, y - 0.42) - 0.21, z) - 0.06
    return np.asarray(np.minimum(wall, np.maximum(handle, 0.32 - radius)))


def _cone(x: Floats, y: Floats, z: Floats) -> Floats:
    slope = np.hypot(x, z) - 0.47 * (1.08 - y) / 1.08
    return np.asarray(np.maximum(slope * 0.917, np.maximum(-y, y - 1.04)))


def _bottle(x: Floats, y: Floats, z: Floats) -> Floats:
    radius = np.hypot(x, z)
    body = _drum(radius, y, 0.05, 0.62, 0.2) - 0.05
    neck = _drum(radius, y, 0.5, 1.2, 0.08) - 0.015
    blend = np.clip(0.5 + (neck - body) / 0.3, 0, 1)
    return np.asarray(neck + (body - neck) * blend - 0.15 * blend * (1 - blend))


def _ring(x: Floats, y: Floats, z: Floats) -> Floats:
    return np.asarray(np.hypot(np.hypot(x, z) - 0.4, y - 0.15) - 0.15)


def _bowl(x: Floats, y: Floats, z: Floats) -> Floats:
    shell = np.abs(np.sqrt(x * x + (y - 0.54) ** 2 + z * z) - 0.56) - 0.035
    radius = np.hypot(x, z)
    rim = np.hypot(radius - 0.554, y - 0.46) - 0.04
    foot = _drum(radius, y, 0.0, 0.06, 0.24)
    return np.asarray(np.minimum(np.minimum(np.maximum(shell, y - 0.46), rim), foot))


SOLIDS: dict[str, Distance] = {
    "ball": _ball,
    "block": _block,
    "cylinder": _cylinder,
    "cup": _cup,
    "cone": _cone,
    "bottle": _bottle,
    "ring": _ring,
    "bowl": _bowl,
}
"""Signed distance to each kind of solid, in units, at points (x, y, z)."""


def _distance(solid: Solid) -> Distance:
    """The solid's own distance function: its kind's, turned and stretched."""
    wide, high, deep = solid.proportions
    sine, cosine = np.float32(np.sin(solid.yaw_rad)), np.float32(np.cos(solid.yaw_rad))
    inner, shrink = SOLIDS[solid.kind], np.float32(min(solid.proportions))

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        turned_x, turned_z = cosine * x + sine * z, cosine * z - sine * x
        return inner(turned_x / np.float32(wide), y / np.float32(high), turned_z / np.float32(deep)) * shrink

    return distance


def render_sprite(solid: Solid, camera: Camera, px_per_unit: float) -> Sprite:
    """Trace one solid and its shadow.

    Args:
        solid: form and surface.
        camera: view and light.
        px_per_unit: resolution of the picture.

    Returns:
        Its picture, cropped to what is visible.
    """
    distance = _distance(solid)
    columns = np.arange(round((_WINDOW_X[1] - _WINDOW_X[0]) * px_per_unit), dtype=np.float32)
    rows = np.arange(round((_WINDOW_Y[1] - _WINDOW_Y[0]) * px_per_unit), dtype=np.float32)
    right, up = np.meshgrid(_WINDOW_X[0] + (columns + 0.5) / px_per_unit, _WINDOW_Y[1] - (rows + 0.5) / px_per_unit)
    shape = right.shape
    point, miss = _trace(distance, right.astype(np.float32).ravel(), up.astype(np.float32).ravel(), camera)
    alpha = np.clip(1.0 - (miss - _TOUCH) * px_per_unit, 0, 1)
    seen = np.flatnonzero(alpha)
    rgba = np.zeros((alpha.size, 4), np.float32)
    rgba[seen, :3] = _shade(distance, solid, camera, point[:, seen])
    rgba[:, 3] = 1.0
    rgba = (rgba * alpha[:, None]).reshape(*shape, 4)
    left, top, width, height = cv2.boundingRect((rgba[:, :, 3] > 0).astype(np.uint8))
    solid_pixels = alpha >= 0.5
    return Sprite(
        rgba=np.ascontiguousarray(np.rint(rgba[top : top + height, left : left + width] * 255).astype(np.uint8)),
        anchor_px=(-_WINDOW_X[0] * px_per_unit - 0.5 - left, _WINDOW_Y[1] * px_per_unit - 0.5 - top),
        px_per_unit=px_per_unit,
        shadow=_shadow(distance, camera),
        centre=(float(right.ravel()[solid_pixels].mean()), float(up.ravel()[solid_pixels].mean())),
        size=float(np.sqrt(solid_pixels.sum())) / px_per_unit,
        extent=max(width, height) / px_per_unit,
    )


def _trace(distance: Distance, right: Floats, up: Floats, camera: Camera) -> tuple[Floats, Floats]:
    """Sphere-trace parallel rays; returns where each came nearest the solid, (3, n), and how near."""
    sine, cosine = np.float32(np.sin(camera.pitch_rad)), np.float32(np.cos(camera.pitch_rad))
    travelled = np.full_like(right, -1.2 - 0.5 * sine)
    nearest, nearest_at = np.full_like(right, np.inf), travelled.copy()
    active = np.arange(right.size)
    for _ in range(40):
        along, height = travelled[active], up[active]
        gap = distance(right[active], cosine * height - sine * along, sine * height + cosine * along)
        closer = gap < nearest[active]
        nearest[active[closer]], nearest_at[active[closer]] = gap[closer], along[closer]
        travelled[active] = along + gap * np.float32(0.95)
        active = active[(gap > _TOUCH / 2) & (along < 1.4)]
        if active.size == 0:
            break
    return np.stack([right, cosine * up - sine * nearest_at, sine * up + cosine * nearest_at]), np.maximum(nearest, 0)


def _shade(distance: Distance, solid: Solid, camera: Camera, point: Floats) -> Floats:
    """Colour (n, 3) in 0..1 of surface points (3, n): lamp, sky, highlight, and darkness in hollows."""
    normal = np.zeros_like(point)
    for corner in np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], np.float32):
        normal += corner[:, None] * distance(*(point + np.float32(4e-3) * corner[:, None]))
    normal /= np.linalg.norm(normal, axis=0) + np.float32(1e-9)
    light = np.array(camera.light, np.float32)
    to_camera = np.array([0, np.sin(camera.pitch_rad), -np.cos(camera.pitch_rad)], np.float32)
    probe = point + np.float32(0.16) * normal
    openness = np.clip(np.minimum(distance(*probe), probe[1]) / 0.15, 0, 1) * 0.55 + 0.45
    lamp = np.maximum(light @ normal, 0)
    sky = 0.75 + 0.25 * normal[1]
    albedo = np.repeat(np.array(solid.rgb, np.float32)[:, None], point.shape[1], axis=1)
    if solid.band:
        belt = np.clip((0.1 - np.abs(point[1] - 0.38 * solid.proportions[1])) * 40, 0, 1) * np.float32(solid.band)
        albedo *= 1 + belt * np.float32(0.5 if max(solid.rgb) < 0.6 else -0.25)
    halfway = (light + to_camera) / np.linalg.norm(light + to_camera)
    highlight = solid.gloss * np.maximum(halfway @ normal, 0) ** 40
    brightness = openness * (camera.ambient * sky + (1.08 - camera.ambient) * lamp)
    return np.asarray(np.clip(albedo * brightness + highlight, 0, 1).T)


def _shadow(distance: Distance, camera: Camera) -> Bytes:
    """Soft shadow and contact darkness on the ground around the foot, (n, n), row 0 farthest away."""
    axis: Floats = (np.arange(_SHADOW_PX, dtype=np.float32) + 0.5) / _SHADOW_PX * 2 * SHADOW_REACH - SHADOW_REACH
    x, z = (grid.astype(np.float32).ravel() for grid in np.meshgrid(axis, -axis))
    gap = distance(x, np.zeros_like(x), z)
    contact = np.clip(1 - gap / 0.3, 0, 1) ** 2
    lit, travelled = np.ones_like(x), np.full_like(x, 0.04)
    light_x, light_y, light_z = (np.float32(part) for part in camera.light)
    for _ in range(10):
        gap = distance(x + light_x * travelled, light_y * travelled, z + light_z * travelled)
        lit = np.minimum(lit, np.clip(0.5 + 4.0 * gap / travelled, 0, 1))
        travelled = travelled + np.clip(gap, 0.06, 0.4)
    edge = np.clip((SHADOW_REACH - np.maximum(np.abs(x), np.abs(z))) / 0.4, 0, 1)
    dark = 1 - (1 - (1 - lit) * (1.05 - camera.ambient)) * (1 - 0.5 * contact)
    return np.asarray(np.rint(dark * edge * 255).reshape(_SHADOW_PX, _SHADOW_PX), np.uint8)
