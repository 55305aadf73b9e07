"""Between ROS messages and the engine's values: `image_to_frame` on the way in, `*_to_image`, `result_to_objects` out.

`node`, `synthetic_camera` and `recorder` call it. Nothing here needs a running node.
"""

from __future__ import annotations

import array
import math

import cv2
import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image, RegionOfInterest
from std_msgs.msg import Header

from samwise_ros.errors import ImageError
from samwise_ros.msg import TrackedObject as TrackedObjectMsg
from samwise_ros.msg import TrackedObjectArray
from samwise_ros.types import Frame, FrameResult, TrackedObject

_CHANNELS = {"rgb8": 3, "bgr8": 3, "mono8": 1, "rgba8": 4, "bgra8": 4}
_TO_RGB = {
    "bgr8": cv2.COLOR_BGR2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
}

ENCODINGS = tuple(_CHANNELS)
"""The image encodings that `image_to_frame` reads."""


def image_to_frame(msg: Image) -> Frame:
    """Read a camera image.

    Args:
        msg: `encoding` one of ENCODINGS. Rows may be padded (`step`). `is_bigendian` says nothing about 8-bit pixels
            and is not looked at.

    Returns:
        The frame. For rgb8 it is a view of `msg.data`, without a copy.

    Raises:
        ImageError: the encoding is none of ENCODINGS, or size, `step` and data do not fit together.
    """
    pixels = _image_to_pixels(msg)
    conversion = _TO_RGB.get(msg.encoding)
    rgb = pixels if conversion is None else cv2.cvtColor(pixels, conversion)
    return Frame(np.asarray(rgb, np.uint8), stamp_to_ns(msg.header.stamp), msg.header.frame_id)


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
        raise ImageError(f"label image has encoding '{msg.encoding}', expected mono8: publish labels as mono8")
    return _image_to_pixels(msg)[:, :, 0]


def labels_to_image(labels: npt.NDArray[np.uint8], header: Header) -> Image:
    """Make a mono8 image of (H, W) uint8 labels."""
    return _pixels_to_image(labels, "mono8", header)


def rgb_to_image(rgb: npt.NDArray[np.uint8], header: Header) -> Image:
    """Make an rgb8 image of (H, W, 3) uint8 RGB pixels."""
    return _pixels_to_image(rgb, "rgb8", header)


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


def _image_to_pixels(msg: Image) -> npt.NDArray[np.uint8]:
    """View an 8-bit image's data as (H, W, channels) uint8."""
    channels = _CHANNELS.get(msg.encoding)
    if channels is None:
        raise ImageError(
            f"image has encoding '{msg.encoding[:40]}', expected one of {', '.join(ENCODINGS)}: "
            "set the camera driver to one of these or convert the image first"
        )
    if msg.width == 0 or msg.height == 0:
        raise ImageError(
            f"image is {msg.width} x {msg.height} pixels, expected at least 1 x 1: check the camera's configuration"
        )
    row_bytes = msg.width * channels
    if msg.step < row_bytes:
        raise ImageError(
            f"image has a step of {msg.step} bytes, expected at least {row_bytes} for {msg.width} pixels of "
            f"{msg.encoding}: correct `step` or `width` where the image is published"
        )
    if len(msg.data) != msg.step * msg.height:
        raise ImageError(
            f"image holds {len(msg.data)} bytes, expected {msg.step * msg.height} (step {msg.step} x height "
            f"{msg.height}): correct `step`, `height` or `data` where the image is published"
        )
    rows = np.frombuffer(msg.data, np.uint8).reshape(msg.height, msg.step)[:, :row_bytes]
    return rows.reshape(msg.height, msg.width, channels)


def _pixels_to_image(pixels: npt.NDArray[np.uint8], encoding: str, header: Header) -> Image:
    # The setter of `data` checks anything but an array.array byte by byte, which takes 0.2 s for a 1080p image.
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(pixels).data)
    height, width = pixels.shape[:2]
    return Image(
        header=header, height=height, width=width, encoding=encoding, step=pixels[0].size if height else 0, data=data
    )


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
        mask=_pixels_to_image(np.where(found.mask, 255, 0).astype(np.uint8), "mono8", header),
    )
