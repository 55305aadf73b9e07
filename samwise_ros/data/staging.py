"""Stages: which things stand on which table, how they and the camera move, and what the light is like.

A stage is a pure function of its seed; `Stage.film` shows any of its moments through `data.filming` and `data.sensor`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from samwise_ros.data.colours import sample_colour
from samwise_ros.data.filming import Film, Lamp, Materials, Planes, Scene, film
from samwise_ros.data.patterns import PATTERNS
from samwise_ros.data.raycaster import Eyes, Things
from samwise_ros.data.sensor import Sensor, expose
from samwise_ros.data.solids import SOLIDS
from samwise_ros.data.tracks import SceneObject
from samwise_ros.data.vocabulary import COLOURS, HELD_OUT_PAIRS

Floats = npt.NDArray[np.float64]

EXTENTS_M: dict[str, tuple[float, float, float]] = {
    "ball": (0.045, 0.045, 0.045),
    "block": (0.04, 0.04, 0.04),
    "cylinder": (0.033, 0.033, 0.055),
    "cup": (0.062, 0.05, 0.045),
    "bottle": (0.034, 0.034, 0.1),
    "cone": (0.045, 0.045, 0.065),
    "box": (0.075, 0.05, 0.04),
    "book": (0.08, 0.055, 0.014),
    "ring": (0.06, 0.06, 0.014),
    "bowl": (0.065, 0.065, 0.038),
}
"""Half extents of things of medium size."""

SIZES: dict[str, float] = {"small": 0.75, "medium": 1.1, "large": 1.6}
"""Factors on the extents."""

ARM_HALF_M = (0.26, 0.0884, 0.065)
SKINS = ((0.93, 0.76, 0.65), (0.82, 0.6, 0.45), (0.6, 0.4, 0.27), (0.36, 0.23, 0.16))
"""Colours of arms, sRGB."""

TABLE_PATTERNS = ("plain", "wood", "wood", "cloth", "tiles", "checks", "gravel", "print")
WALL_PATTERNS = ("plain", "plain", "wood", "tiles", "foliage", "print", "cloth", "stripes")
THING_PATTERNS = ("plain",) * 6 + ("wood", "stripes", "stripes", "spots", "checks", "cloth")


SENSOR_WIDTH_PX = 640
"""Longer side of the pictures for which the cameras' habits are chosen."""

LOOK_AT = 30.0
"""A camera that comes closer looks at where a thing is in this frame."""


@dataclass(frozen=True, slots=True)
class Route:
    """How a thing moves: along a line, up, and around itself. Lengths in metres, times in frames.

    Attributes:
        place: (x, y) of its middle on the table.
        direction: angle of the line it moves along.
        reach: how far it goes from `place`; 0 stands still.
        speed: along the line, per frame.
        start: the frame in which it begins to move.
        arrives: whether it comes from `reach` away and then stays, instead of going back and forth.
        lift: how high it is raised; it goes up and down at `speed`.
        yaw: its turn about the vertical at the start.
        spin: how far it turns per frame, radians.
        rolls: whether it turns as a wheel does.
    """

    place: tuple[float, float]
    direction: float = 0.0
    reach: float = 0.0
    speed: float = 0.0
    start: float = 0.0
    arrives: bool = False
    lift: float = 0.0
    yaw: float = 0.0
    spin: float = 0.0
    rolls: bool = False

    def way(self, t: Floats) -> Floats:
        """How far along the line it is at frames t (T,)."""
        gone = self.speed * np.maximum(t - self.start, 0)
        if not self.reach:
            return np.zeros_like(t)
        if self.arrives:
            return np.asarray(np.maximum(self.reach - gone, 0))
        return np.asarray(self.reach * (1 - np.abs(1 - gone / self.reach % 2)))

    def at(self, t: Floats) -> Floats:
        """Where its foot is at frames t (T,): (T, 3)."""
        way = self.way(t)
        x, y = self.place[0] + way * math.cos(self.direction), self.place[1] + way * math.sin(self.direction)
        if not self.lift:
            return np.stack((x, y, np.zeros_like(t)), 1)
        gone = self.speed * np.maximum(t - self.start, 0)
        return np.stack((x, y, self.lift * (1 - np.abs(1 - gone / self.lift % 2))), 1)

    def turn(self, t: Floats, radius: float) -> Floats:
        """Its rotation at frames t (T,): (T, 3, 3)."""
        yaw = self.yaw + self.spin * np.maximum(t - self.start, 0)
        upright = _about_z(yaw)
        if not self.rolls:
            return upright
        # A ball that rolls along the line turns about the level axis across it.
        angle, line = self.way(t) / radius, np.full_like(t, self.direction)
        return np.asarray(_about_z(line) @ _about_y(angle) @ _about_z(-line) @ upright)


@dataclass(frozen=True, slots=True)
class Prop:
    """One thing of a stage; `thing` is None for an arm, which nobody speaks of."""

    thing: SceneObject | None
    kind: str
    half_m: tuple[float, float, float]
    first: Floats
    second: Floats
    pattern: int
    sides_per_m: float
    gloss: float
    route: Route

    @property
    def can_be_seen_to_spin(self) -> bool:
        """Whether it turns around itself, and does not look the same all the while."""
        has_sides = self.kind in ("block", "box", "book", "cup")
        return self.route.spin != 0 and (has_sides or PATTERNS[self.pattern] not in ("plain", "cloth"))


class Stage:
    """One endless scene.

    Args:
        seed: 0 or more; decides everything but the size of the picture.
        speed_m: the fastest things' way per frame.
        zoom: how much closer than usual the camera is, to one of the things; 1 or more.
        held_out: half of the things are pairs of colour and kind, and all patterns variants, that no other stage has.
        grip: a hand holds one of the things and goes where it goes.
    """

    def __init__(
        self, seed: int, *, speed_m: float = 0.02, zoom: float = 1.0, held_out: bool = False, grip: bool = False
    ) -> None:
        self._seed, self._held_out = seed, held_out
        rng = np.random.default_rng([seed, 10, int(held_out)])
        things = _choose_props(rng, speed_m, held_out)
        self.props = (*things, *_choose_arms(rng, speed_m))
        if grip:
            self.props += (_grip(self._rng(14, 0), things),)
        self._choose_camera(rng)
        self._come_closer(zoom)
        self._choose_room(rng)
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
        place[..., 2] += [prop.half_m[2] for prop in self.props]
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
                for name in ("first", "second", "pattern", "sides_per_m", "gloss")
            )
        )
        planes = Planes(*(_repeat(value, frames, device) for value in self._planes))
        walls = Materials(*(_repeat(value, frames, device) for value in self._walls))
        lamp = Lamp(*(_repeat(value, frames, device) for value in self._lamp))
        return Scene(things, skins, planes, walls, lamp)

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
        self._planes = tuple(np.array(value, np.float32) for value in (place, across, along, half))
        patterns = [_pattern(rng, TABLE_PATTERNS, self._held_out)]
        patterns += [_pattern(rng, WALL_PATTERNS, self._held_out) for _ in range(3)]
        first = np.stack([_surface_colour(rng) for _ in patterns])
        second = first * rng.uniform(0.45, 1.25, (len(patterns), 1)) * rng.uniform(0.9, 1.1, first.shape)
        scale = [rng.uniform(1.5, 5), *rng.uniform(0.5, 1.5, 3)]
        self._walls = (first, np.clip(second, 0, 1), patterns, scale, np.zeros(len(patterns)))

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


def _choose_props(rng: np.random.Generator, speed_m: float, held_out: bool) -> list[Prop]:
    """Choose 3 to 8 things, many of them alike in kind or colour, apart from one another."""
    props: list[Prop] = []
    for index in range(1, int(rng.integers(3, 9)) + 1):
        colour, kind = _choose_look([prop.thing for prop in props if prop.thing is not None], rng, held_out)
        size, material = str(rng.choice(list(SIZES))), str(rng.choice(THING_PATTERNS))
        thing = SceneObject(index, kind, colour, size, material)
        scale = SIZES[size] * rng.uniform(0.94, 1.06)
        x, y, z = (scale * extent * rng.uniform(0.92, 1.08) for extent in EXTENTS_M[kind])
        half = (z, z, z) if kind == "ball" else (x, x, z) if kind not in ("box", "book", "cup", "block") else (x, y, z)
        skin = _skin(rng, colour, material, held_out)
        props.append(Prop(thing, kind, half, *skin, _choose_route(rng, props, half, kind, speed_m)))
    return props


def _choose_look(others: list[SceneObject], rng: np.random.Generator, held_out: bool) -> tuple[str, str]:
    """A colour and kind, often one of them that of another thing; held-out pairs come in held-out stages alone."""
    while True:
        kind, colour = str(rng.choice(list(EXTENTS_M))), str(rng.choice(COLOURS))
        if others:
            twin, draw = others[int(rng.integers(len(others)))], rng.random()
            kind = twin.kind if draw < 0.42 else kind
            colour = twin.colour if 0.3 < draw < 0.7 else colour
        if held_out and rng.random() < 0.5:
            pairs = sorted(pair for pair in HELD_OUT_PAIRS if colour == pair[0] or kind == pair[1])
            return pairs[int(rng.integers(len(pairs)))]
        if held_out or (colour, kind) not in HELD_OUT_PAIRS:
            return colour, kind


def _choose_route(
    rng: np.random.Generator, others: list[Prop], half: tuple[float, float, float], kind: str, speed_m: float
) -> Route:
    """Draft a dozen routes and take the one that keeps the farthest from the others."""
    times = np.linspace(0, 400, 60)
    best, clearest = Route((0.0, 0.0)), -math.inf
    for _ in range(12):
        draft = _draft_route(rng, kind, speed_m)
        clearance = min(
            (
                float(np.linalg.norm(draft.at(times)[:, :2] - other.route.at(times)[:, :2], axis=1).min())
                - max(half[:2])
                - max(other.half_m[:2])
                for other in others
            ),
            default=0.03,
        )
        if min(clearance, 0.03) > clearest:
            best, clearest = draft, min(clearance, 0.03)
    return best


def _draft_route(rng: np.random.Generator, kind: str, speed_m: float) -> Route:
    """Nearly half of the routes stand still; the others go along a line, arrive, start late, rise or spin."""
    place = (float(rng.uniform(-0.27, 0.27)), float(rng.uniform(-0.22, 0.22)))
    yaw = float(rng.uniform(-math.pi, math.pi))
    speed, style = speed_m * float(rng.uniform(0.35, 1.0)), rng.random()
    start = float(rng.choice([0, rng.uniform(6, 40)]))
    sideways = rng.choice([0.0, math.pi]) + rng.normal(0, 0.12)
    line = float(rng.choice([sideways, sideways + math.pi / 2, rng.uniform(-math.pi, math.pi)]))
    rolls = kind == "ball"
    if style < 0.42:
        return Route(place, yaw=yaw)
    if style < 0.66:
        reach = float(rng.uniform(0.12, 0.4))
        return Route(place, line, reach, speed, start, yaw=yaw, rolls=rolls)
    if style < 0.84:
        reach = float(rng.uniform(0.7, 1.0))
        return Route(place, float(sideways), reach, 2 * speed, float(rng.uniform(0, 20)), True, yaw=yaw, rolls=rolls)
    if style < 0.92:
        return Route(place, speed=0.7 * speed, start=start, lift=float(rng.uniform(0.08, 0.2)), yaw=yaw)
    return Route(place, yaw=yaw, start=start, spin=float(rng.choice([-1, 1]) * rng.uniform(0.08, 0.3)))


def _choose_arms(rng: np.random.Generator, speed_m: float) -> list[Prop]:
    """An arm now and then, which reaches over the table from a side and goes back."""
    if rng.random() > 0.35:
        return []
    skin = _choose_skin(rng)
    from_angle = float(rng.choice([rng.uniform(-0.6, 0.6), math.pi + rng.uniform(-0.6, 0.6), rng.uniform(-2.2, -0.9)]))
    place = (0.75 * math.cos(from_angle), 0.75 * math.sin(from_angle))
    route = Route(
        place,
        from_angle + math.pi,
        float(rng.uniform(0.2, 0.5)),
        speed_m * float(rng.uniform(0.6, 1.5)),
        float(rng.uniform(0, 10)),
        yaw=from_angle + math.pi,
    )
    return [_arm(np.array(ARM_HALF_M) * rng.uniform(0.9, 1.15), skin, route)]


def _grip(rng: np.random.Generator, things: list[Prop]) -> Prop:
    """An arm whose fingers lie on one of the things."""
    held = things[int(rng.integers(len(things)))]
    half = np.array(ARM_HALF_M) * rng.uniform(0.8, 1.25)
    from_angle = float(rng.uniform(-math.pi, math.pi))
    # The fingers end at .95 of the arm's half length, and reach over none to nearly all of the thing.
    away = 0.95 * half[0] + float(rng.uniform(-0.8, 0.9)) * max(held.half_m[:2])
    x, y = held.route.place
    place = (x + away * math.cos(from_angle), y + away * math.sin(from_angle))
    route = replace(held.route, place=place, yaw=from_angle + math.pi, spin=0.0, rolls=False)
    return _arm(half, _choose_skin(rng), route)


def _arm(half_m: Floats, skin: Floats, route: Route) -> Prop:
    x, y, z = map(float, half_m)
    return Prop(None, "arm", (x, y, z), skin, skin, 0, 1.0, 0.05, route)


def _choose_skin(rng: np.random.Generator) -> Floats:
    return _linear(np.array(SKINS[int(rng.integers(len(SKINS)))]) * rng.uniform(0.92, 1.05, 3))


def _skin(
    rng: np.random.Generator, colour: str, material: str, held_out: bool
) -> tuple[Floats, Floats, int, float, float]:
    """First and second colour, pattern, its scale and the gloss of a thing that a person would call `colour`."""
    first = np.array(sample_colour(colour, rng))
    # A pattern's second colour is a shade of the first, or white where the name stays true.
    white = material in ("stripes", "spots") and colour not in ("white", "grey", "yellow") and rng.random() < 0.4
    if white:
        second = np.full(3, 0.95)
    elif material == "plain":
        second = first * rng.uniform(0.7, 1.1)
    else:
        second = first + rng.uniform(0.16, 0.3) if first.max() < 0.4 else first * rng.uniform(0.4, 0.68)
    gloss = float(rng.choice([0.03, 0.15, 0.5]))
    return _linear(first), _linear(second), _pattern(rng, (material,), held_out), float(rng.uniform(4, 9)), gloss


def _pattern(rng: np.random.Generator, names: tuple[str, ...], held_out: bool) -> int:
    """One variant of one of these patterns; the last of each is for held-out stages."""
    name = str(rng.choice(names))
    *usual, last = [index for index, other in enumerate(PATTERNS) if other == name]
    return last if held_out else int(rng.choice(usual))


def _surface_colour(rng: np.random.Generator) -> Floats:
    """Tables and walls are mostly pale or brownish, seldom colourful."""
    if rng.random() < 0.15:
        return _linear(rng.uniform(0.15, 0.85, 3))
    tint = rng.choice([0.0, rng.uniform(0, 0.28)])
    return _linear(rng.uniform(0.25, 0.95) * np.array([1, 1 - 0.6 * tint, 1 - 1.4 * tint]) * rng.uniform(0.96, 1.0, 3))


def _linear(srgb: Floats) -> Floats:
    clipped = np.clip(srgb, 0, 1)
    return np.asarray(np.where(clipped <= 0.04045, clipped / 12.92, ((clipped + 0.055) / 1.055) ** 2.4))


def _about_z(angle: Floats) -> Floats:
    zero, one = np.zeros_like(angle), np.ones_like(angle)
    rows = ((np.cos(angle), -np.sin(angle), zero), (np.sin(angle), np.cos(angle), zero), (zero, zero, one))
    return np.stack([np.stack(row, -1) for row in rows], -2)


def _about_y(angle: Floats) -> Floats:
    zero, one = np.zeros_like(angle), np.ones_like(angle)
    rows = ((np.cos(angle), zero, np.sin(angle)), (zero, one, zero), (-np.sin(angle), zero, np.cos(angle)))
    return np.stack([np.stack(row, -1) for row in rows], -2)


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
    tensor = torch.from_numpy(array.astype(np.int64 if array.dtype.kind == "i" else np.float32)).to(device)
    return tensor.expand(frames, *tensor.shape)
