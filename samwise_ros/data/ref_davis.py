"""Ref-DAVIS17: videos in which four annotators described every object. Called by `evaluation` and `training`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from samwise_ros.data.described import (
    DescribedClip,
    LabelImages,
    check_folders,
    check_split,
    read_videos,
    walk_expressions,
)
from samwise_ros.data.ref_ytvos import object_number
from samwise_ros.errors import DatasetError

ANNOTATORS = 4
"""How many sets of expressions there are: of two people, of the first frame and of the whole video each."""

_REMEDY = "bring DAVIS 2017 and its expressions into the layout of Ref-YouTube-VOS, as ReferFormer's docs/data.md says"


class RefDavis:
    """Iterates over one split, a clip per expression.

    The folder holds `meta_expressions/SPLIT/meta_expressions.json`, `SPLIT/JPEGImages/VIDEO/FRAME.jpg` and
    `SPLIT/Annotations/VIDEO/FRAME.png`, whose pixels are numbers of objects, or void.

    Args:
        folder: of the data set.
        split: `train` or `valid`.

    Raises:
        DatasetError: the split is unknown, or a file or folder is missing or has another layout.

    Source: Khoreva et al., "Video Object Segmentation with Language Referring Expressions"; ReferFormer's preparation.
    """

    def __init__(self, folder: Path, split: str) -> None:
        check_split(split, ("train", "valid"), "Ref-DAVIS17")
        self._videos = read_videos(folder / "meta_expressions" / split / "meta_expressions.json", _REMEDY)
        self._images = folder / split / "JPEGImages"
        self._labels = folder / split / "Annotations"
        check_folders(self._images, self._videos, _REMEDY)
        check_folders(self._labels, self._videos, _REMEDY)
        for video, entry in self._videos.items():
            count = len(entry["expressions"])
            if count % ANNOTATORS:
                raise DatasetError(
                    f"video '{video}' has {count} expressions, expected {ANNOTATORS} for each of its objects: {_REMEDY}"
                )
            for identifier, expression in entry["expressions"].items():
                object_number(expression, f"expression {identifier} of video '{video}'")

    def __len__(self) -> int:
        """Number of expressions."""
        return sum(len(entry["expressions"]) for entry in self._videos.values())

    def __iter__(self) -> Iterator[DescribedClip[LabelImages]]:
        """Yield the clips; of a video's the k-th is by annotator k % ANNOTATORS, of object k // ANNOTATORS."""
        every = walk_expressions(self._videos, self._images, self._labels)
        for video, frames, labels, identifier, expression in every:
            truth = LabelImages(labels, object_number(expression, video))
            yield DescribedClip(video, identifier, expression["exp"], frames, truth)
