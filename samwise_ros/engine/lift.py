"""From masks and a depth image to boxes in space. `ros.node` calls it where a depth camera is connected.

Axes are those of a camera's optical frame (REP 103): x to the right, y down, z forward, in metres. The camera is a
pinhole without distortion: depth and camera image must be rectified, and pixel (u, v) of one shows what pixel (u, v)
of the other does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from samwise_ros.errors import ConfigError, ShapeError
from samwise_ros.types import FrameResult

MIN_PIXELS = 20
"""An object with fewer usable depths than this has no box."""

_ENOUGH_PIXELS = 10_000
_PERCENTILES = (2, 98)
_MAX_DEVIATIONS = 3.0
_DEPTH_NOISE = 0.01
"""Share of the depth by which depth cameras err; without it, a flat object would have no tolerance at all."""


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A pinhole camera, as in the matrix K or P of its calibration.

    Attributes:
        fx_px: focal length, horizontal.
        fy_px: focal length, vertical.
        cx_px: column of the optical axis; whole numbers are centres of pixels.
        cy_px: row of the optical axis.

    Raises:
        ConfigError: a value is not finite, or a focal length is not above 0.
    """

    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float

    def __post_init__(self) -> None:
        values = (self.fx_px, self.fy_px, self.cx_px, self.cy_px)
        if not all(map(math.isfinite, values)) or self.fx_px <= 0 or self.fy_px <= 0:
            raise ConfigError(
                "camera has fx {:g}, fy {:g}, cx {:g}, cy {:g} px, expected finite values with fx, fy above 0: "
                "calibrate the camera".format(*values)
            )


@dataclass(frozen=True, slots=True)
class Box3D:
    """Where in space the visible surface of an object is, as a box along the axes of the camera.

    Attributes:
        center_xyz_m: its centre.
        size_xyz_m: its edges, 0 or more.
    """

    center_xyz_m: tuple[float, float, float]
    size_xyz_m: tuple[float, float, float]


def lift_result(
    result: FrameResult, depth_m: npt.NDArray[np.float32], intrinsics: Intrinsics
) -> tuple[Box3D | None, ...]:
    """Find every object of a frame in space.

    Args:
        result: what the tracker says.
        depth_m: (H, W) float32, metres along z, of the frame's size; NaN, infinite or not above 0 where unknown.
        intrinsics: the camera of both images.

    Returns:
        One box per object, in the order of `result.objects`; None as for `lift_object`, and where not visible.

    Raises:
        ShapeError: the depth image has another size than the frame.
    """
    height_px, width_px = result.frame.rgb.shape[:2]
    if depth_m.shape != (height_px, width_px):
        size = " x ".join(map(str, reversed(depth_m.shape)))
        raise ShapeError(
            f"depth image is {size} pixels, expected {width_px} x {height_px} as the camera image: "
            "publish depth that is registered to the camera image"
        )
    return tuple(
        None if found.box_xyxy_px is None else lift_object(found.mask, found.box_xyxy_px, depth_m, intrinsics)
        for found in result.objects
    )


def lift_object(
    mask: npt.NDArray[np.bool_],
    box_xyxy_px: tuple[int, int, int, int],
    depth_m: npt.NDArray[np.float32],
    intrinsics: Intrinsics,
) -> Box3D | None:
    """Find one object in space.

    Counted are pixels inside the mask's edge whose depth is known and near the median. The box spans their 2nd to 98th
    percentile on each axis: some 95 % of a flat thing's width, 85 % of a ball's. What the object hides behind the
    surface that the camera sees is not in it.

    Args:
        mask: (bottom - top, right - left) bool, cropped to the box as in `types.TrackedObject`.
        box_xyxy_px: half-open (left, top, right, bottom), within the depth image.
        depth_m: as for `lift_result`.
        intrinsics: the camera.

    Returns:
        The box; None with fewer than MIN_PIXELS pixels to count.

    Raises:
        ShapeError: mask, box and depth image do not fit together.
    """
    left, top, right, bottom = box_xyxy_px
    depth = depth_m[max(top, 0) : bottom, max(left, 0) : right]
    if mask.shape != (bottom - top, right - left) or depth.shape != mask.shape:
        raise ShapeError(
            f"mask is {mask.shape} for the box {box_xyxy_px} in a depth image {depth_m.shape}, expected "
            "(bottom - top, right - left) and a box within the image: pass box and mask of one object"
        )
    # On an object's edge a depth camera mixes its depth with the background's, and masks are off by a pixel there.
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    known = inside.astype(bool) & np.isfinite(depth) & (depth > 0)
    # A near object has a million pixels, and its percentiles are as good from every n-th row and column.
    stride = max(1, math.isqrt(int(known.sum()) // _ENOUGH_PIXELS))
    rows, columns = np.nonzero(known[::stride, ::stride])
    z = depth[::stride, ::stride][rows, columns].astype(np.float64)
    if z.size < MIN_PIXELS:
        return None
    median = np.median(z)
    distance = np.abs(z - median)
    sigma = 1.4826 * np.median(distance)  # of a normal distribution with this median absolute deviation
    near = distance <= max(_MAX_DEVIATIONS * sigma, _DEPTH_NOISE * median)
    if np.count_nonzero(near) < MIN_PIXELS:
        return None
    z = z[near]
    x = (columns[near] * stride + left - intrinsics.cx_px) / intrinsics.fx_px * z
    y = (rows[near] * stride + top - intrinsics.cy_px) / intrinsics.fy_px * z
    low, high = np.percentile((x, y, z), _PERCENTILES, axis=1)
    return Box3D(_to_xyz((low + high) / 2), _to_xyz(high - low))


def _to_xyz(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return x, y, z
