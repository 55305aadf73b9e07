"""RefCOCO, RefCOCO+ and RefCOCOg: photographs with expressions. Called by `evaluation` and `training`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

from samwise_ros.data.described import DescribedClip, check_expression, check_split, read_json, typed
from samwise_ros.errors import DatasetError

SPLITS = {
    "refcoco": ("train", "val", "testA", "testB"),
    "refcoco+": ("train", "val", "testA", "testB"),
    "refcocog": ("train", "val", "test"),
}
"""The three data sets, and the splits of each."""

_REMEDY = "convert the annotations of github.com/lichengunc/refer as ReferFormer's docs/data.md says"


@dataclass(frozen=True, slots=True)
class OutlinedMask:
    """A mask that is kept as polygons or as lengths of runs.

    Attributes:
        segmentation: as in COCO's files: a list of polygons [x, y, x, y, …], or a mapping with "counts" and "size".
        height_px: rows of the image.
        width_px: columns of the image.
        where: what it belongs to, for the error.
    """

    segmentation: Any
    height_px: int
    width_px: int
    where: str

    def mask(self, index: int) -> npt.NDArray[np.bool_]:
        """(H, W) bool; `index` is 0, there being one frame.

        Raises:
            DatasetError: the outline is broken.
        """
        try:
            codes = coco.frPyObjects(self.segmentation, self.height_px, self.width_px)
            return np.asarray(coco.decode(coco.merge(codes) if isinstance(codes, list) else codes), np.bool_)
        except Exception as error:  # pycocotools raises a bare Exception for a type that it does not know
            raise DatasetError(
                f"{self.where} has a segmentation that is neither polygons nor lengths of runs: {_REMEDY}"
            ) from error


class RefCoco:
    """Iterates over one split, a clip of one frame per expression.

    The folder holds `train2014/IMAGE.jpg` of COCO 2014 and `NAME/instances_NAME_SPLIT.json`, in which every expression
    is an image with a caption, and has one annotation.

    Args:
        folder: of COCO and the annotations.
        name: one of `SPLITS`.
        split: one of its splits.

    Raises:
        DatasetError: name or split are unknown, or a file or folder is missing or has another layout.

    Source: Yu et al., "Modeling Context in Referring Expressions"; Mao et al., "Generation and Comprehension of
        Unambiguous Object Descriptions"; ReferFormer's preparation.
    """

    def __init__(self, folder: Path, name: str, split: str) -> None:
        if name not in SPLITS:
            raise DatasetError(f"'{name}' is none of these data sets, expected one of: {', '.join(SPLITS)}")
        check_split(split, SPLITS[name], name)
        self._images = folder / "train2014"
        if not self._images.is_dir():
            raise DatasetError(
                f"'{self._images}' does not exist: extract train2014.zip of https://cocodataset.org/#download there"
            )
        self._path = folder / name / f"instances_{name}_{split}.json"
        contents = read_json(self._path, _REMEDY)
        self._expressions = typed(contents, "images", list, str(self._path))
        self._outlines = {}
        for annotation in typed(contents, "annotations", list, str(self._path)):
            self._outlines[typed(annotation, "image_id", int, f"an annotation in '{self._path}'")] = annotation
        for expression in self._expressions:
            self._check(expression)

    def __len__(self) -> int:
        """Number of expressions."""
        return len(self._expressions)

    def __iter__(self) -> Iterator[DescribedClip[OutlinedMask]]:
        """Yield the clips in the file's order."""
        for expression in self._expressions:
            identifier, path = expression["id"], self._images / expression["file_name"]
            where = f"expression {identifier} in '{self._path}'"
            segmentation = self._outlines[identifier]["segmentation"]
            truth = OutlinedMask(segmentation, expression["height"], expression["width"], where)
            yield DescribedClip(path.stem, str(identifier), expression["caption"], (path,), truth)

    def _check(self, expression: Any) -> None:
        identifier = typed(expression, "id", int, f"an image in '{self._path}'")
        where = f"image {identifier} in '{self._path}'"
        check_expression(typed(expression, "caption", str, where), str(identifier), f"'{self._path}'")
        typed(expression, "file_name", str, where)
        for name in ("height", "width"):
            typed(expression, name, int, where)
        if "segmentation" not in self._outlines.get(identifier, {}):
            raise DatasetError(f"{where} has no annotation with a segmentation, expected one: {_REMEDY}")
