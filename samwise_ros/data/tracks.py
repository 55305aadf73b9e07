"""Where the things of a clip are, and what can clearly be said of each and of pairs. Called by `data.facts`.

Sets of things are whole numbers used as bit masks: bit i stands for thing i. Language compares small groups many times,
and these are the fastest sets there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MIN_VISIBLE_SHARE = 0.0015
"""Share of the picture that a thing must show to be spoken of."""
MIN_WHOLE = 0.25
"""Share of itself that a thing must show, half of the time, to be named: a strip at the picture's edge is no cup."""
MIN_SIZE_RATIO = 1.3
"""Ratio of apparent and of real widths from which on one thing is clearly larger."""
MIN_PLACE_GAP = 0.09
"""Gap, as a share of the picture's width (height), from which on one thing is clearly further left (nearer)."""
MIN_AWAY_M = 0.04
"""Gap on the table, in metres, that the nearer thing must have as well."""
MIN_MOTION = 0.03
"""Way, as a share of the picture's width, that a moving thing goes."""
MAX_REST = 0.03
"""Way, as a share of the picture's width, that a resting thing may drift with the camera."""
PERHAPS = 0.2
"""Part of the longest part of a way from which on somebody might say that a thing goes that way, too."""
MIN_MOTION_FRAMES = 4
"""Shortest clip in which motion is spoken of."""

MOVING, UNCLEAR = "moving", "unclear"

DIRECTIONS = (("moving left", "moving right"), ("coming closer", "moving away"), ("moving down", "moving up"))
"""Names of the motions along each axis of `Tracks.ground_m`, against it and along it."""

MOTIONS = ("still", "spinning", "turning", *(name for axis in DIRECTIONS for name in axis))
"""Of these each thing has one, unless nothing can be said; "turning" goes back and forth."""


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One thing of a scene that can be spoken of.

    Attributes:
        index: 1..N, also its value in the instance pictures.
        kind: one of `vocabulary.KINDS`.
        colour: one of `vocabulary.COLOURS`.
        size: "small", "medium" or "large".
        material: one of `patterns.PATTERNS`, of which some have a word in `vocabulary.MATERIALS`; "" is unknown.
        odd: it has a shape that none of the names fits. Then `kind` is what it is called here, and nobody is wrong to
            call it otherwise.
    """

    index: int
    kind: str
    colour: str
    size: str
    material: str
    odd: bool = False


@dataclass(frozen=True)
class Tracks:
    """Where N things are over T frames.

    Attributes:
        objects: the N things.
        share: (T, N) visible pixels as a share of the picture's.
        whole: (T, N) the part of the thing that is seen: not behind another one, and within the picture's edges.
        x: (T, N) centre of what is visible, 0..1 from the left; of the whole thing where nothing is.
        foot_y: (T, N) where it stands, as a share of the height.
        size: (T, N) square root of the whole silhouette's area, as a share of the picture's width.
        ground_m: (T, N, 3) its place on the table as the camera of the middle frame sees it: to the right, away, up.
        half_m: (N, 3) half extents.
        way: (T, N, 2) centre in the picture, both axes as shares of the width.
        own_way: (T, N, 2) likewise, as if the camera stood still.
        spins: (T, N) it can be seen to turn around itself.
        may_spin: (T, N) it turns around itself, and one may see it or not.
        rolls: (N,) it rolls when it moves.
        arm_moves: an arm is moving, which somebody might call a thing.
    """

    objects: tuple[SceneObject, ...]
    share: Floats
    whole: Floats
    x: Floats
    foot_y: Floats
    size: Floats
    ground_m: Floats
    half_m: Floats
    way: Floats
    own_way: Floats
    spins: Bools
    may_spin: Bools
    rolls: Bools
    arm_moves: bool

    @cached_property
    def in_view(self) -> int:
        """Things of which anything is in view in any frame."""
        return bits((self.share > 0).any(0))

    @cached_property
    def steady(self) -> int:
        """Things that are well in view in every frame."""
        return bits((self.share >= MIN_VISIBLE_SHARE).all(0)) & self.recognisable

    @cached_property
    def named(self) -> int:
        """Things that are well in view most of the time."""
        return bits((self.share >= MIN_VISIBLE_SHARE).mean(0) >= 0.5) & self.recognisable

    @cached_property
    def recognisable(self) -> int:
        """Things that show enough of themselves half of the time."""
        return bits((self.whole >= MIN_WHOLE).mean(0) >= 0.5)

    @cached_property
    def left(self) -> list[int]:
        """Per thing, those that it is clearly left of, in every frame."""
        return pairs(self.x[:, None, :] - self.x[:, :, None] >= MIN_PLACE_GAP)

    @cached_property
    def right(self) -> list[int]:
        """Per thing, those that it is clearly right of."""
        return pairs(self.x[:, :, None] - self.x[:, None, :] >= MIN_PLACE_GAP)

    @cached_property
    def not_left(self) -> list[int]:
        """Per thing, those that it is clearly not left of."""
        return pairs(self.x[:, :, None] - self.x[:, None, :] >= 0)

    @cached_property
    def not_right(self) -> list[int]:
        """Per thing, those that it is clearly not right of."""
        return pairs(self.x[:, None, :] - self.x[:, :, None] >= 0)

    @cached_property
    def nearer(self) -> list[int]:
        """Per thing, those that it is clearly nearer than."""
        return pairs(self._nearer)

    @cached_property
    def farther(self) -> list[int]:
        """Per thing, those that it is clearly farther than."""
        return pairs(self._nearer.transpose(0, 2, 1))

    @cached_property
    def smaller(self) -> list[int]:
        """Per thing, those that are clearly larger, to the eye and in truth."""
        return pairs(self._larger.transpose(0, 2, 1))

    @cached_property
    def larger(self) -> list[int]:
        """Per thing, those that are clearly smaller."""
        return pairs(self._larger)

    @cached_property
    def taller(self) -> list[int]:
        """Per thing, those that are clearly less tall, to the eye and in truth."""
        height = self.half_m[:, 2]
        seen = height / np.linalg.norm(self.half_m, axis=1) * self.size
        return pairs(_ratio(seen) & _ratio(height[None]))

    @property
    def _larger(self) -> Bools:
        return _ratio(self.size) & _ratio(np.cbrt(self.half_m.prod(1))[None])

    @property
    def _nearer(self) -> Bools:
        lower = self.foot_y[:, :, None] - self.foot_y[:, None, :] >= MIN_PLACE_GAP
        away = self.ground_m[..., 1]
        return np.asarray(lower & (away[:, None, :] - away[:, :, None] >= MIN_AWAY_M))

    @cached_property
    def least_gap_m(self) -> Floats:
        """(T, N, N) metres of table between two things, however they are turned."""
        return self._gap_m(self.half_m[:, :2].max(1))

    @cached_property
    def most_gap_m(self) -> Floats:
        """(T, N, N) the same at most; of what is round both are one."""
        return self._gap_m(self.half_m[:, :2].min(1))

    def _gap_m(self, radius: Floats) -> Floats:
        flat = self.ground_m[..., :2]
        return np.asarray(
            np.linalg.norm(flat[:, :, None] - flat[:, None], axis=-1) - radius[:, None] - radius, np.float64
        )

    @cached_property
    def motions(self) -> list[frozenset[str]]:
        """Per thing, the names of how it moves.

        "still"; or "moving", a direction ("turning" where it goes back and forth) and perhaps "rolling"; or "spinning";
        or "unclear" where nothing can be said. "perhaps moving up" and the like are directions that it has a part of.
        """
        return [self.motion(i, 0, len(self.share)) for i in range(len(self.objects))]

    @property
    def main_motions(self) -> tuple[str, ...]:
        """Per thing, one of MOTIONS, or "" where nothing can be said."""
        return tuple(next((name for name in MOTIONS if name in names), "") for names in self.motions)

    def motion(self, i: int, start: int, stop: int) -> frozenset[str]:
        """How thing i moves in frames start..stop-1; see `motions`."""
        place, own = self.ground_m[start:stop, i], self.own_way[start:stop, i]
        if len(place) < MIN_MOTION_FRAMES:
            return frozenset((UNCLEAR,))
        steps = np.diff(place, axis=0)
        going = np.abs(steps).max(1) > 1e-5
        drift = np.ptp(self.way[start:stop, i] - own, axis=0).max()
        spins = self.spins[start:stop, i]
        if self.may_spin[start:stop, i].any():
            return frozenset((UNCLEAR,))
        if spins.any():
            return frozenset(("spinning",)) if spins.all() else frozenset((UNCLEAR,))
        if not going.any():
            return frozenset(("still",)) if drift <= MAX_REST else frozenset((UNCLEAR,))
        if not going[0] or going.mean() < 0.8 or np.ptp(own, axis=0).max() < max(MIN_MOTION, 1.5 * drift):
            return frozenset((UNCLEAR,))
        names = {MOVING} | ({"rolling"} if self.rolls[i] else set())
        way, length = place[-1] - place[0], np.abs(steps).sum(0)
        main = int(np.abs(way).argmax())
        if abs(way[main]) < 0.95 * length[main] or np.sort(np.abs(way))[1] > 0.55 * abs(way[main]):
            return frozenset(names | {"turning"})
        direction = DIRECTIONS[main][int(way[main] > 0)]
        right, down = own[-1] - own[0]
        perhaps = _directions(way) | _directions(np.array((right, 0.0, -down)))
        return frozenset(names | {direction} | {f"perhaps {name}" for name in perhaps - {direction}})


def _directions(way: Floats) -> set[str]:
    """The directions that a way (3,) has a part of, along the axes of DIRECTIONS."""
    parts = zip(DIRECTIONS, way, strict=True)
    return {names[int(part > 0)] for names, part in parts if abs(part) > PERHAPS * np.abs(way).max()}


def bits(flags: npt.ArrayLike) -> int:
    """The set of those i for which flags (N,) is True."""
    return sum(1 << int(i) for i in np.flatnonzero(flags))


def pairs(clear: Bools) -> list[int]:
    """Per thing i, the set of those j for which clear (T, N, N) is True in every frame."""
    return [bits(row) for row in np.asarray(clear.all(0))]


def members(group: int) -> list[int]:
    """The things of a set, in rising order."""
    return [i for i in range(group.bit_length()) if group >> i & 1]


def _ratio(size: Floats) -> Bools:
    """(T, N, N) whether i is clearly larger than j."""
    return np.asarray(size[:, :, None] >= MIN_SIZE_RATIO * np.maximum(size[:, None, :], 1e-6))
