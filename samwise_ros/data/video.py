"""Recorded footage: frames from a video file, a folder of images or one image, and H.264 video to a file.

`cli.track` reads and writes with it; the demo replays real clips and records its overlay with it. OpenCV decodes
videos because it tells the time of each frame. ffmpeg encodes in a process of its own, so a recording that is
interrupted can still be played.
"""

from __future__ import annotations

import logging
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

import cv2
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from samwise_ros.errors import ImageError
from samwise_ros.types import Frame

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Endings, in any case, by which a file counts as an image."""

NOMINAL_RATE_HZ = 30.0
"""The rate of footage that tells none: a folder of images, or a video whose header is silent or absurd."""

_MAX_RATE_HZ = 1000.0
_MAX_FAILED_READS = 64
"""So many reads may fail in a row before a video counts as over: a damaged stretch fails once per frame."""

_LOG = logging.getLogger(__name__)


class VideoFile:
    """A video that OpenCV can decode (mp4, avi, mkv, …); each iteration reads it from the start.

    Attributes:
        path: the file.
        rate_hz: frames per second, as the file declares them.
        total_frames: how many frames the file declares; some formats only estimate it. None where it declares none.
        is_still: False.

    Raises:
        ImageError: the file cannot be opened, or not one frame of it can be decoded.
    """

    is_still = False

    def __init__(self, path: Path) -> None:
        self.path = path
        capture = _open_capture(path)
        try:
            rate_hz, total_frames = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
            readable = _read_rgb(capture) is not None
        finally:
            capture.release()
        if not readable:
            raise ImageError(f"video '{path}' holds no frame that can be decoded: try to convert it to H.264 mp4")
        self.rate_hz = rate_hz if 0 < rate_hz <= _MAX_RATE_HZ else NOMINAL_RATE_HZ
        self.total_frames = int(total_frames) if total_frames > 0 else None

    def __iter__(self) -> Iterator[tuple[int, Frame]]:
        """Yield (index, frame) for every frame that can be decoded; damaged ones are skipped with a warning.

        Indices count decoded frames without a gap. `stamp_ns` is the frame's time in the video and always rises.
        """
        capture = _open_capture(self.path)
        index, stamp_ns = 0, -1
        try:
            while (rgb := _read_rgb(capture)) is not None:
                told_ns = round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
                stamp_ns = told_ns if told_ns > stamp_ns else stamp_ns + round(1e9 / self.rate_hz)
                yield index, Frame(rgb, stamp_ns)
                index += 1
        finally:
            capture.release()
        if self.total_frames is not None and index < self.total_frames:
            _LOG.warning("video '%s' declares %d frames, %d could be read", self.path, self.total_frames, index)


class ImageFiles:
    """Images as the frames of one video; each iteration reads them from the start.

    Attributes:
        path: the folder, or the one image.
        rate_hz: `NOMINAL_RATE_HZ`.
        total_frames: number of image files.
        is_still: whether `path` is one image rather than a folder.

    Raises:
        ImageError: the folder holds no image.
    """

    rate_hz = NOMINAL_RATE_HZ

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_still = not path.is_dir()
        self._files = [path] if self.is_still else sorted(filter(_is_image, path.iterdir()), key=_natural_key)
        if not self._files:
            raise ImageError(
                f"folder '{path}' holds no images: expected files that end in one of {', '.join(IMAGE_SUFFIXES)}"
            )
        self.total_frames = len(self._files)

    def __iter__(self) -> Iterator[tuple[int, Frame]]:
        """Yield (index, frame) in natural order of the names, so that `2.png` comes before `10.png`.

        An image that is broken, or has another size than the first, is skipped with a warning; the index counts it,
        so that it keeps naming the image's place in the folder. `stamp_ns` is index / `rate_hz`.

        Raises:
            ImageError: not one of the images can be read.
        """
        shape: tuple[int, ...] | None = None
        for index, file in enumerate(self._files):
            try:
                rgb = read_image(file)
            except ImageError as error:
                if self.is_still:
                    raise
                _LOG.warning("%s: skipped", error)
                continue
            shape = shape or rgb.shape
            if rgb.shape != shape:
                _LOG.warning("image '%s' is %s, the first one is %s: skipped", file, _size(rgb.shape), _size(shape))
                continue
            yield index, Frame(rgb, round(index * 1e9 / self.rate_hz))
        if shape is None:
            raise ImageError(f"none of the {self.total_frames} images in '{self.path}' can be read: see the warnings")


def open_footage(path: Path) -> VideoFile | ImageFiles:
    """Open a video file, a folder of images or one image.

    Args:
        path: a folder, an image (known by its ending, see `IMAGE_SUFFIXES`), or else a video.

    Returns:
        An iterable of (index, `Frame`) with `rate_hz`, `total_frames` and `is_still`.

    Raises:
        ImageError: there is nothing at `path`, or nothing in it can be read as an image or video.
    """
    if not path.exists():
        raise ImageError(f"'{path}' does not exist: expected a video file, a folder of images or an image")
    return ImageFiles(path) if path.is_dir() or _is_image(path) else VideoFile(path)


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """Read one image file, upright and in 8-bit colour.

    Args:
        path: an image in any format that Pillow decodes; 16-bit grey keeps its upper 8 bits, alpha is dropped.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        ImageError: the file is missing, cut short or no image.
    """
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):
                upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
            return np.array(upright.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(f"image '{path}' cannot be read ({_first_line(error)})") from error


class VideoWriter:
    """Write frames to an H.264 mp4 (yuv420p, which every player shows); a context manager.

    The first frame sets the size. An odd width or height gains one black column or row, as the format wants even ones.

    Args:
        path: the file to write; one that is there is replaced.
        rate_hz: frames per second of the video.
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        self._path = path
        self._rate_hz = rate_hz
        self._shape: tuple[int, ...] = ()
        self._ffmpeg: subprocess.Popen[bytes] | None = None
        self._messages: IO[bytes]

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except ImageError:
            if error is None:
                raise

    def write(self, rgb: npt.NDArray[np.uint8]) -> None:
        """Append one frame.

        Args:
            rgb: (H, W, 3) uint8, RGB, of the first frame's size.

        Raises:
            ImageError: the frame has another shape, or ffmpeg cannot write the file.
        """
        shape = self._shape or (*rgb.shape[:2], 3)
        if rgb.shape != shape or rgb.dtype != np.uint8:
            raise ImageError(
                f"video '{self._path}' got a frame of {rgb.dtype} {rgb.shape}, expected uint8 {shape}: "
                "all frames of a video are 8-bit RGB of one size"
            )
        if self._ffmpeg is None:
            self._ffmpeg = self._start(shape[1], shape[0])
            self._shape = shape
        assert self._ffmpeg.stdin is not None
        try:
            self._ffmpeg.stdin.write(np.ascontiguousarray(rgb).data)
        except OSError as error:
            self._ffmpeg.communicate()
            raise ImageError(self._failure()) from error

    def close(self) -> None:
        """Finish the file; where no frame was written there is none.

        Raises:
            ImageError: ffmpeg could not write the file.
        """
        ffmpeg, self._ffmpeg = self._ffmpeg, None
        if ffmpeg is None:
            return
        with self._messages:
            ffmpeg.communicate()
            if ffmpeg.returncode != 0:
                raise ImageError(self._failure())

    def _start(self, width_px: int, height_px: int) -> subprocess.Popen[bytes]:
        try:
            executable = imageio_ffmpeg.get_ffmpeg_exe()
        except RuntimeError as error:
            raise ImageError("no ffmpeg program was found, and videos need one: install ffmpeg") from error
        command = [executable, "-y", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
        command += ["-s", f"{width_px}x{height_px}", "-r", f"{self._rate_hz:.6f}", "-i", "-"]
        command += ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p"]
        command += ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-movflags", "+faststart", str(self._path.absolute())]
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115, close() does
        # Its own session keeps Ctrl-C away from ffmpeg: it ends when its input does, and so always completes the file.
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._messages, start_new_session=True
        )

    def _failure(self) -> str:
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="replace").strip().splitlines()
        return f"ffmpeg cannot write video '{self._path}' ({lines[-1] if lines else 'it gave no reason'})"


def _open_capture(path: Path) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)  # "12:30.ts" alone would be a protocol
    if not capture.isOpened():
        raise ImageError(f"'{path}' cannot be read as a video: expected a complete mp4, avi or mkv file")
    return capture


def _read_rgb(capture: cv2.VideoCapture) -> npt.NDArray[np.uint8] | None:
    """Return the next frame that can be decoded, or None at the end."""
    for _ in range(_MAX_FAILED_READS):
        decoded, bgr = capture.read()
        if decoded:
            return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    return None


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _natural_key(path: Path) -> list[tuple[int, str]]:
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", path.name)]


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
