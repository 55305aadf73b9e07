"""Which objects a scene of the synthetic world has, and how they move. Called by `synthetic.World`.

Objects share their kind or colour with another one often, so that it takes size, place or motion to tell them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from samwise_ros.data.expressions import COLOURS, KINDS, SceneObject

_SIZE_NAMES = ("small", "medium", "large")
_RIM = 0.1


@dataclass(frozen=True, slots=True)
class Path:
    """A way back and forth, at constant speed between its turns.

    Positions are those of the foot, (x, y) as shares of the picture's width and height.

    Attributes:
        middle: centre of the way.
        reach: how far it goes to each side; 0 stands still.
        period: frames per round trip, for x and y.
        phase: 0..1, where it starts.
        leaves: the object leaves the picture now and then.
    """

    middle: tuple[float, float]
    reach: tuple[float, float] = (0.0, 0.0)
    period: tuple[float, float] = (1.0, 1.0)
    phase: tuple[float, float] = (0.0, 0.0)
    leaves: bool = False

    def at(self, t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the positions (T, 2) at frames t (T,)."""
        turn = (t[:, None] / np.array(self.period) + np.array(self.phase)) % 1.0
        return np.asarray(np.array(self.middle) + np.array(self.reach) * (4.0 * np.abs(turn - 0.5) - 1.0))


def choose_objects(rng: np.random.Generator) -> tuple[SceneObject, ...]:
    """Choose 3 to 7 objects, many of them alike in kind, colour or both."""
    objects: list[SceneObject] = []
    for index in range(1, int(rng.integers(3, 8)) + 1):
        kind, colour, size = str(rng.choice(KINDS)), str(rng.choice(COLOURS)), str(rng.choice(_SIZE_NAMES))
        if objects:
            twin, draw = objects[int(rng.integers(len(objects)))], rng.random()
            kind = twin.kind if draw < 0.42 else kind
            colour = twin.colour if 0.3 < draw < 0.72 else colour
            if draw < 0.72 and rng.random() < 0.5:
                size = {"small": "large", "medium": size, "large": "small"}[twin.size]
        objects.append(SceneObject(index, kind, colour, size))
    return tuple(objects)


def choose_paths(rng: np.random.Generator, count: int, top: float, max_speed: float) -> tuple[Path, ...]:
    """Choose where objects stand and move, their feet apart from one another where that is possible.

    Args:
        rng: all choices come from it.
        count: how many objects there are.
        top: farthest foot, as a share of the picture's height.
        max_speed: way of the fastest per frame, as a share of the picture's width.

    Returns:
        One path for each object.
    """
    times = np.linspace(0, 8 / max_speed, 48)
    chosen: list[Path] = []
    taken: list[npt.NDArray[np.float64]] = []
    for _ in range(count):
        drafts = [_draft_path(rng, top, max_speed) for _ in range(12)]
        ways = [draft.at(times) for draft in drafts]
        best = int(np.argmax([min(_clearance(way, taken), 0.17) for way in ways]))
        chosen.append(drafts[best])
        taken.append(ways[best])
    return tuple(chosen)


def _clearance(way: npt.NDArray[np.float64], others: list[npt.NDArray[np.float64]]) -> float:
    """Least distance on the ground from one way (T, 2) to the others; the ground is foreshortened."""
    if not others:
        return 1.0
    apart = (np.stack(others) - way) * [1.0, 1.6]
    return float(np.sqrt((apart**2).sum(axis=2).min()))


def _draft_path(rng: np.random.Generator, top: float, max_speed: float) -> Path:
    """One path: half of them stand still, the others go sideways, in depth, across, or out of the picture."""
    x, y = float(rng.uniform(_RIM, 1 - _RIM)), float(rng.uniform(top, 0.95))
    speed, phase = max_speed * float(rng.uniform(0.5, 1.0)), (float(rng.random()), float(rng.random()))
    style = rng.random()
    if style < 0.5:
        return Path((x, y))
    if style < 0.57:
        reach = float(rng.uniform(0.55, 0.75))
        return Path((0.5, y), (reach, 0.0), (4 * reach / speed, 1.0), phase, leaves=True)
    if style < 0.77:
        reach = float(rng.uniform(0.12, 0.5 - _RIM))
        x = float(rng.uniform(reach + _RIM, 1 - _RIM - reach))
        return Path((x, y), (reach, 0.0), (4 * reach / speed, 1.0), phase)
    depth = float(rng.uniform(0.5, 1.0)) * (0.95 - top) / 2
    y = float(rng.uniform(top + depth, 0.95 - depth))
    if style < 0.93:
        return Path((x, y), (0.0, depth), (1.0, 4 * depth / (0.8 * speed)), phase)
    reach = float(rng.uniform(0.15, 0.5 - _RIM))
    x = float(rng.uniform(reach + _RIM, 1 - _RIM - reach))
    return Path((x, y), (reach, depth), (4 * reach / speed, 5.2 * depth / speed), phase)
