"""From the bytes of a camera's message to RGB pixels: every raw encoding of ENCODINGS, and JPEG and PNG.

`convert` calls it, `node` logs `conversion_backend`. Raw and compressed pictures meet in `_pixels_to_rgb`. Where
cv_bridge is installed and gives the same pixels, it converts the raw images that it reads.
"""

from __future__ import annotations

import array
import functools
import importlib.util
import subprocess
import sys
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage, Image

from samwise_ros.errors import ImageError

MAX_COMPRESSED_PIXELS = 2**27
"""The largest compressed picture that is decoded: a damaged header of a few bytes may claim many gigabytes."""

_ATTEMPT_TIMEOUT_S = 60.0


class _Layout(NamedTuple):
    dtype: str
    channels: int
    to_rgb: int | None


_IN_8_AND_16_BITS = {
    "rgb": (3, None),
    "bgr": (3, cv2.COLOR_BGR2RGB),
    "rgba": (4, cv2.COLOR_RGBA2RGB),
    "bgra": (4, cv2.COLOR_BGRA2RGB),
    "mono": (1, cv2.COLOR_GRAY2RGB),
    "bayer_rggb": (1, cv2.COLOR_BayerRGGB2RGB),
    "bayer_bggr": (1, cv2.COLOR_BayerBGGR2RGB),
    "bayer_gbrg": (1, cv2.COLOR_BayerGBRG2RGB),
    "bayer_grbg": (1, cv2.COLOR_BayerGRBG2RGB),
}
_YUV = {
    "yuv422": _Layout("u1", 2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": _Layout("u1", 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": _Layout("u1", 2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": _Layout("u1", 2, cv2.COLOR_YUV2RGB_YUY2),
    "nv12": _Layout("u1", 1, cv2.COLOR_YUV2RGB_NV12),
}
_LAYOUTS = {
    f"{name}{bits}": _Layout(f"u{bits // 8}", channels, to_rgb)
    for bits in (8, 16)
    for name, (channels, to_rgb) in _IN_8_AND_16_BITS.items()
} | _YUV

ENCODINGS = tuple(_LAYOUTS)
"""The encodings of raw images that `image_to_rgb` reads."""

_BRIDGED = tuple(encoding for encoding in ENCODINGS if encoding not in ("rgb8", "uyvy", "yuyv", "nv12"))
"""What every cv_bridge since Humble converts; rgb8 needs no conversion."""


def conversion_backend() -> Literal["cv_bridge", "opencv"]:
    """Say who converts raw images: cv_bridge where it is installed and gives the right pixels, else OpenCV alone.

    Images that cv_bridge misreads (padded rows, big-endian) or does not know (uyvy, yuyv, nv12) always go to OpenCV.
    """
    return "opencv" if _cv_bridge() is None else "cv_bridge"


def image_to_rgb(msg: Image) -> npt.NDArray[np.uint8]:
    """Read a raw camera image.

    Args:
        msg: `encoding` one of ENCODINGS. Rows may be padded (`step`). `is_bigendian` counts for 16-bit encodings. YUV
            is taken as BT.601 with limited range. In nv12 `height` counts the rows of luma; half as many rows of chroma
            follow, all of them `step` bytes long.

    Returns:
        (H, W, 3) uint8, RGB. For rgb8 it is a view of `msg.data`, without a copy. 16 bits become 8 by 255 / 65535,
        rounded. Alpha is dropped.

    Raises:
        ImageError: the encoding is none of ENCODINGS, or size, `step` and data do not fit together or the encoding.
    """
    layout = _LAYOUTS.get(msg.encoding)
    if layout is None:
        raise ImageError(
            f"image has encoding {msg.encoding[:40]!r}, expected one of {', '.join(ENCODINGS)}: "
            "set the camera driver to one of these or convert the image first"
        )
    _check_size(msg.encoding, msg.width, msg.height)
    rows = msg.height * 3 // 2 if msg.encoding == "nv12" else msg.height
    pixels = image_to_pixels(msg, layout.dtype, layout.channels, rows)
    if msg.encoding in _BRIDGED and pixels.nbytes == len(msg.data) and not msg.is_bigendian:
        bridge = _cv_bridge()
        if bridge is not None:
            return np.asarray(bridge.imgmsg_to_cv2(msg, "rgb8"), np.uint8)
    return _pixels_to_rgb(pixels, msg.encoding)


def compressed_to_rgb(msg: CompressedImage) -> npt.NDArray[np.uint8]:
    """Read a compressed camera image.

    Args:
        msg: `data` is a JPEG or PNG file, grey or in colour, of 8 or 16 bits. An orientation that it notes is not
            applied: masks belong to the pixels as the camera sends them. `format` is as image_transport writes it, or
            just "jpeg" or "png". It counts where it says that red and blue were stored exchanged ("compressed rgb8"),
            or that a PNG holds a Bayer mosaic ("bayer_rggb8; png compressed ").

    Returns:
        (H, W, 3) uint8, RGB. 16 bits become 8 by 255 / 65535, rounded. Alpha is dropped.

    Raises:
        ImageError: the format is compressedDepth, or the data is neither JPEG nor PNG, has more than
            MAX_COMPRESSED_PIXELS, or is damaged.
    """
    data = bytes(msg.data)
    size = _picture_size(data)
    if size is None or "compressedDepth" in msg.format:
        raise ImageError(
            f"compressed image of format {msg.format[:40]!r} holds no camera picture in JPEG or PNG ({len(data)} "
            "bytes), expected one: subscribe to a topic of image_transport's `compressed`, or to the raw image"
        )
    if size[0] * size[1] > MAX_COMPRESSED_PIXELS:
        raise ImageError(
            f"compressed image claims {size[0]} x {size[1]} pixels, expected at most {MAX_COMPRESSED_PIXELS} in all: "
            "check the connection to the camera or reduce its resolution"
        )
    picture = _decode(data)
    encoding = _encoding_of(picture, msg.format)
    _check_size(encoding, picture.shape[1], picture.shape[0])
    return _pixels_to_rgb(picture, encoding)


def image_to_pixels(msg: Image, dtype: str, channels: int, rows: int) -> npt.NDArray[Any]:
    """View a raw image's data, whatever it means.

    Args:
        msg: rows may be padded (`step`). `encoding` is only named in errors.
        dtype: of one channel, without byte order, such as "u2": `is_bigendian` gives the order.
        channels: per pixel.
        rows: how many rows of `step` bytes the data holds.

    Returns:
        (rows, W, channels) of `dtype` in the message's byte order, a view of `msg.data`.

    Raises:
        ImageError: size, `step` and data do not fit together.
    """
    if msg.width == 0 or msg.height == 0:
        raise ImageError(
            f"image is {msg.width} x {msg.height} pixels, expected at least 1 x 1: check the camera's configuration"
        )
    stored = np.dtype(dtype).newbyteorder(">" if msg.is_bigendian else "<")
    row_bytes = msg.width * channels * stored.itemsize
    if msg.step < row_bytes:
        raise ImageError(
            f"image has a step of {msg.step} bytes, expected at least {row_bytes} for {msg.width} pixels of "
            f"{msg.encoding}: correct `step` or `width` where the image is published"
        )
    if len(msg.data) != msg.step * rows:
        raise ImageError(
            f"image holds {len(msg.data)} bytes, expected {msg.step * rows} (step {msg.step} x {rows} rows of "
            f"{msg.encoding}): correct `step`, `height` or `data` where the image is published"
        )
    data = np.frombuffer(msg.data, np.uint8).reshape(rows, msg.step)[:, :row_bytes]
    return data.view(stored).reshape(rows, msg.width, channels)


def _pixels_to_rgb(pixels: npt.NDArray[Any], encoding: str) -> npt.NDArray[np.uint8]:
    """Convert (rows, W[, channels]) pixels of any byte order to (H, W, 3) uint8 RGB; those of rgb8 are that already."""
    layout = _LAYOUTS[encoding]
    if layout.dtype == "u2":
        pixels = pixels.astype(np.uint16)  # OpenCV reads only this machine's byte order, aligned
    rgb = pixels if layout.to_rgb is None else cv2.cvtColor(pixels, layout.to_rgb)
    if layout.dtype == "u2":
        rgb = cv2.convertScaleAbs(rgb, alpha=255 / 65535)
    return np.asarray(rgb, np.uint8)


def _check_size(encoding: str, width: int, height: int) -> None:
    """Refuse sizes that the encoding cannot have, or of which OpenCV makes a black picture."""
    if encoding in _YUV and (width % 2 or (encoding == "nv12" and height % 2)):
        even = "an even width and height" if encoding == "nv12" else "an even width"
        raise ImageError(
            f"image is {width} x {height} pixels of {encoding}, expected {even}, as neighbours share a colour: "
            "correct the size where the image is published"
        )
    if encoding.startswith("bayer") and min(width, height) < 3:
        raise ImageError(
            f"image is {width} x {height} pixels of {encoding}, expected at least 3 x 3 to find the colours: "
            "check the camera's configuration"
        )


def _picture_size(data: bytes) -> tuple[int, int] | None:
    """Width and height as the header of a JPEG or PNG file says; None where there is no such header."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR":
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    at = 2 if data[:2] == b"\xff\xd8" else len(data)
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame header, not tables of codes
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _decode(data: bytes) -> npt.NDArray[Any]:
    """Decode a whole JPEG or PNG file to (H, W) or (H, W, 3 or 4), BGR, uint8 or uint16."""
    # Some OpenCV versions fill a cut-off JPEG with grey: its end marker must follow the start of its last scan.
    is_cut_jpeg = data[:1] == b"\xff" and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    try:
        picture = None if is_cut_jpeg else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        picture = None
    if picture is None:
        raise ImageError(
            f"compressed image of {len(data)} bytes is damaged or cut short, expected a whole JPEG or PNG picture: "
            "check the connection to the camera"
        )
    return picture


def _encoding_of(picture: npt.NDArray[Any], image_format: str) -> str:
    """The encoding of a decoded picture's pixels."""
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    source, _, codec = image_format.partition(";")
    mosaic = source.strip().rstrip("0123456789")
    if channels == 1:
        is_mosaic = mosaic.startswith("bayer") and mosaic in _IN_8_AND_16_BITS and "png" in codec
        name = mosaic if is_mosaic else "mono"
    else:
        name = ("rgb" if "compressed rgb" in codec else "bgr") + ("a" if channels == 4 else "")
    return f"{name}{8 * picture.itemsize}"


@functools.cache
def _cv_bridge() -> Any | None:
    """The installed cv_bridge's converter; None where there is none, or not one that works."""
    return _right_bridge() if _is_safe() else None


def _is_safe() -> bool:
    """Whether a process of its own gets the right pixels of cv_bridge: built for another NumPy, it ends the process."""
    if importlib.util.find_spec("cv_bridge") is None:
        return False
    attempt = f"import sys, {__name__} as decode; sys.exit(decode._right_bridge() is None)"
    try:
        child = subprocess.run(
            [sys.executable, "-c", attempt], capture_output=True, timeout=_ATTEMPT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return child.returncode == 0


def _right_bridge() -> Any | None:
    """The installed cv_bridge's converter; None where its pixels are not those of OpenCV."""
    try:
        bridge = importlib.import_module("cv_bridge").CvBridge()
        is_right = all(
            np.array_equal(bridge.imgmsg_to_cv2(msg, "rgb8"), _pixels_to_rgb(pixels, msg.encoding))
            for msg, pixels in map(_known_image, _BRIDGED)
        )
    except Exception:  # built against another NumPy or OpenCV, it fails in many ways, on import or later
        return None
    return bridge if is_right else None


def _known_image(encoding: str) -> tuple[Image, npt.NDArray[Any]]:
    """A small image of many values, as a message and as pixels."""
    layout = _LAYOUTS[encoding]
    pixels = np.random.default_rng(0).integers(0, 2**16, (6, 8, layout.channels)).astype(f"<{layout.dtype}")
    data = array.array("B", pixels.tobytes())
    return Image(height=6, width=8, encoding=encoding, step=len(data) // 6, data=data), pixels
