"""The values that pass between the layers. Plain numpy, no torch, no ROS.

`Frame` goes into `engine.Tracker.step`, `FrameResult` comes out; `ros` and `cli` turn both into messages and files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from samwise_ros.errors import ShapeError

MAX_TEXT_CHARS = 1000
"""The longest referring expression that is accepted, in characters."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One camera image.

    Attributes:
        rgb: (H, W, 3) uint8, RGB. May be a read-only view of a message: nobody writes into it.
        stamp_ns: time of exposure, nanoseconds since the epoch of the camera's clock; 0 where there is none.
        frame_id: name of the camera's optical frame.

    Raises:
        ShapeError: `rgb` is not (H, W, 3) uint8 with H and W at least 1.
    """

    rgb: npt.NDArray[np.uint8]
    stamp_ns: int = 0
    frame_id: str = ""

    def __post_init__(self) -> None:
        if self.rgb.ndim != 3 or self.rgb.shape[2] != 3 or self.rgb.dtype != np.uint8 or self.rgb.size == 0:
            raise ShapeError(
                f"frame is {self.rgb.dtype} {self.rgb.shape}, expected uint8 (H, W, 3) with H, W >= 1: "
                "convert the image to 8-bit RGB first"
            )


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to follow: what was asked for, and the number it is known by.

    Attributes:
        id: unique for the life of a tracker, counting from 1; never used twice.
        text: the referring expression.
    """

    id: int
    text: str


def clean_text(text: str) -> str:
    """A text without what cannot be printed, such as marks of byte order, and with single spaces."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def text_key(text: str) -> str:
    """What two expressions have in common that mean the same target: their words, whatever their case and spaces."""
    return " ".join(text.split()).casefold()


@dataclass(frozen=True, slots=True)
class TrackedObject:
    """Where one target is in one frame.

    Attributes:
        target: which target this answers.
        score: 0..1, probability that the described object is in view.
        box_xyxy_px: half-open (left, top, right, bottom) in camera pixels; None where the object is not visible.
        mask: (bottom - top, right - left) bool, the object's own mask cropped to the box; (0, 0) where not visible.
            Two targets' masks may overlap here; in `FrameResult.labels` each pixel has one owner.
        centroid_xy_px: mean position of the mask's pixels, camera pixels; None where not visible.
        area_px: number of pixels in the mask.
    """

    target: Target
    score: float
    box_xyxy_px: tuple[int, int, int, int] | None
    mask: npt.NDArray[np.bool_]
    centroid_xy_px: tuple[float, float] | None
    area_px: int

    @property
    def visible(self) -> bool:
        """Whether the object has at least one pixel in the frame."""
        return self.area_px > 0


@dataclass(frozen=True, slots=True)
class FrameResult:
    """All targets in one frame.

    Attributes:
        frame: the frame that this answers.
        objects: one per target, in the order in which the targets were added.
        labels: (H, W) uint8, 0 background, n the n-th of `objects`; where masks overlap the larger logit wins.
    """

    frame: Frame
    objects: tuple[TrackedObject, ...]
    labels: npt.NDArray[np.uint8]
