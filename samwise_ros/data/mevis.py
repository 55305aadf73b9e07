"""MeViS: videos whose expressions describe motion, often of several objects. Called by `evaluation` and `training`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

from samwise_ros.data.described import (
    DescribedClip,
    check_folders,
    check_split,
    image_size_px,
    read_json,
    read_videos,
    typed,
    walk_expressions,
)
from samwise_ros.errors import DatasetError

_REMEDY = "extract MeViS_release.zip of https://codalab.lisn.upsaclay.fr/competitions/15094 into this folder"


@dataclass(frozen=True, slots=True)
class EncodedMasks:
    """The union of some objects' masks, kept in COCO's run-length code.

    Attributes:
        tracks: of each object a code per frame, None where the object is not in view.
        frame_paths: the images, whose size tells the mask's where no object is in view.
    """

    tracks: tuple[Sequence[Any], ...]
    frame_paths: tuple[Path, ...]

    def mask(self, index: int) -> npt.NDArray[np.bool_]:
        """(H, W) bool of frame `index`.

        Raises:
            DatasetError: a code is broken, or the image is needed and missing.
        """
        codes = [track[index] for track in self.tracks if track[index]]
        if not codes:
            return np.zeros(image_size_px(self.frame_paths[index]), np.bool_)
        try:
            return np.asarray(coco.decode(coco.merge(codes)), np.bool_)
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"the mask for '{self.frame_paths[index]}' is not in COCO's run-length code: "
                "download mask_dict.json again"
            ) from error


class MeViS:
    """Iterates over one split, a clip per expression.

    The folder holds `SPLIT/meta_expressions.json`, `SPLIT/JPEGImages/VIDEO/FRAME.jpg` and, but for `valid`,
    `SPLIT/mask_dict.json`: by number of an annotation, a mask per frame in COCO's run-length code. The masks of the
    whole split are kept in memory as they are coded.

    Args:
        folder: of the data set.
        split: `train`, `valid_u`, or `valid`, whose masks only the benchmark's server knows.

    Raises:
        DatasetError: the split is unknown, or a file or folder is missing or has another layout.

    Source: Ding et al., "MeViS: A Large-scale Benchmark for Video Segmentation with Motion Expressions".
    """

    def __init__(self, folder: Path, split: str) -> None:
        check_split(split, ("train", "valid_u", "valid"), "MeViS")
        self._images = folder / split / "JPEGImages"
        self._videos = read_videos(folder / split / "meta_expressions.json", _REMEDY)
        check_folders(self._images, self._videos, _REMEDY)
        self._tracks: dict[str, Any] | None = None
        if split != "valid":
            path = folder / split / "mask_dict.json"
            self._tracks = _read_tracks(path)
            _check_annotations(self._videos, self._tracks, path)

    def __len__(self) -> int:
        """Number of expressions."""
        return sum(len(entry["expressions"]) for entry in self._videos.values())

    def __iter__(self) -> Iterator[DescribedClip[EncodedMasks | None]]:
        """Yield the clips, those of a video one after the other."""
        for video, frames, _, identifier, expression in walk_expressions(self._videos, self._images):
            truth = None
            if self._tracks is not None:
                truth = EncodedMasks(tuple(self._tracks[str(one)] for one in expression["anno_id"]), frames)
            yield DescribedClip(video, identifier, expression["exp"], frames, truth)


def _read_tracks(path: Path) -> dict[str, Any]:
    tracks = read_json(path, _REMEDY)
    if not isinstance(tracks, dict):
        raise DatasetError(f"'{path}' holds a {type(tracks).__name__}, expected masks by annotation: download it again")
    return tracks


def _check_annotations(videos: Mapping[str, Mapping[str, Any]], tracks: Mapping[str, Any], path: Path) -> None:
    for video, entry in videos.items():
        for identifier, expression in entry["expressions"].items():
            where = f"expression {identifier} of video '{video}'"
            for annotation in typed(expression, "anno_id", list, where):
                masks = tracks.get(str(annotation))
                if not isinstance(masks, list) or len(masks) != len(entry["frames"]):
                    came = f"{len(masks)} masks" if isinstance(masks, list) else "none"
                    raise DatasetError(
                        f"{where} needs annotation {annotation}, of which '{path}' has {came}, expected "
                        f"{len(entry['frames'])}, one per frame: take both files from one release"
                    )
