"""RefCOCO, RefCOCO+ and RefCOCOg: photographs with expressions. Called by `evaluation` and `training`."""

from __future__ import annotations

import pickle
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

SPLIT_BY = {"refcoco": "unc", "refcoco+": "unc", "refcocog": "umd"}
"""Who made the splits that are used of each."""

_REMEDY = "unpack the annotations of https://github.com/lichengunc/refer there"


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

    The folder holds `train2014/IMAGE.jpg` of COCO 2014, and of the annotations as they are published
    `NAME/refs(SPLIT_BY).p` and `NAME/instances.json`; or else `NAME/instances_NAME_SPLIT.json`, which ReferFormer makes
    of these, in which every expression is an image with a caption, and has one annotation.

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
        if self._path.exists():
            contents = read_json(self._path, _REMEDY)
        else:
            self._path = folder / name / f"refs({SPLIT_BY[name]}).p"
            contents = _join(_read_pickle(self._path), self._path, split)
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


class _Plain(pickle.Unpickler):
    """Reads lists, mappings, texts and numbers; all else could run code."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it holds {module}.{name}")


def _read_pickle(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return _Plain(file, encoding="latin1").load()
    except OSError as error:
        raise DatasetError(f"'{path}' cannot be read ({error.strerror}): {_REMEDY}") from error
    except Exception as error:  # of what is broken pickle raises nearly anything
        raise DatasetError(f"'{path}' is no pickle of plain values ({error}): download it again") from error


def _join(refs: Any, path: Path, split: str) -> dict[str, Any]:
    """What ReferFormer makes of the published annotations, each expression having its own image and annotation."""
    instances = path.with_name("instances.json")
    contents = read_json(instances, _REMEDY)
    images, outlines = (_by_id(contents, kind, instances) for kind in ("images", "annotations"))
    joined: dict[str, Any] = {"images": [], "annotations": []}
    for ref in typed({"refs": refs}, "refs", list, f"'{path}'"):
        where = f"a reference in '{path}'"
        # Two of RefCOCO's test splits have a letter each, which a reference of both has behind one another.
        theirs = typed(ref, "split", str, where)
        if theirs != split and not (theirs.startswith("test") and split in ("testA", "testB") and split[-1] in theirs):
            continue
        image_id, outline_id = (typed(ref, name, int, where) for name in ("image_id", "ann_id"))
        if image_id not in images or outline_id not in outlines:
            raise DatasetError(
                f"{where} is of image {image_id} and annotation {outline_id}, expected both in '{instances}': {_REMEDY}"
            )
        for sentence in typed(ref, "sentences", list, where):
            number = len(joined["images"]) + 1
            joined["images"].append(images[image_id] | {"id": number, "caption": typed(sentence, "sent", str, where)})
            joined["annotations"].append(outlines[outline_id] | {"id": number, "image_id": number})
    return joined


def _by_id(contents: Any, kind: str, path: Path) -> dict[int, dict[str, Any]]:
    return {
        typed(one, "id", int, f"one of the {kind} in '{path}'"): one for one in typed(contents, kind, list, f"'{path}'")
    }
