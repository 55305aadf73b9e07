"""Ref-YouTube-VOS: videos of people, animals and vehicles with expressions. Called by `evaluation` and `training`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from samwise_ros.data.described import (
    VOID,
    DescribedClip,
    LabelImages,
    check_folders,
    check_split,
    read_videos,
    typed,
    walk_expressions,
)
from samwise_ros.errors import DatasetError

_REMEDY = "extract the archives of https://codalab.lisn.upsaclay.fr/competitions/3282 into this folder"
_TEST_REMEDY = "the validation list names the test videos too and is cleaned of them by this file, extract it too"


class RefYoutubeVos:
    """Iterates over one split, a clip per expression.

    The folder holds `meta_expressions/SPLIT/meta_expressions.json`, `SPLIT/JPEGImages/VIDEO/FRAME.jpg` and, for `train`
    alone, `train/Annotations/VIDEO/FRAME.png`, whose pixels are numbers of objects.

    Args:
        folder: of the data set.
        split: `train`, or `valid`, whose masks only the benchmark's server knows.

    Raises:
        DatasetError: the split is unknown, or a file or folder is missing or has another layout.

    Source: Seo et al., "URVOS: Unified Referring Video Object Segmentation Network with a Large-Scale Benchmark".
    """

    def __init__(self, folder: Path, split: str) -> None:
        check_split(split, ("train", "valid"), "Ref-YouTube-VOS")
        lists = folder / "meta_expressions"
        self._videos = read_videos(lists / split / "meta_expressions.json", _REMEDY)
        if split == "valid":
            for video in read_videos(lists / "test" / "meta_expressions.json", _TEST_REMEDY):
                self._videos.pop(video, None)
        self._images = folder / split / "JPEGImages"
        self._labels = folder / split / "Annotations" if split == "train" else None
        check_folders(self._images, self._videos, _REMEDY)
        if self._labels is not None:
            check_folders(self._labels, self._videos, _REMEDY)
            for video, entry in self._videos.items():
                for identifier, expression in entry["expressions"].items():
                    object_number(expression, f"expression {identifier} of video '{video}'")

    def __len__(self) -> int:
        """Number of expressions."""
        return sum(len(entry["expressions"]) for entry in self._videos.values())

    def __iter__(self) -> Iterator[DescribedClip[LabelImages | None]]:
        """Yield the clips, those of a video one after the other."""
        every = walk_expressions(self._videos, self._images, self._labels)
        for video, frames, labels, identifier, expression in every:
            truth = LabelImages(labels, object_number(expression, video)) if self._labels else None
            yield DescribedClip(video, identifier, expression["exp"], frames, truth)


def object_number(expression: object, where: str) -> int:
    """The number by which label images know an expression's object.

    Args:
        expression: an entry of `meta_expressions.json`.
        where: what it is, for the error.

    Returns:
        1 to 254.

    Raises:
        DatasetError: it has no such number.
    """
    text = typed(expression, "obj_id", str, where)
    if not text.isdecimal() or not 1 <= int(text) < VOID:
        raise DatasetError(f"{where} has obj_id {text!r}, expected a number from 1 to {VOID - 1}: download it again")
    return int(text)
