"""Between ROS messages and the engine's values: `*_to_frame` on the way in, `rgb_to_*`, `result_to_objects` out.

`node`, `synthetic_camera` and `recorder` call it; `decode` makes pixels of bytes. Nothing here needs a running node.
"""

from __future__ import annotations

import array
import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from samwise_ros.errors import ConfigError, ImageError
from samwise_ros.msg import TrackedObject as TrackedObjectMsg
from samwise_ros.msg import TrackedObjectArray
from samwise_ros.ros.decode import compressed_to_rgb, image_to_pixels, image_to_rgb
from samwise_ros.types import Frame, FrameResult, TrackedObject

if TYPE_CHECKING:
    from samwise_ros.engine.lift import Intrinsics

_MAX_JPEG_SIDE_PX = 65_500
_DEPTH_DTYPES = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}


def image_to_frame(msg: Image) -> Frame:
    """Read a raw camera image.

    Args:
        msg: `encoding` one of `decode.ENCODINGS`. Rows may be padded (`step`).

    Returns:
        The frame. For rgb8 it is a view of `msg.data`, without a copy.

    Raises:
        ImageError: the encoding is another, or size, `step` and data do not fit together or the encoding.
    """
    return Frame(image_to_rgb(msg), stamp_to_ns(msg.header.stamp), msg.header.frame_id)


def compressed_to_frame(msg: CompressedImage) -> Frame:
    """Read a compressed camera image.

    Args:
        msg: `data` is a JPEG or PNG file, `format` as image_transport writes it, or just "jpeg" or "png".

    Returns:
        The frame.

    Raises:
        ImageError: the data is neither JPEG nor PNG, is depth, too large or damaged.
    """
    return Frame(compressed_to_rgb(msg), stamp_to_ns(msg.header.stamp), msg.header.frame_id)


def depth_to_metres(msg: Image) -> npt.NDArray[np.float32]:
    """Read a depth image.

    Args:
        msg: `encoding` 16UC1 or mono16 in millimetres, or 32FC1 in metres (REP 118). Rows may be padded (`step`).

    Returns:
        (H, W) float32, metres, above 0; NaN where nothing was measured: 0, negative, infinite or NaN.

    Raises:
        ImageError: the encoding is another, or size, `step` and data do not fit together.
    """
    dtype = _DEPTH_DTYPES.get(msg.encoding)
    if dtype is None:
        raise ImageError(
            f"depth image has encoding {msg.encoding[:40]!r}, expected one of {', '.join(_DEPTH_DTYPES)}: "
            "subscribe to the depth camera's raw image"
        )
    metres = image_to_pixels(msg, dtype, 1, msg.height)[:, :, 0].astype(np.float32)
    if dtype == "u2":
        metres /= 1000
    metres[~(np.isfinite(metres) & (metres > 0))] = np.nan
    return metres


def info_to_intrinsics(info: CameraInfo, height_px: int, width_px: int) -> Intrinsics:
    """The pinhole that took a rectified image.

    Args:
        info: the calibration. Where it has no P, that of rectified images, K is taken.
        height_px: rows of the image.
        width_px: columns of the image.

    Returns:
        Its intrinsics in pixels of that image: P is of the whole sensor, before `roi` and `binning_x`, `binning_y`.

    Raises:
        ConfigError: the calibration is of images of another size, or of none.
    """
    from samwise_ros.engine.lift import Intrinsics  # here, since the engine loads torch, which takes seconds

    step_x, step_y = max(1, info.binning_x), max(1, info.binning_y)
    columns, rows = (info.roi.width or info.width) // step_x, (info.roi.height or info.height) // step_y
    if (columns, rows) not in ((0, 0), (width_px, height_px)):
        raise ConfigError(
            f"camera_info is of images of {columns} x {rows} pixels, expected {width_px} x {height_px} as the camera "
            "image: remap camera_info to the topic that belongs to it"
        )
    fx, fy, cx, cy = (info.p[i] for i in (0, 5, 2, 6)) if info.p[0] > 0 else (info.k[i] for i in (0, 4, 2, 5))
    return Intrinsics(fx / step_x, fy / step_y, (cx - info.roi.x_offset) / step_x, (cy - info.roi.y_offset) / step_y)


def image_to_labels(msg: Image) -> npt.NDArray[np.uint8]:
    """Read a label image.

    Args:
        msg: `encoding` mono8.

    Returns:
        (H, W) uint8, a view of `msg.data`.

    Raises:
        ImageError: the encoding is another, or size, `step` and data do not fit together.
    """
    if msg.encoding != "mono8":
        raise ImageError(f"label image has encoding {msg.encoding[:40]!r}, expected mono8: publish labels as mono8")
    return image_to_pixels(msg, "u1", 1, msg.height)[:, :, 0]


def labels_to_image(labels: npt.NDArray[np.uint8], header: Header) -> Image:
    """Make a mono8 image of (H, W) uint8 labels."""
    return _pixels_to_image(labels, "mono8", header)


def rgb_to_image(rgb: npt.NDArray[np.uint8], header: Header) -> Image:
    """Make an rgb8 image of (H, W, 3) uint8 RGB pixels."""
    return _pixels_to_image(rgb, "rgb8", header)


def rgb_to_compressed(rgb: npt.NDArray[np.uint8], header: Header, quality: int = 90) -> CompressedImage:
    """Make a JPEG, as image_transport does of an rgb8 image.

    Args:
        rgb: (H, W, 3) uint8, RGB.
        header: the source image's.
        quality: of the JPEG, 1 to 100.

    Returns:
        The message for a topic that ends in `/compressed`.

    Raises:
        ImageError: H or W is more than a JPEG can hold.
    """
    if max(rgb.shape[:2]) > _MAX_JPEG_SIDE_PX:
        raise ImageError(
            f"image is {rgb.shape[1]} x {rgb.shape[0]} pixels, expected at most {_MAX_JPEG_SIDE_PX} a side for a "
            "JPEG: subscribe to the raw topic"
        )
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return CompressedImage(header=header, format="rgb8; jpeg compressed bgr8", data=_bytes_to_data(jpeg))


def result_to_objects(result: FrameResult, header: Header) -> TrackedObjectArray:
    """Describe every target of a frame, visible or not.

    Args:
        result: what the tracker says.
        header: the source image's, which array and masks carry unchanged.

    Returns:
        One entry per target, in the order of `result.objects`.
    """
    return TrackedObjectArray(header=header, objects=[_object_to_msg(found, header) for found in result.objects])


def stamp_to_ns(stamp: Time) -> int:
    """Nanoseconds since the epoch of the stamp's clock."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def _pixels_to_image(pixels: npt.NDArray[np.uint8], encoding: str, header: Header) -> Image:
    height, width = pixels.shape[:2]
    return Image(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        step=pixels[0].size if height else 0,
        data=_bytes_to_data(pixels),
    )


def _bytes_to_data(pixels: npt.NDArray[np.uint8]) -> array.array[int]:
    # The setter of `data` checks anything but an array.array byte by byte, which takes 0.2 s for a 1080p image.
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(pixels).data)
    return data


def _object_to_msg(found: TrackedObject, header: Header) -> TrackedObjectMsg:
    left, top, right, bottom = found.box_xyxy_px or (0, 0, 0, 0)
    x, y = found.centroid_xy_px or (math.nan, math.nan)
    return TrackedObjectMsg(
        id=found.target.id,
        text=found.target.text,
        visible=found.visible,
        score=found.score,
        box=RegionOfInterest(x_offset=left, y_offset=top, width=right - left, height=bottom - top),
        centroid_x=x,
        centroid_y=y,
        area=found.area_px,
        mask=_pixels_to_image(found.mask.view(np.uint8) * np.uint8(255), "mono8", header),
    )
