"""The synthetic world: video of things on a table with referring expressions and exact masks.

What `compact` is measured on and half of what it is trained on (`render_clip`), and the demo's camera (`World.frame`).
Every picture is a function of the seed and the frame number (and of the photographs, if any), so a clip can be made
again instead of being stored. Seeds below FIRST_TRAINING_SEED are for tests; held-out worlds show pairs of colour and
kind, patterns and phrasings that are never trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from samwise_ros.data.expressions import Expression, describe
from samwise_ros.data.photographs import load_photographs
from samwise_ros.data.staging import Stage
from samwise_ros.data.tracks import Floats, SceneObject, Tracks
from samwise_ros.errors import DatasetError

FIRST_TRAINING_SEED = 1_000_000
"""Seeds from here on are for training; those below are for validation, tests and the demo."""

MIN_SIDE_PX = 32
SPEED_M = 0.02
"""Usual way of the fastest things per frame."""

LAST_EVENT = 80
"""Things begin to move, or come into view, before this frame."""

PIXELS_AT_ONCE = 1_300_000
"""Four pictures of 640x480 are filmed together; more would be no faster on a CPU."""

BOX_SPOTS = 0.8 * np.stack(np.meshgrid(*3 * [np.linspace(-1, 1, 4)]), -1).reshape(-1, 3)
"""Places (64, 3) within a box of half extents 1 that stand for what fills it."""

NORMAL_UNIT = 127
"""Length of a normal that is kept in whole numbers."""

CPU = torch.device("cpu")
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Clip:
    """A short video with its truth.

    Attributes:
        rgb: (T, H, W, 3) uint8, RGB.
        instances: (T, H, W) uint8, 0 background, k the visible pixels of object k.
        objects: the objects of the scene, whether in view or not.
        expressions: what is true of exactly one of them (or of none).
        normals: (T, H, W, 3) int8, the objects' outward normals times NORMAL_UNIT in the camera's coordinates (x right,
            y down, z forwards), 0 where there is none; None where nobody knows them.
        motions: how each object moves, one of `tracks.MOTIONS`, or "" where nothing can be said; () where nobody knows.
    """

    rgb: Bytes
    instances: Bytes
    objects: tuple[SceneObject, ...]
    expressions: tuple[Expression, ...]
    normals: npt.NDArray[np.int8] | None = None
    motions: tuple[str, ...] = ()

    def mask(self, expression: Expression) -> npt.NDArray[np.bool_]:
        """Return (T, H, W) bool: the pixels that `expression` refers to; all False where it is true of nothing."""
        if expression.object_index == 0:
            return np.zeros(self.instances.shape, bool)
        mask = np.asarray(self.instances == expression.object_index)
        mask[: expression.since] = False
        return mask


class World:
    """One endless scene and its camera.

    Args:
        seed: 0 or more; decides everything but the size of the picture and what photographs show.
        height: rows of the picture, at least 32.
        width: columns of the picture, at least 32.
        speed_m: way of the fastest things per frame, above 0, at most 0.1.
        zoom: how much closer than usual the camera is, to one of the things; half or more.
        held_out: show held-out combinations.
        grip: a hand holds one of the things and goes where it goes.
        varied: things have other shapes, too, of other proportions and such as have no name; the room has patches of
            their colours; and where nothing is a cup, the only red thing is "the red cup".
        photographs: folder of photographs that some of the things and surfaces of a varied world are, see
            `photographs.load_photographs`; None for none.
        device: where to film.

    Raises:
        DatasetError: an argument is out of its range, or the photographs cannot be read.
    """

    def __init__(
        self,
        seed: int,
        *,
        height: int,
        width: int,
        speed_m: float = SPEED_M,
        zoom: float = 1.0,
        held_out: bool = False,
        grip: bool = False,
        varied: bool = False,
        photographs: Path | None = None,
        device: torch.device = CPU,
    ) -> None:
        _check_arguments(seed, height, width, speed_m, zoom)
        self._seed, self._height, self._width, self._device = seed, height, width, device
        self._held_out, self._varied = held_out, varied
        self._stage = Stage(
            seed,
            speed_m=speed_m,
            zoom=zoom,
            held_out=held_out,
            grip=grip,
            varied=varied,
            photographs=load_photographs(photographs, device) if photographs else None,
        )

    @property
    def objects(self) -> tuple[SceneObject, ...]:
        """The objects of the scene, whether in view or not."""
        return self._stage.objects

    @cached_property
    def events(self) -> tuple[int, ...]:
        """Frames in which something begins to move or comes into view, in rising order; frame 0 is none."""
        t = np.arange(LAST_EVENT, dtype=np.float64)
        place = np.stack([prop.route.at(t) for prop in self._stage.props[: len(self.objects)]], 1)
        moves = np.abs(np.diff(place, axis=0)).max(-1) > 1e-5
        begins = moves[1:] & ~moves[:-1]
        seen_at = self._project(t, place)
        inside = np.asarray((np.abs(seen_at / [self._width, self._height] - 0.5) < 0.53).all(-1))
        enters = inside[1:] & ~inside[:-1]
        happens = [np.flatnonzero(event.any(1)) + 1 for event in (begins, enters)]
        return tuple(np.unique(np.concatenate(happens)).tolist())

    def before_event(self, frames: int) -> int:
        """The first frame of a clip of so many in whose midst something happens; 0 where nothing does."""
        if not self.events:
            return 0
        return max(0, self.events[self._seed % len(self.events)] - frames // 3)

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
        rgb, instances = self.film(np.array([t], np.float64))
        return rgb[0], instances[0]

    def film(self, moments: Floats) -> tuple[Bytes, Bytes]:
        """Film some moments.

        Args:
            moments: (T,) numbers of frames, 0 or more; they need not be whole or in order.

        Returns:
            rgb (T, H, W, 3) uint8, and instances (T, H, W) uint8, as `frame` returns them.
        """
        return self._film(moments)[:2]

    def stills(self, moments: Floats) -> list[Clip]:
        """Film some moments (T,), see `film`, as clips of one frame of which nothing is said."""
        rgb, instances, normals, _ = self._film(moments)
        parts = zip(*(np.split(part, len(moments)) for part in (rgb, instances, normals)), strict=True)
        return [Clip(picture, owner, self.objects, (), normal) for picture, owner, normal in parts]

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
        return self.clip(start, stop - start).expressions

    def clip(self, start: int, frames: int, stride: int = 1) -> Clip:
        """Film a few frames and say what holds throughout them.

        Args:
            start: first frame, 0 or more.
            frames: length of the clip, at least 1.
            stride: from one frame of the clip to the next, at least 1: a slower camera.

        Returns:
            The clip and its expressions.

        Raises:
            DatasetError: the range is empty or starts below 0.
        """
        return self.clips([start], frames, stride)[0]

    def clips(self, starts: Sequence[int], frames: int, stride: int = 1) -> list[Clip]:
        """Film some clips at once, which is faster than one after the other; see `clip`."""
        if min(starts) < 0 or frames < 1 or stride < 1:
            raise DatasetError(
                f"a clip of {frames} frames at stride {stride} from frame {min(starts)} on was asked for, "
                "expected 1 or more of both, from 0 or later on"
            )
        moments = np.array(starts, np.float64)[:, None] + stride * np.arange(frames)
        filmed = self._film(moments.ravel())
        clips = []
        for start, when, *parts in zip(starts, moments, *(np.split(part, len(starts)) for part in filmed), strict=True):
            rgb, instances, normals, silhouettes = parts
            rng = np.random.default_rng([self._seed, 4, start, frames, stride])
            tracks = self._measure(when, instances, silhouettes)
            said = describe(
                tracks, rng, held_out=self._held_out, misnamed=self._varied, room_colours=self._stage.room_colours
            )
            clips.append(Clip(rgb, instances, self.objects, said, normals, tracks.main_motions))
        return clips

    def _film(self, moments: Floats) -> tuple[Bytes, Bytes, npt.NDArray[np.int8], Floats]:
        """Pictures, instances, normals, and silhouettes (T, N) in pixels.

        A few moments at once, since each costs memory.
        """
        count, parts = len(self.objects), []
        at_once = max(1, PIXELS_AT_ONCE // (self._height * self._width))
        for first in range(0, len(moments), at_once):
            rgb, filmed = self._stage.film(moments[first : first + at_once], self._height, self._width, self._device)
            spoken_of = filmed.owner <= count
            normal = (NORMAL_UNIT * filmed.normal * spoken_of[..., None]).round().to(torch.int8)
            parts.append((rgb, filmed.owner * spoken_of, normal, filmed.silhouette[:, :count].double()))
        pictures, owners, normals, silhouettes = (torch.cat(part).cpu() for part in zip(*parts, strict=True))
        return pictures.numpy(), owners.numpy(), normals.numpy(), silhouettes.numpy()

    def _measure(self, moments: Floats, instances: Bytes, silhouettes: Floats) -> Tracks:
        """Where the objects are."""
        props = self._stage.props[: len(self.objects)]
        area, x = np.stack([_count_pixels(picture, len(props)) for picture in instances], axis=1)
        half = np.array([prop.extents_m for prop in props])
        foot, middle = self._places(moments)
        seen_at, foot_at = (self._project(moments, points) for points in (middle, foot))
        still = np.full_like(moments, moments[len(moments) // 2])
        turns = np.stack([prop.route.start <= moments for prop in props], 1)
        return Tracks(
            objects=self.objects,
            share=area / (self._height * self._width),
            whole=area / np.maximum(silhouettes, 1) * self._inside(moments),
            x=np.where(area > 0, x, seen_at[..., 0]) / self._width,
            foot_y=foot_at[..., 1] / self._height,
            size=np.sqrt(silhouettes) / self._width,
            ground_m=self._ground(still[:1], foot),
            half_m=half,
            way=seen_at / self._width,
            own_way=self._project(still, middle) / self._width,
            spins=turns & np.array([prop.can_be_seen_to_spin is True for prop in props]),
            may_spin=turns & np.array([prop.can_be_seen_to_spin is None for prop in props]),
            rolls=np.array([prop.route.rolls for prop in props]),
            arm_moves=any(np.ptp(arm.route.at(moments), axis=0).any() for arm in self._stage.props[len(props) :]),
        )

    def _places(self, moments: Floats) -> tuple[Floats, Floats]:
        """Where things touch the table, and their middles: (T, N, 3) both, metres."""
        props = self._stage.props[: len(self.objects)]
        foot = np.stack([prop.route.at(moments) for prop in props], 1)
        return foot, foot + [(0, 0, prop.extents_m[2]) for prop in props]

    def _inside(self, moments: Floats) -> Floats:
        """The share (T, N) of each thing's box that is within the picture's edges."""
        props, middle = self._stage.props[: len(self.objects)], self._places(moments)[1]
        turn = np.stack([prop.route.turn(moments, prop.half_m[2]) for prop in props], 1)
        spots = np.array([prop.half_m for prop in props])[:, None] * BOX_SPOTS
        points = middle[:, :, None] + np.einsum("tnij,nkj->tnki", turn, spots)
        seen_at = self._project(moments, points.reshape(len(moments), -1, 3)).reshape(*points.shape[:3], 2)
        return np.asarray(((seen_at >= 0) & (seen_at < [self._width, self._height])).all(-1).mean(-1))

    def _project(self, moments: Floats, points: Floats) -> Floats:
        """Where points (T, P, 3) are in the picture: (T, P, 2) pixels."""
        eyes = self._stage.eyes(moments, self._height, self._width, CPU)
        return np.asarray(eyes.project(torch.from_numpy(points).float()).double())

    def _ground(self, moment: Floats, points: Floats) -> Floats:
        """Points (..., 3) as to the right, away and up, for the camera of one moment (1,)."""
        ahead = self._stage.eyes(moment, self._height, self._width, CPU).turn[0, :2, 2].double().numpy()
        ahead /= np.linalg.norm(ahead)
        right = np.array([ahead[1], -ahead[0]])
        return np.stack((points[..., :2] @ right, points[..., :2] @ ahead, points[..., 2]), -1)


def render_clip(seed: int, *, frames: int, height: int, width: int, held_out: bool = False) -> Clip:
    """Film some frames of the world of one seed: from the first on, or where something happens in their midst.

    Args:
        seed: 0 or more; FIRST_TRAINING_SEED and above are for training. Odd ones wait for something to happen.
        frames: length of the clip, at least 1.
        height: rows of the picture, at least 32.
        width: columns of the picture, at least 32.
        held_out: show held-out combinations.

    Returns:
        The clip and its expressions.

    Raises:
        DatasetError: an argument is out of its range.
    """
    world = World(seed, height=height, width=width, held_out=held_out)
    return world.clip(world.before_event(frames) if seed % 2 else 0, frames)


def _check_arguments(seed: int, height: int, width: int, speed_m: float, zoom: float) -> None:
    """Raise DatasetError unless a world can be made of these."""
    if seed < 0:
        raise DatasetError(f"seed is {seed}, expected 0 or more: choose another seed")
    if min(height, width) < MIN_SIDE_PX:
        raise DatasetError(
            f"picture is {width} x {height} pixels, expected at least {MIN_SIDE_PX} x {MIN_SIDE_PX}: "
            "choose a larger width or height"
        )
    if not 0 < speed_m <= 0.1:
        raise DatasetError(f"speed_m is {speed_m}, expected above 0 and at most 0.1 metres per frame")
    if not zoom >= 0.5:
        raise DatasetError(f"zoom is {zoom}, expected 0.5 or more: take 1 for the usual distance")


def _count_pixels(instances: Bytes, count: int) -> Floats:
    """Area and mean column, (2, count), of the objects' visible pixels in one frame; 0 without any."""
    row, column = np.nonzero(instances)
    owner = instances[row, column] - 1
    area = np.bincount(owner, minlength=count)
    return np.stack([area, np.bincount(owner, column, minlength=count) / np.maximum(area, 1)])
