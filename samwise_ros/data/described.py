"""What the readers of real data sets share: clips that are described by an expression, and their files.

Called by the readers in this folder; `evaluation` and `training` take the clips that those yield.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from samwise_ros.errors import DatasetError
from samwise_ros.types import MAX_TEXT_CHARS

VOID = 255
"""Label of pixels that belong to no object for certain, and that no measure counts."""


class Truth(Protocol):
    """Where the described thing is, frame by frame."""

    def mask(self, index: int) -> npt.NDArray[np.bool_]:
        """(H, W) bool of frame `index`, at the image's size; read from the file at every call."""


TruthT_co = TypeVar("TruthT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class DescribedClip(Generic[TruthT_co]):
    """Frames and one expression that describes something in them; no pixel is in memory.

    Attributes:
        video: name of the video, or of the image.
        expression_id: of the expression, unique within the video.
        text: the expression, as the data set spells it.
        frame_paths: image files in order of time, at least one; for a still image just that.
        truth: its masks; None where the data set keeps them to itself.
    """

    video: str
    expression_id: str
    text: str
    frame_paths: tuple[Path, ...]
    truth: TruthT_co


@dataclass(frozen=True, slots=True)
class LabelImages:
    """An object's masks in images whose pixels are numbers of objects.

    Attributes:
        paths: one PNG per frame, with a palette or grey.
        object_id: the object's number, at least 1.
    """

    paths: tuple[Path, ...]
    object_id: int

    def mask(self, index: int) -> npt.NDArray[np.bool_]:
        """(H, W) bool of frame `index`.

        Raises:
            DatasetError: as `labels`.
        """
        return np.equal(self.labels(index), self.object_id)

    def labels(self, index: int) -> npt.NDArray[np.uint8]:
        """All objects of frame `index`.

        Returns:
            (H, W) uint8: 0 background, n object n, `VOID`.

        Raises:
            DatasetError: the file is missing, broken, or has colours instead of numbers.
        """
        path = self.paths[index]
        with _open(path) as image:
            if image.mode not in ("P", "L"):
                raise DatasetError(
                    f"label image '{path}' has the pixel format {image.mode}, expected P or L, whose values are "
                    "numbers of objects: extract the original file again, tools that convert images lose the numbers"
                )
            return _pixels(image, path)


def read_frame(path: Path) -> npt.NDArray[np.uint8]:
    """Read a data set's image as it is stored, as masks are drawn on stored pixels.

    Args:
        path: an image file.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        DatasetError: the file is missing or broken.

    Differs: from `data.video.read_image`, which turns a photograph upright as its EXIF tag says.
    """
    with _open(path) as image:
        return _pixels(image, path, "RGB")


def image_size_px(path: Path) -> tuple[int, int]:
    """Rows and columns of an image file, from its header.

    Raises:
        DatasetError: the file is missing or broken.
    """
    with _open(path) as image:
        return image.height, image.width


def read_json(path: Path, remedy: str) -> Any:
    """Read a data set's JSON file.

    Args:
        path: the file.
        remedy: what to do where it is missing, as the end of a sentence.

    Returns:
        Its contents.

    Raises:
        DatasetError: the file is missing or is no JSON.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise DatasetError(f"'{path}' cannot be read ({error.strerror}): {remedy}") from error
    except ValueError as error:
        raise DatasetError(f"'{path}' is not JSON ({error}): download it again, it may be cut short") from error


def read_videos(path: Path, remedy: str) -> dict[str, Mapping[str, Any]]:
    """Read a `meta_expressions.json`, which three data sets have in common.

    Args:
        path: the file.
        remedy: what to do where it is missing, as the end of a sentence.

    Returns:
        By name of the video its "frames", a list of names without ending, at least one, and "expressions", by
        identifier a mapping with the text "exp" and what the data set adds; in the file's order.

    Raises:
        DatasetError: the file is missing or has another layout.
    """
    videos: dict[str, Mapping[str, Any]] = typed(read_json(path, remedy), "videos", dict, str(path))
    for video, entry in videos.items():
        where = f"video '{video}' in '{path}'"
        frames = typed(entry, "frames", list, where)
        if not frames or not all(isinstance(frame, str) for frame in frames):
            raise DatasetError(f"{where} has frames {str(frames)[:60]}, expected a list of names: download it again")
        for identifier, expression in typed(entry, "expressions", dict, where).items():
            check_expression(typed(expression, "exp", str, f"expression {identifier} of {where}"), identifier, where)
    return videos


def walk_expressions(
    videos: Mapping[str, Mapping[str, Any]], images: Path, labels: Path | None = None
) -> Iterator[tuple[str, tuple[Path, ...], tuple[Path, ...], str, Any]]:
    """Go through all expressions, those of a video one after the other.

    Args:
        videos: from `read_videos`.
        images: folder with a folder of JPEGs per video.
        labels: folder with a folder of PNGs per video, if there is one.

    Yields:
        The video's name, the paths of its frames and of their labels (all expressions of a video share them; none
        without a folder), the expression's identifier and its entry.
    """
    for video, entry in videos.items():
        frames = tuple(images / video / f"{name}.jpg" for name in entry["frames"])
        truth = () if labels is None else tuple(labels / video / f"{name}.png" for name in entry["frames"])
        for identifier, expression in entry["expressions"].items():
            yield video, frames, truth, identifier, expression


ValueT = TypeVar("ValueT")


def typed(record: Any, name: str, kind: type[ValueT], where: str) -> ValueT:
    """Take a value out of parsed JSON.

    Args:
        record: what should be a mapping.
        name: the value's key.
        kind: the type that it must have.
        where: what `record` is, for the error.

    Returns:
        The value.

    Raises:
        DatasetError: it is missing or has another type.
    """
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, kind):
        raise DatasetError(
            f"{where} has {name!r} of type {type(value).__name__}, expected {kind.__name__}: "
            "check that this is the data set's own file and download it again"
        )
    return value


def check_expression(text: str, identifier: str, where: str) -> None:
    """Refuse a text that no tracker would follow, before anything has been computed.

    Raises:
        DatasetError: it is blank or longer than MAX_TEXT_CHARS.
    """
    if not text.strip() or len(text) > MAX_TEXT_CHARS:
        raise DatasetError(
            f"expression {identifier} of {where} is {text[:20]!r} of {len(text)} characters, expected 1 to "
            f"{MAX_TEXT_CHARS} and not blank: mend or remove it"
        )


def check_folders(parent: Path, names: Iterable[str], remedy: str) -> None:
    """See that each video has its folder.

    Args:
        parent: where the folders should be.
        names: of the folders.
        remedy: what to do where one is missing, as the end of a sentence.

    Raises:
        DatasetError: one is missing.
    """
    there = {entry.name for entry in parent.iterdir()} if parent.is_dir() else set()
    wanted = list(names)
    missing = [name for name in wanted if name not in there]
    if missing:
        raise DatasetError(
            f"'{parent}' lacks {len(missing)} of {len(wanted)} videos, the first is '{missing[0]}': {remedy}"
        )


def check_split(split: str, splits: Iterable[str], dataset: str) -> None:
    """Refuse a split that a data set does not have.

    Raises:
        DatasetError: it has no such split.
    """
    known = tuple(splits)
    if split not in known:
        raise DatasetError(f"{dataset} has no split '{split}', expected one of: {', '.join(known)}")


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except OSError as error:
        raise DatasetError(f"image '{path}' is missing or broken: extract the data set's archive again") from error


def _pixels(image: Image.Image, path: Path, mode: str | None = None) -> npt.NDArray[np.uint8]:
    try:
        return np.array(image.convert(mode) if mode else image)
    except (OSError, SyntaxError, ValueError) as error:
        raise DatasetError(f"image '{path}' is cut short ({error}): extract the data set's archive again") from error
