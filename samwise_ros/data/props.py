"""The things of a stage: what they look like and how they move, and the arms that reach for them.

Called by `data.staging`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from samwise_ros.data.colours import sample_colour
from samwise_ros.data.patterns import PATTERNS
from samwise_ros.data.tracks import Floats, SceneObject
from samwise_ros.data.vocabulary import COLOURS, HELD_OUT_PAIRS

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

STRETCHES = (0.65, 1.5)
"""Range of the factors on the extents of things whose shapes are varied, across, along and up."""

LIKE: dict[str, dict[str, tuple[float, float, float]]] = {
    "cup": {"tumbler": (0.042, 0.042, 0.05), "goblet": (0.042, 0.042, 0.045)}
}
"""Solids that have a kind's name as well as its own one has, and their half extents."""

ODD: dict[str, tuple[float, float, float]] = {
    "hourglass": (0.045, 0.045, 0.055),
    "pear": (0.045, 0.045, 0.065),
    "sausage": (0.08, 0.035, 0.035),
    "pyramid": (0.05, 0.05, 0.055),
    "cross": (0.06, 0.06, 0.03),
    "star": (0.055, 0.055, 0.025),
    "animal": (0.08, 0.036, 0.064),
    "block": (0.1, 0.018, 0.018),
    "box": (0.018, 0.018, 0.1),
    "cylinder": (0.07, 0.07, 0.01),
}
"""Solids that have no name, and their half extents; three of them are such for their extents alone."""

ANGULAR = ("block", "box", "book", "cup", "sausage", "pyramid", "cross", "star", "animal")
"""Solids that look otherwise from another side; all others are round about the vertical."""

ALIKE, UNUSUAL = 0.35, 0.35
"""Shares of the things of varied stages that are as everywhere, and that have a name but another shape; the others are
odd."""

FRINGE = 0.5
"""Share of the things of varied stages with a colour that is no good example of its name."""

LYING = ("cylinder", "bottle", "cone", "tumbler", "goblet", "hourglass", "pear")
UPSIDE_DOWN = ("cup", "bowl", "tumbler", "goblet")
TIPPED = 0.3
"""What may lie on its side and what may stand on its head in varied stages, and the share of each that does."""

WOUND_UP = 0.5
"""Share of the things of varied stages that would stand still and turn around themselves instead."""

ROBOTS = 0.5
METALS = ((0.08, 0.08, 0.09), (0.25, 0.25, 0.27), (0.6, 0.6, 0.62), (0.93, 0.93, 0.9))
"""Share of the arms of varied stages that are a robot's, and their colours, sRGB."""

GRASP = 0.95
"""Where an arm's fingers end, in half lengths from its middle."""

ARM_HALF_M = (0.26, 0.0884, 0.065)
SKINS = ((0.93, 0.76, 0.65), (0.82, 0.6, 0.45), (0.6, 0.4, 0.27), (0.36, 0.23, 0.16))
"""Colours of arms, sRGB."""

THING_PATTERNS = ("plain",) * 6 + ("wood", "stripes", "stripes", "spots", "checks", "cloth")


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
        tilt: how far it is tipped over before that, about its y axis: pi stands on its head.
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
    tilt: float = 0.0
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
        turned = _about_z(yaw)
        if self.tilt:
            turned = turned @ _about_y(np.full_like(t, self.tilt))
        if not self.rolls:
            return turned
        # A ball that rolls along the line turns about the level axis across it.
        angle, line = self.way(t) / radius, np.full_like(t, self.direction)
        return np.asarray(_about_z(line) @ _about_y(angle) @ _about_z(-line) @ turned)


@dataclass(frozen=True, slots=True)
class Prop:
    """One thing of a stage; `thing` is None for an arm, which nobody speaks of.

    What is a photograph (its number, -1 for solids) is a solid to the light alone; `tinted` is what has `first` in the
    photograph's shades. See `data.cutouts`.
    """

    thing: SceneObject | None
    kind: str
    half_m: tuple[float, float, float]
    first: Floats
    second: Floats
    pattern: int
    sides_per_m: float
    gloss: float
    route: Route
    photograph: int = -1
    tinted: bool = False

    @property
    def extents_m(self) -> tuple[float, float, float]:
        """Half extents as it stands or lies, before its turn about the vertical."""
        (x, y, z), level, steep = self.half_m, abs(math.cos(self.route.tilt)), abs(math.sin(self.route.tilt))
        return level * x + steep * z, y, steep * x + level * z

    @property
    def can_be_seen_to_spin(self) -> bool | None:
        """Whether it turns around itself, and does not look the same all the while; None where that is a question."""
        if not self.route.spin:
            return False
        if self.kind in ANGULAR or abs(math.sin(self.route.tilt)) > 0.5:
            return True
        # Stripes go around what is round, and cloth has faint blotches.
        return {"plain": False, "cloth": None, "stripes": None}.get(PATTERNS[self.pattern], True)


def choose_props(rng: np.random.Generator, speed_m: float, held_out: bool) -> list[Prop]:
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


def make_unusual(rng: np.random.Generator, prop: Prop) -> Prop:
    """Give a thing another shape, colour, pose and motion, each now and then, that real things of its name have."""
    return _wind_up(rng, _tip_over(rng, _recolour(rng, _reshape(rng, prop))))


def _reshape(rng: np.random.Generator, prop: Prop) -> Prop:
    """Give a thing another shape, be it one that its name does not fit."""
    assert prop.thing is not None
    draw = rng.random()
    if draw < ALIKE:
        return prop
    if draw < ALIKE + UNUSUAL:
        thing, others = prop.thing, LIKE.get(prop.kind, {})
        kind = str(rng.choice([prop.kind, *others]))
    else:
        thing, others = replace(prop.thing, odd=True), ODD
        kind = str(rng.choice(list(ODD)))
    usual = np.array(others[kind]) * SIZES[thing.size] if kind in others else prop.half_m
    least, most = np.log(STRETCHES)
    across, along, up = np.exp(rng.uniform(least, most, 3))
    if kind in ("ball", "ring", "bowl", "sausage", "animal"):
        across = along = up  # they are round, or have proportions of their own
    elif kind not in ("block", "box", "book", "cross"):
        along = across
    half = (float(across * usual[0]), float(along * usual[1]), float(up * usual[2]))
    route = replace(prop.route, rolls=prop.route.rolls and kind == "ball")
    return replace(prop, thing=thing, kind=kind, half_m=half, route=route)


def _recolour(rng: np.random.Generator, prop: Prop) -> Prop:
    """Give a thing another colour that has the same name; see `colours.FRINGES_HSV`."""
    assert prop.thing is not None
    if rng.random() >= FRINGE:
        return prop
    first, second, pattern, sides_per_m, gloss = _skin(rng, prop.thing.colour, prop.thing.material, False, fringe=True)
    return replace(prop, first=first, second=second, pattern=pattern, sides_per_m=sides_per_m, gloss=gloss)


def _tip_over(rng: np.random.Generator, prop: Prop) -> Prop:
    """Lay a thing on its side or stand it on its head, if that is how it may be found."""
    lies, turned = prop.kind in LYING and rng.random() < TIPPED, prop.kind in UPSIDE_DOWN and rng.random() < TIPPED
    if not lies and not turned:
        return prop
    return replace(prop, route=replace(prop.route, tilt=math.pi / 2 if lies else math.pi))


def _wind_up(rng: np.random.Generator, prop: Prop) -> Prop:
    """Make a thing that would stand still turn around itself; where all are chosen alike, few do."""
    route = prop.route
    if route.reach or route.lift or route.spin or rng.random() >= WOUND_UP:
        return prop
    return replace(prop, route=replace(route, start=_choose_start(rng), spin=_choose_spin(rng)))


def mechanise(rng: np.random.Generator, arm: Prop) -> Prop:
    """Make half of the arms a robot's, which reaches more or less from above to where the hand was."""
    if rng.random() >= ROBOTS:
        return arm
    tilt, yaw, (x, y) = float(rng.uniform(0.2, 0.5) * math.pi), arm.route.yaw, arm.route.place
    nearer = GRASP * arm.half_m[0] * (1 - math.cos(tilt))
    place = (x + nearer * math.cos(yaw), y + nearer * math.sin(yaw))
    metal = to_linear(np.array(METALS[int(rng.integers(len(METALS)))]) * rng.uniform(0.9, 1.05, 3))
    gloss = float(rng.uniform(0.05, 0.5))
    route = replace(arm.route, place=place, tilt=tilt)
    return replace(arm, kind="gripper", first=metal, second=metal, gloss=gloss, route=route)


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
    start = _choose_start(rng)
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
    return Route(place, yaw=yaw, start=start, spin=_choose_spin(rng))


def _choose_start(rng: np.random.Generator) -> float:
    """The frame in which something begins to move: the first or another."""
    return float(rng.choice([0, rng.uniform(6, 40)]))


def _choose_spin(rng: np.random.Generator) -> float:
    """Radians per frame, either way."""
    return float(rng.choice([-1, 1]) * rng.uniform(0.08, 0.3))


def choose_arms(rng: np.random.Generator, speed_m: float) -> list[Prop]:
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


def holding_arm(rng: np.random.Generator, things: list[Prop]) -> Prop:
    """An arm whose fingers lie on one of the things."""
    held = things[int(rng.integers(len(things)))]
    half = np.array(ARM_HALF_M) * rng.uniform(0.8, 1.25)
    from_angle = float(rng.uniform(-math.pi, math.pi))
    # The fingers reach over none to nearly all of the thing.
    away = GRASP * half[0] + float(rng.uniform(-0.8, 0.9)) * max(held.half_m[:2])
    x, y = held.route.place
    place = (x + away * math.cos(from_angle), y + away * math.sin(from_angle))
    route = replace(held.route, place=place, yaw=from_angle + math.pi, tilt=0.0, spin=0.0, rolls=False)
    return _arm(half, _choose_skin(rng), route)


def _arm(half_m: Floats, skin: Floats, route: Route) -> Prop:
    x, y, z = map(float, half_m)
    return Prop(None, "arm", (x, y, z), skin, skin, 0, 1.0, 0.05, route)


def _choose_skin(rng: np.random.Generator) -> Floats:
    return to_linear(np.array(SKINS[int(rng.integers(len(SKINS)))]) * rng.uniform(0.92, 1.05, 3))


def _skin(
    rng: np.random.Generator, colour: str, material: str, held_out: bool, *, fringe: bool = False
) -> tuple[Floats, Floats, int, float, float]:
    """First and second colour, pattern, its scale and the gloss of a thing that a person would call `colour`."""
    first = np.array(sample_colour(colour, rng, fringe=fringe))
    # A pattern's second colour is a shade of the first, or white where the name stays true.
    white = material in ("stripes", "spots") and colour not in ("white", "grey", "yellow") and rng.random() < 0.4
    if white:
        second = np.full(3, 0.95)
    elif material == "plain":
        second = first * rng.uniform(0.7, 1.1)
    else:
        second = first + rng.uniform(0.16, 0.3) if first.max() < 0.4 else first * rng.uniform(0.4, 0.68)
    gloss = float(rng.choice([0.03, 0.15, 0.5]))
    pattern, scale = choose_pattern(rng, (material,), held_out), float(rng.uniform(4, 9))
    return to_linear(first), to_linear(second), pattern, scale, gloss


def choose_pattern(rng: np.random.Generator, names: tuple[str, ...], held_out: bool) -> int:
    """One variant of one of these patterns; the last of each is for held-out stages."""
    name = str(rng.choice(names))
    *usual, last = [index for index, other in enumerate(PATTERNS) if other == name]
    return last if held_out else int(rng.choice(usual))


def to_linear(srgb: Floats) -> Floats:
    """Linear light of sRGB colours, 0..1."""
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
