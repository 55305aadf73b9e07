"""Stages: which things stand on which table, how they and the camera move, and what the light is like.

A stage is a pure function of its seed; `Stage.film` shows any of its moments through `data.filming` and `data.sensor`.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from samwise_ros.data.cutouts import cut_out
from samwise_ros.data.decor import PAINTS, Paint, choose_paint, choose_patches
from samwise_ros.data.filming import Film, Lamp, Materials, Planes, Scene, film
from samwise_ros.data.photographs import Photographs
from samwise_ros.data.props import (
    Prop,
    choose_arms,
    choose_pattern,
    choose_props,
    holding_arm,
    make_unusual,
    mechanise,
    to_linear,
)
from samwise_ros.data.raycaster import Eyes, Things
from samwise_ros.data.sensor import Sensor, expose
from samwise_ros.data.solids import SOLIDS
from samwise_ros.data.tracks import Floats, SceneObject

TABLE_PATTERNS = ("plain", "wood", "wood", "cloth", "tiles", "checks", "gravel", "print")
WALL_PATTERNS = ("plain", "plain", "wood", "tiles", "foliage", "print", "cloth", "stripes")

SENSOR_WIDTH_PX = 640
"""Longer side of the pictures for which the cameras' habits are chosen."""

PAINTED = 0.15
"""Share of the tables, floors, walls and arms of varied stages that have a colour which things have."""

PICTURED = (0.4, 0.5, 0.6, 0.6, 0.4)
"""Share of the tables, floors, walls behind and beside, and patches of varied stages that are photographs, where there
are any."""

PICTURED_PER_M = ((0.8, 3.0), (0.3, 1.2), (0.3, 1.2), (0.3, 1.2), (1.5, 5.0))
"""Range of how often these repeat."""

LOOK_AT = 30.0
"""A camera that comes closer looks at where a thing is in this frame."""


class Stage:
    """One endless scene.

    Args:
        seed: 0 or more; decides everything but the size of the picture and what photographs show.
        speed_m: the fastest things' way per frame.
        zoom: how much closer than usual the camera is, to one of the things.
        held_out: half of the things are pairs of colour and kind, and all patterns variants, that no other stage has.
        grip: a hand holds one of the things and goes where it goes.
        varied: things have other shapes, too: of other proportions, and such as have no name; some lie or stand on
            their heads, have colours between two names' examples, and some of the arms are robots'. The room has
            colours, too; see `data.decor`.
        photographs: some of the things and surfaces of a varied stage are; None for none.
    """

    def __init__(
        self,
        seed: int,
        *,
        speed_m: float = 0.02,
        zoom: float = 1.0,
        held_out: bool = False,
        grip: bool = False,
        varied: bool = False,
        photographs: Photographs | None = None,
    ) -> None:
        self._seed, self._held_out, self._photographs = seed, held_out, photographs
        rng = np.random.default_rng([seed, 10, int(held_out)])
        things = choose_props(rng, speed_m, held_out)
        if varied:
            things = [make_unusual(self._rng(15, thing), prop) for thing, prop in enumerate(things)]
        if varied and photographs is not None:
            things = [cut_out(self._rng(19, thing), prop, photographs) for thing, prop in enumerate(things)]
        arms = choose_arms(rng, speed_m)
        if grip:
            arms.append(holding_arm(self._rng(14, 0), things))
        paints: list[Paint] = []
        if varied:
            arms = [self._dress(mechanise(self._rng(16, index), arm), index, paints) for index, arm in enumerate(arms)]
        self.props = (*things, *arms)
        self._choose_camera(rng)
        self._come_closer(zoom)
        self._choose_room(rng)
        if varied:
            self._decorate(paints)
        if varied and photographs is not None:
            self._hang_photographs(photographs)
        # Nobody knows what is to be seen on a photograph.
        pictured = (self._walls[-1] >= 0).any()
        self.room_colours = PAINTS if pictured else tuple(sorted({paint.name for paint in paints}))
        self._choose_light(rng)

    @property
    def objects(self) -> tuple[SceneObject, ...]:
        """What can be spoken of, whether in view or not."""
        return tuple(prop.thing for prop in self.props if prop.thing is not None)

    def film(self, moments: Floats, height: int, width: int, device: torch.device) -> tuple[Tensor, Film]:
        """Film some moments.

        Args:
            moments: (F,) frame numbers, 0 or more; they need not be whole or in order.
            height: rows of the picture.
            width: columns of the picture.
            device: where to film.

        Returns:
            (F, H, W, 3) uint8 sRGB, and what it was made of; owners 1..N are the objects, those above are arms.
        """
        filmed = film(self.scene(moments, device), self.eyes(moments, height, width, device))
        shape = (height, width, 3)
        noise = np.stack([self._rng(11, t).standard_normal(shape, np.float32) for t in moments])
        frames = len(moments)
        gain, blur_px, noise_share, coarseness, vignette = self._sensor
        # A small picture is a large one that was shrunk: blur, noise and blocks shrink with it.
        scale = max(height, width) / SENSOR_WIDTH_PX
        habits = (gain, scale * blur_px, scale * noise_share, scale * coarseness, vignette)
        sensor = Sensor(*(_repeat(value, frames, device) for value in habits))
        return expose(filmed.light, sensor, torch.from_numpy(noise).to(device)), filmed

    def scene(self, moments: Floats, device: torch.device) -> Scene:
        """The things, the room and the light at some moments (F,)."""
        frames = len(moments)
        names = list(SOLIDS)
        kind = [names.index(prop.kind) for prop in self.props]
        place = np.stack([prop.route.at(moments) for prop in self.props], 1)
        place[..., 2] += [prop.extents_m[2] for prop in self.props]
        turn = np.stack([prop.route.turn(moments, prop.half_m[2]) for prop in self.props], 1)
        things = Things(
            _repeat(kind, frames, device),
            _repeat([prop.half_m for prop in self.props], frames, device),
            torch.from_numpy(place).float().to(device),
            torch.from_numpy(turn).float().to(device),
        )
        skins = Materials(
            *(
                _repeat([getattr(prop, name) for prop in self.props], frames, device)
                for name in ("first", "second", "pattern", "sides_per_m", "gloss", "photograph", "tinted")
            )
        )
        planes = Planes(*(_repeat(value, frames, device) for value in self._planes))
        surfaces = (*self._walls, np.zeros(len(self._walls[0]), bool))
        walls = Materials(*(_repeat(value, frames, device) for value in surfaces))
        lamp = Lamp(*(_repeat(value, frames, device) for value in self._lamp))
        return Scene(things, skins, planes, walls, lamp, self._photographs)

    def eyes(self, moments: Floats, height: int, width: int, device: torch.device) -> Eyes:
        """The camera at some moments (F,)."""
        swing = np.sin(2 * np.pi * (moments[:, None] / self._sway_frames + self._sway_phase)) * self._sway
        shake = np.stack([self._rng(12, t).normal(0, self._shake, 3) for t in moments])
        azimuth, height_angle = self._azimuth + swing[:, 0], self._elevation + swing[:, 1]
        distance = self._distance * (1 + swing[:, 2])
        away = np.stack(
            (
                np.cos(azimuth) * np.cos(height_angle),
                np.sin(azimuth) * np.cos(height_angle),
                np.sin(height_angle),
            ),
            1,
        )
        target = self._target + shake
        turn = _look_along(-away, self._tilt)
        focal_px = 0.5 * max(height, width) / math.tan(self._field / 2)
        return Eyes(
            torch.from_numpy(target + distance[:, None] * away).float().to(device),
            torch.from_numpy(turn).float().to(device),
            torch.full((len(moments),), focal_px, device=device),
            height,
            width,
        )

    def _rng(self, purpose: int, moment: float) -> np.random.Generator:
        return np.random.default_rng([self._seed, purpose, int(moment)])

    def _choose_camera(self, rng: np.random.Generator) -> None:
        self._field = math.radians(rng.uniform(40, 68))
        spread = max(0.16, max(math.hypot(*prop.route.place) for prop in self.props if prop.thing))
        self._distance = float(rng.uniform(0.8, 1.3)) * (spread + 0.05) / math.tan(self._field / 2)
        self._elevation = math.radians(rng.choice([rng.uniform(14, 35), rng.uniform(30, 62)]))
        self._azimuth = float(rng.normal(-math.pi / 2, 0.35))
        self._target = np.array([rng.normal(0, 0.03), rng.normal(0, 0.03), rng.uniform(0, 0.06)])
        self._tilt = float(rng.normal(0, 0.03))
        moving = rng.random() < 0.55
        self._sway = np.array([0.18, 0.06, 0.08]) * rng.uniform(0, 1, 3) * moving
        self._sway_frames, self._sway_phase = rng.uniform(40, 160, 3), rng.random(3)
        self._shake = float(rng.uniform(0, 0.002)) * (rng.random() < 0.5)

    def _come_closer(self, zoom: float) -> None:
        rng = self._rng(13, 0)
        places = [prop.route.at(np.array([LOOK_AT]))[0] for prop in self.props if prop.thing]
        self._distance /= zoom
        self._target += (1 - 1 / zoom) * (places[int(rng.integers(len(places)))] - self._target)

    def _choose_room(self, rng: np.random.Generator) -> None:
        on_floor = rng.random() < 0.3
        table = (math.inf, math.inf) if on_floor else tuple(rng.uniform(0.38, 0.8, 2))
        back, side = float(rng.uniform(0.7, 2.5)), float(rng.uniform(0.9, 3)) * rng.choice([-1, 1])
        inf = (math.inf, math.inf)
        place = [(0, 0, 0), (0, 0, -0.74), (0, back, 0), (side, 0, 0)]
        across = [(1, 0, 0), (1, 0, 0), (1, 0, 0), (0, 1, 0) if side < 0 else (0, -1, 0)]
        along = [(0, 1, 0), (0, 1, 0), (0, 0, 1), (0, 0, 1)]
        half = [table, inf, inf, inf]
        self._planes = tuple(np.array(value, np.float64) for value in (place, across, along, half))
        names = (TABLE_PATTERNS, *3 * (WALL_PATTERNS,))
        patterns = np.array([choose_pattern(rng, choice, self._held_out) for choice in names])
        first = np.stack([_surface_colour(rng) for _ in patterns])
        second = first * rng.uniform(0.45, 1.25, (len(patterns), 1)) * rng.uniform(0.9, 1.1, first.shape)
        scale = np.array([rng.uniform(1.5, 5), *rng.uniform(0.5, 1.5, 3)])
        none = np.full(len(patterns), -1)
        self._walls = (first, np.clip(second, 0, 1), patterns, scale, np.zeros(len(patterns)), none)

    def _dress(self, arm: Prop, index: int, paints: list[Paint]) -> Prop:
        """Give an arm a sleeve or paint now and then, which joins `paints`."""
        rng = self._rng(17, index)
        if rng.random() >= PAINTED:
            return arm
        paints.append(choose_paint(rng))
        return replace(arm, first=paints[-1].first, second=paints[-1].second)

    def _decorate(self, paints: list[Paint]) -> None:
        """Paint some of the room's surfaces, and lay or hang patches on them; their paints join `paints`."""
        rng = self._rng(18, 0)
        first, second, patterns, scale, gloss, pictures = self._walls
        for surface in np.flatnonzero(rng.random(len(patterns)) < PAINTED):
            paints.append(choose_paint(rng))
            first[surface], second[surface] = paints[-1].first, paints[-1].second
        place, across, along, half = self._planes
        for patch in choose_patches(rng, tuple(half[0]), float(place[1][2]), float(place[2][1])):
            paints.append(patch.paint)
            first, second = np.vstack((first, patch.paint.first)), np.vstack((second, patch.paint.second))
            patterns = np.append(patterns, choose_pattern(rng, WALL_PATTERNS, self._held_out))
            scale, gloss = np.append(scale, rng.uniform(1.5, 5)), np.append(gloss, 0.0)
            pictures = np.append(pictures, -1)
            place, across = np.vstack((place, patch.place)), np.vstack((across, patch.across))
            along, half = np.vstack((along, patch.along)), np.vstack((half, patch.half_m))
        self._planes = (place, across, along, half)
        self._walls = (first, second, patterns, scale, gloss, pictures)

    def _hang_photographs(self, photographs: Photographs) -> None:
        """Make some of the surfaces photographs; their paint becomes the photograph's mean, to which cameras expose."""
        rng = self._rng(20, 0)
        first, second, patterns, scale, gloss, _ = self._walls
        kinds = np.minimum(np.arange(len(scale)), len(PICTURED) - 1)
        pictured = rng.random(len(scale)) < np.array(PICTURED)[kinds]
        pictures = np.where(pictured, rng.integers(len(photographs.means), size=len(scale)), -1)
        first = np.where(pictured[:, None], photographs.means[pictures], first)
        least, most = np.array(PICTURED_PER_M)[kinds].T
        scale = np.where(pictured, rng.uniform(least, most), scale)
        self._walls = (first, second, patterns, scale, gloss, pictures)

    def _choose_light(self, rng: np.random.Generator) -> None:
        angle, height = rng.uniform(-math.pi, 0.2), math.radians(rng.uniform(28, 75))
        direction = (math.cos(angle) * math.cos(height), math.sin(angle) * math.cos(height), math.sin(height))
        warm = rng.uniform(-0.12, 0.18)
        ambient = rng.uniform(0.25, 0.65)
        colour = np.array([1 + warm, 1, 1 - warm]) * rng.uniform(0.5, 1.0)
        self._lamp = (direction, colour, np.array([1, 1, 1 + 0.1 * warm]) * ambient, rng.uniform(0.02, 0.15))
        # Cameras expose for what they see: here for the table and things of middle grey.
        seen = (0.35 * float(np.mean(self._walls[0][0])) + 0.65 * 0.3) * (
            ambient + 0.7 * float(colour.mean()) * direction[2]
        )
        gain = 0.3 / seen * rng.uniform(0.75, 1.35) * (1 + rng.normal(0, 0.04, 3))
        coarse = rng.choice([0.0, rng.uniform(0.1, 1.2)])
        self._sensor = (
            gain,
            rng.gamma(3, 0.35) + 0.3,
            rng.choice([0.004, rng.uniform(0.005, 0.035)]),
            coarse,
            rng.uniform(0, 0.35),
        )


def _surface_colour(rng: np.random.Generator) -> Floats:
    """Tables and walls are mostly pale or brownish, seldom colourful."""
    if rng.random() < 0.15:
        return to_linear(rng.uniform(0.15, 0.85, 3))
    tint = rng.choice([0.0, rng.uniform(0, 0.28)])
    return to_linear(
        rng.uniform(0.25, 0.95) * np.array([1, 1 - 0.6 * tint, 1 - 1.4 * tint]) * rng.uniform(0.96, 1.0, 3)
    )


def _look_along(forwards: Floats, tilt: float) -> Floats:
    """Camera rotations (T, 3, 3) with z along `forwards` (T, 3), level but for the tilt."""
    right = np.cross(forwards, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    down = np.cross(forwards, right)
    turned = math.cos(tilt) * right + math.sin(tilt) * down, math.cos(tilt) * down - math.sin(tilt) * right
    return np.stack((*turned, forwards), -1)


def _repeat(value: object, frames: int, device: torch.device) -> Tensor:
    """The same values (…) for every frame: (F, …)."""
    array = np.asarray(value)
    kept = {"i": np.int64, "b": np.bool_}.get(array.dtype.kind, np.float32)
    tensor = torch.from_numpy(array.astype(kept)).to(device)
    return tensor.expand(frames, *tensor.shape)
