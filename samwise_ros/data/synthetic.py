"""A seeded world of simple solids, filmed: video with referring expressions and exact masks.

The training set of the `compact` model (`render_clip`) and the demo's camera (`World.frame`). Every picture is a
pure function of the seed and the frame number, so a clip can be made again instead of being stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from samwise_ros.data.casting import Path, choose_objects, choose_paths
from samwise_ros.data.compositing import Sensor, draw_shadow, draw_sprite
from samwise_ros.data.expressions import (
    COLOURS,
    EXPRESSION_KINDS,
    KINDS,
    Expression,
    SceneObject,
    Tracks,
    describe,
)
from samwise_ros.data.scenery import paint_backdrop
from samwise_ros.data.shapes import Bytes, Camera, Solid, Sprite, render_sprite, sample_colour
from samwise_ros.errors import DatasetError

__all__ = [
    "COLOURS",
    "EXPRESSION_KINDS",
    "FIRST_TRAINING_SEED",
    "KINDS",
    "Clip",
    "Expression",
    "SceneObject",
    "World",
    "render_clip",
]

FIRST_TRAINING_SEED = 1_000_000
"""Seeds from here on are for training; those below are for validation, tests and the demo."""

MIN_SIDE_PX = 32
MAX_SPEED = 0.02

_SIZES = {"small": 0.115, "medium": 0.165, "large": 0.235}
_MARGIN = 0.04


@dataclass(frozen=True, slots=True)
class Clip:
    """A short video with its truth.

    Attributes:
        rgb: (T, H, W, 3) uint8, RGB.
        instances: (T, H, W) uint8, 0 background, k the visible pixels of object k.
        objects: the objects of the scene, whether in view or not.
        expressions: what is true of exactly one of them (or of none) over the whole clip.
    """

    rgb: Bytes
    instances: Bytes
    objects: tuple[SceneObject, ...]
    expressions: tuple[Expression, ...]

    def mask(self, expression: Expression) -> npt.NDArray[np.bool_]:
        """Return (T, H, W) bool: the pixels that `expression` refers to; all False if it is true of nothing."""
        if expression.object_index == 0:
            return np.zeros(self.instances.shape, bool)
        return np.asarray(self.instances == expression.object_index)


@dataclass(frozen=True, slots=True)
class _Actor:
    """An object, its picture and its path; `scale` is its size as a share of the picture's shorter side."""

    thing: SceneObject
    sprite: Sprite
    path: Path
    scale: float


class World:
    """One endless scene.

    Args:
        seed: 0 or more; decides everything but the size of the picture.
        height: rows of the picture, at least 32.
        width: columns of the picture, at least 32.
        max_speed: way of the fastest object per frame, as a share of the picture's width, above 0, at most 0.1.

    Raises:
        DatasetError: an argument is out of its range.
    """

    def __init__(self, seed: int, *, height: int, width: int, max_speed: float = MAX_SPEED) -> None:
        _check_arguments(seed, height, width, max_speed)
        self._seed, self._height, self._width = seed, height, width
        rng = np.random.default_rng([seed, 0])
        self._horizon = float(rng.uniform(0.12, 0.3)) if rng.random() < 0.65 else -0.3
        pitch = rng.uniform(0.4, 0.8)
        azimuth, altitude = rng.uniform(-np.pi * 0.95, -np.pi * 0.05), rng.uniform(0.7, 1.15)
        level = float(np.cos(altitude))
        light = (float(np.cos(azimuth)) * level, float(np.sin(altitude)), float(np.sin(azimuth)) * level)
        self._camera = Camera(float(pitch), light, float(rng.uniform(0.42, 0.6)))
        self._perspective = float(rng.uniform(0.2, 0.5))
        self._sway = rng.uniform(0.0, 0.008, 2) * (rng.random() < 0.5)
        self._sway_period = rng.uniform(150, 400, 2)
        self._shake = float(rng.uniform(0, 0.0008)) * (rng.random() < 0.4)
        self._actors = self._cast(rng, max_speed)
        self._sensor = Sensor(rng, seed, height, width)
        self._paint()

    @property
    def objects(self) -> tuple[SceneObject, ...]:
        """The objects of the scene, whether in view or not."""
        return tuple(actor.thing for actor in self._actors)

    def frame(self, t: int) -> tuple[Bytes, Bytes]:
        """Film one moment.

        Args:
            t: number of the frame, 0 or more.

        Returns:
            rgb (H, W, 3) uint8, and instances (H, W) uint8: 0 background, k the visible pixels of object k.

        Raises:
            DatasetError: t is below 0.
        """
        if t < 0:
            raise DatasetError(f"frame {t} was asked for, expected 0 or more: a world begins with frame 0")
        offset = self._camera_offset(np.array([t], np.float64))[0] * [self._width, self._height]
        centre = np.array(self._backdrop.shape[1::-1]) / 2 - 0.5 - offset
        size = (self._width, self._height)
        rgb = np.asarray(cv2.getRectSubPix(self._backdrop, size, (centre[0], centre[1])), np.uint8)
        instances = np.zeros((self._height, self._width), np.uint8)
        feet, scales = self._poses(np.array([t], np.float64))
        order = np.argsort(feet[0, :, 1], kind="stable")
        for i in order:
            draw_shadow(rgb, self._actors[i].sprite, self._camera, feet[0, i], scales[0, i])
        for i in order:
            draw_sprite(rgb, instances, self._actors[i].thing.index, self._actors[i].sprite, feet[0, i], scales[0, i])
        return self._sensor.expose(rgb, t), instances

    def expressions(self, start: int, stop: int) -> tuple[Expression, ...]:
        """Say what holds throughout frames start..stop-1.

        Args:
            start: first frame, 0 or more.
            stop: one past the last frame.

        Returns:
            Expressions that each are true of exactly one object in view (or of none) over all these frames.

        Raises:
            DatasetError: the range is empty or starts below 0.
        """
        if not 0 <= start < stop:
            raise DatasetError(f"frames {start}..{stop - 1} are not a range: start must be 0 or more and below stop")
        return self._describe(start, (self.frame(t)[1] for t in range(start, stop)))

    def clip(self, start: int, frames: int) -> Clip:
        """Film a few frames and say what holds throughout them.

        Args:
            start: first frame, 0 or more.
            frames: length of the clip, at least 1.

        Returns:
            The clip and its expressions.

        Raises:
            DatasetError: the range is empty or starts below 0.
        """
        if start < 0 or frames < 1:
            raise DatasetError(
                f"a clip of {frames} frames from frame {start} on was asked for, expected 1 or more, from 0 or later on"
            )
        rgb, instances = (np.stack(parts) for parts in zip(*map(self.frame, range(start, start + frames)), strict=True))
        return Clip(rgb, instances, self.objects, self._describe(start, instances))

    def _cast(self, rng: np.random.Generator, max_speed: float) -> tuple[_Actor, ...]:
        """Choose the objects and their paths, and trace their pictures."""
        things = choose_objects(rng)
        paths = choose_paths(rng, len(things), max(self._horizon, 0.0) + 0.2, max_speed)
        zoom = float(rng.uniform(0.95, 1.7)) * (1.5 - 0.08 * len(things))
        actors: list[_Actor] = []
        for thing, path in zip(things, paths, strict=True):
            wide, high, deep = (1 + rng.uniform(-0.08, 0.08, 3) * (thing.kind != "ball")).tolist()
            yaw = float(rng.uniform(-1, 1)) * (1.0 if thing.kind == "cup" else np.pi)
            gloss = float(rng.choice([0.05, 0.25, 0.6]))
            band = float(rng.choice([0.0, 0.0, 1.0])) * (thing.colour not in ("white", "grey", "black", "orange"))
            solid = Solid(thing.kind, (wide, high, deep), yaw, sample_colour(thing.colour, rng), gloss, band)
            scale = zoom * _SIZES[thing.size] * float(rng.uniform(0.97, 1.03))
            largest = scale * float(self._nearness(np.array(path.middle[1] + path.reach[1])))
            px_per_unit = min(max(largest * min(self._height, self._width), 8.0), 160.0)
            actors.append(_Actor(thing, render_sprite(solid, self._camera, px_per_unit), path, scale))
        return tuple(actors)

    def _nearness(self, foot_y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Factor on sizes at a height in the picture: 1 at the bottom."""
        return np.asarray(1.0 - self._perspective * (0.95 - foot_y))

    def _camera_offset(self, t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """How far the picture is shifted, (T, 2), as shares of width and height."""
        sway = self._sway * np.sin(2 * np.pi * t[:, None] / self._sway_period)
        return np.asarray(sway + self._shake * np.sin(t[:, None] * [2.1, 2.9]))

    def _poses(self, t: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Feet (T, N, 2) in pixels and sizes (T, N) in pixels per unit."""
        feet = np.stack([actor.path.at(t) for actor in self._actors], axis=1)
        scales = np.array([actor.scale for actor in self._actors]) * self._nearness(feet[:, :, 1])
        feet = (feet + self._camera_offset(t)[:, None]) * [self._width, self._height] - 0.5
        return feet, scales * min(self._height, self._width)

    def _paint(self) -> None:
        """Paint the ground and wall, with a margin for the moving camera."""
        margin = [2 * int(np.ceil(_MARGIN * side)) for side in (self._height, self._width)]
        rng = np.random.default_rng([self._seed, 2])
        self._backdrop = paint_backdrop(rng, self._height + margin[0], self._width + margin[1], self._horizon)

    def _describe(self, start: int, instances: Iterable[Bytes]) -> tuple[Expression, ...]:
        """Expressions over the frames from `start` on, whose instance pictures are given."""
        tracks = self._measure(start, instances)
        return describe(tracks, np.random.default_rng([self._seed, 4, start, start + len(tracks.share)]))

    def _measure(self, start: int, instances: Iterable[Bytes]) -> Tracks:
        """Where the objects are over the frames from `start` on."""
        sprites = [actor.sprite for actor in self._actors]
        area, x, y = np.stack([_count_pixels(picture, len(sprites)) for picture in instances], axis=1)
        t = np.arange(start, start + len(area), dtype=np.float64)
        feet, scales = self._poses(t)
        centre = feet + scales[:, :, None] * np.array([sprite.centre for sprite in sprites]) * [1, -1]
        offset_px = self._camera_offset(t)[:, None] * [self._width, self._height]
        return Tracks(
            objects=self.objects,
            leaves=np.array([actor.path.leaves for actor in self._actors]),
            share=area / (self._height * self._width),
            whole=area / (scales * [sprite.size for sprite in sprites]) ** 2,
            x=np.where(area > 0, x, centre[:, :, 0]) / self._width,
            y=np.where(area > 0, y, centre[:, :, 1]) / self._height,
            foot_y=feet[:, :, 1] / self._height,
            size=scales * [sprite.size for sprite in sprites] / self._width,
            extent=scales * [sprite.extent for sprite in sprites] / self._width,
            way=centre / self._width,
            own_way=(centre - offset_px) / self._width,
        )


def render_clip(seed: int, *, frames: int, height: int, width: int) -> Clip:
    """Film the first frames of the world of one seed.

    Args:
        seed: 0 or more; FIRST_TRAINING_SEED and above are for training.
        frames: length of the clip, at least 1.
        height: rows of the picture, at least 32.
        width: columns of the picture, at least 32.

    Returns:
        The clip and its expressions.

    Raises:
        DatasetError: an argument is out of its range.
    """
    return World(seed, height=height, width=width).clip(0, frames)


def _check_arguments(seed: int, height: int, width: int, max_speed: float) -> None:
    """Raise DatasetError unless a world can be made of these."""
    if seed < 0:
        raise DatasetError(f"seed is {seed}, expected 0 or more: choose another seed")
    if min(height, width) < MIN_SIDE_PX:
        raise DatasetError(
            f"picture is {width} x {height} pixels, expected at least {MIN_SIDE_PX} x {MIN_SIDE_PX}: "
            "choose a larger width or height"
        )
    if not 0 < max_speed <= 0.1:
        raise DatasetError(f"max_speed is {max_speed}, expected above 0 and at most 0.1 picture widths per frame")


def _count_pixels(instances: Bytes, count: int) -> npt.NDArray[np.float64]:
    """Area, mean column and mean row, (3, count), of the objects' visible pixels in one frame; 0 without any."""
    row, column = np.nonzero(instances)
    owner = instances[row, column] - 1
    area = np.bincount(owner, minlength=count)
    column_sum, row_sum = (np.bincount(owner, places, minlength=count) for places in (column, row))
    return np.stack([area, column_sum / np.maximum(area, 1), row_sum / np.maximum(area, 1)])
