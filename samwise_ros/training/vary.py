"""Other views of a picture that has been filmed already, which cost less than filming. Called by `training.samples`."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from samwise_ros.data.synthetic import NORMAL_UNIT, Clip
from samwise_ros.engine.preprocess import MEAN

SCALES, ASPECTS, TURNS_RAD, SHIFTS = (0.75, 1.3), (0.88, 1.13), (-0.2, 0.2), (-0.15, 0.15)
"""How much larger, how much wider than high, how far turned, and how far moved as a share of the picture's side."""

GAINS, OFFSETS = (0.85, 1.15), (-9.0, 9.0)
"""Factor on the light's distance from the middle, and grey levels added."""

CASTS, GAMMAS, SATURATIONS = 0.06, (0.78, 1.28), (0.75, 1.4)
"""What cameras do to colours: a factor for each of R, G, B, by its spread; a power; and how far from grey."""


def vary(clip: Clip, rng: np.random.Generator) -> Clip:
    """Turn, shift, scale and half of the time mirror a clip, and change its light: what is seen keeps its names.

    All frames are changed alike, so that motions stay what they are.

    Args:
        clip: of square pictures with normals, of which nothing is said, since places change.
        rng: decides.

    Returns:
        The clip, of the same size; where there was no picture it has the colour that normalises to zero.
    """
    assert clip.normals is not None
    side_px = clip.rgb.shape[1]
    across = rng.choice((-1.0, 1.0))
    angle, scale = rng.uniform(*TURNS_RAD), math.exp(rng.uniform(*np.log(SCALES)))
    stretch = math.sqrt(math.exp(rng.uniform(*np.log(ASPECTS))))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) @ np.diag([across, 1.0])
    # Where a pixel of the new picture is in the old one.
    back = turn @ np.diag([1 / stretch, stretch]) / scale
    middle = (side_px - 1) / 2
    offset = middle + rng.uniform(*SHIFTS, 2) * side_px - back @ (middle, middle)
    way = np.concatenate((back, offset[:, None]), 1)

    fill = tuple(round(255 * mean) for mean in MEAN)
    light = (clip.rgb.astype(np.float32) - 128) * rng.uniform(*GAINS) + 128 + rng.uniform(*OFFSETS)
    light = light.round().clip(0, 255).astype(np.uint8)
    pictures = np.stack([_warp(picture, way, cv2.INTER_LINEAR, fill) for picture in light])
    instances = np.stack([_warp(owners, way, cv2.INTER_NEAREST, (0,)) for owners in clip.instances])
    # As bytes they are warped like any picture; signs come back with the type.
    warped = [_warp(normal.view(np.uint8), way, cv2.INTER_NEAREST, (0, 0, 0)) for normal in clip.normals]
    normals = np.stack(warped).view(np.int8).astype(np.float32)
    normals[..., :2] = normals[..., :2] @ turn  # the rows are turned back
    normals = normals.round().clip(-NORMAL_UNIT, NORMAL_UNIT)
    motions = clip.motions if across > 0 else tuple(map(swap_sides, clip.motions))
    return Clip(pictures, instances, clip.objects, (), normals.astype(np.int8), motions)


def retone(rgb: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Change white balance, contrast and saturation of (..., 3) sRGB as cameras differ in them; names stay true."""
    levels = np.linspace(0, 1, 256)[:, None] * np.exp(rng.normal(0, CASTS, 3))
    curve = (255 * levels.clip(0, 1) ** rng.uniform(*GAMMAS)).astype(np.float32)
    toned = np.stack([curve[:, channel][rgb[..., channel]] for channel in range(3)], -1)
    grey = toned @ np.array([0.299, 0.587, 0.114], np.float32)
    toned = grey[..., None] + rng.uniform(*SATURATIONS) * (toned - grey[..., None])
    return np.asarray(toned.round().clip(0, 255), np.uint8)


def squash(clip: Clip, height_px: int, width_px: int) -> Clip:
    """Bring a clip with normals to another size, whose sides may be of another ratio.

    What is said stays true; normals stay what they were in the room.
    """
    assert clip.normals is not None

    def resize(pictures: npt.NDArray[Any], how: int) -> npt.NDArray[Any]:
        return np.stack([cv2.resize(picture, (width_px, height_px), interpolation=how) for picture in pictures])

    return replace(
        clip,
        rgb=resize(clip.rgb, cv2.INTER_AREA),
        instances=resize(clip.instances, cv2.INTER_NEAREST_EXACT),
        normals=resize(clip.normals, cv2.INTER_NEAREST_EXACT),
    )


_NO_SIDE = re.compile(
    r"\b(that|which|who|has|have|had|is|are|was|were|be|being|just) left\b(?! (of|side|hand|most|one))"
    r"|\bleft (behind|alone|over|out|open)\b"
    r"|\bright (now|away|behind|next|beside|in|before|after|under|above|below|by|at|on|up|there|here)\b"
    r"|\b(l|lt|lft|r|rt|rgt|rht)\b|clock"
)


def can_swap_sides(text: str) -> bool:
    """Whether left and right are sides in a text that people wrote, as far as can be told.

    They are not in "the bird that left the branch" and "the man right behind the dog". Sides that are told otherwise
    ("far rt", "at 3 oclock") cannot be swapped.
    """
    return not _NO_SIDE.search(text)


def swap_sides(text: str) -> str:
    """The words for a mirrored picture: left for right, leftmost for rightmost, but not in "bright" and "leftover"."""
    return re.sub(
        r"\b(left|right)(?=(most|hand|side|wards?)?\b)", lambda side: "right" if side[0] == "left" else "left", text
    )


def _warp(
    picture: npt.NDArray[np.uint8], way: npt.NDArray[np.float64], how: int, fill: tuple[int, ...]
) -> npt.NDArray[np.uint8]:
    size = (picture.shape[1], picture.shape[0])
    warped = cv2.warpAffine(picture, way, size, flags=how | cv2.WARP_INVERSE_MAP, borderValue=fill)
    return np.asarray(warped, np.uint8)
