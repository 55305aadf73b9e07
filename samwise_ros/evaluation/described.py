"""A model on the clips of real data sets: J&F, and masks for a benchmark's server. Called by `samwise evaluate`."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from samwise_ros.data.described import DescribedClip, Truth, read_frame
from samwise_ros.engine.tracker import Tracker
from samwise_ros.errors import DatasetError
from samwise_ros.evaluation.jf import JF, contour_accuracy, object_to_mask, region_similarity
from samwise_ros.model.segmenter import Segmenter
from samwise_ros.types import Frame

_CLIPS_AT_ONCE = 8
"""So many expressions of one video share its images' features; each costs the memory of one target."""

TruthT = TypeVar("TruthT")


def track_clips(
    segmenter: Segmenter[Any, Any, Any], clips: Iterable[DescribedClip[TruthT]]
) -> Iterator[tuple[DescribedClip[TruthT], int, npt.NDArray[np.bool_]]]:
    """Find what each clip's expression describes, in every frame.

    Args:
        segmenter: the model.
        clips: those of one video one after the other; a few are read ahead.

    Yields:
        The clip, the frame's index and the mask (H, W) bool: frame by frame, and in a frame clip by clip.

    Raises:
        DatasetError: a frame cannot be read.
    """
    for _, group in groupby(clips, key=lambda clip: clip.frame_paths):
        while batch := list(islice(group, _CLIPS_AT_ONCE)):
            tracker = Tracker(segmenter, max_targets=len(batch))
            targets = [tracker.add(clip.text) for clip in batch]
            for index, result in enumerate(tracker.run(Frame(read_frame(path)) for path in batch[0].frame_paths)):
                found = {thing.target: thing for thing in result.objects}
                for clip, target in zip(batch, targets, strict=True):
                    yield clip, index, object_to_mask(found[target], *result.labels.shape)


def evaluate_jf(segmenter: Segmenter[Any, Any, Any], clips: Iterable[DescribedClip[Truth | None]]) -> JF:
    """Mean J and F over expressions, each the mean over its frames.

    Args:
        segmenter: the model.
        clips: those of one video one after the other, with their truth: of MeViS `valid_u`, say.

    Returns:
        Over all expressions.

    Raises:
        DatasetError: there is no clip, one has no truth, or a file cannot be read.

    Differs: from the original's MeViS script, where of expressions with the same words only the last one counts.
    """
    count, j, f = 0, 0.0, 0.0
    for clip, index, mask in track_clips(segmenter, clips):
        if clip.truth is None:
            raise DatasetError(
                f"video '{clip.video}' comes without masks, expected a split that has them: "
                "take another split, or write a submission for the benchmark's server"
            )
        truth = clip.truth.mask(index)
        check_size(truth, mask, clip, index)
        count += index == 0
        j += region_similarity(mask, truth) / len(clip.frame_paths)
        f += contour_accuracy(mask, truth) / len(clip.frame_paths)
    if count == 0:
        raise DatasetError("the data set holds no expression, expected at least one: check the file of expressions")
    return JF(count, j / count, f / count)


def check_size(truth: npt.NDArray[Any], mask: npt.NDArray[Any], clip: DescribedClip[object], index: int) -> None:
    """Refuse a truth that was drawn on an image of another size.

    Raises:
        DatasetError: it was.
    """
    if truth.shape != mask.shape:
        raise DatasetError(
            f"the truth for '{clip.frame_paths[index]}' has {truth.shape[1]}x{truth.shape[0]} px, expected the image's "
            f"{mask.shape[1]}x{mask.shape[0]}: take images and annotations of one resolution"
        )


def write_submission(
    segmenter: Segmenter[Any, Any, Any], clips: Iterable[DescribedClip[object]], path: Path, *, folder: str = ""
) -> None:
    """Write the zip of masks that a benchmark's server takes; `path` appears when it is complete.

    Args:
        segmenter: the model.
        clips: those of one video one after the other.
        path: the zip; one that is there is replaced.
        folder: what the zip's entries begin with: "Annotations" for Ref-YouTube-VOS, nothing for MeViS. Below it
            is VIDEO/EXPRESSION/FRAME.png, grey, 255 where the described thing is.

    Raises:
        DatasetError: a frame cannot be read, or the zip cannot be written. Where it is whole but cannot be put at
            `path`, it stays beside it.

    Source: inference_ytvos.py, inference_mevis.py and docs/training-and-inference.md of the reference implementation.
    """
    partial = path.with_name(f"{path.name}.partial")
    prefix = f"{folder}/" if folder else ""
    try:
        with zipfile.ZipFile(partial, "w") as archive:  # stored: PNG files do not get smaller
            for clip, index, mask in track_clips(segmenter, clips):
                name = f"{prefix}{clip.video}/{clip.expression_id}/{clip.frame_paths[index].stem}.png"
                archive.writestr(name, cv2.imencode(".png", mask.astype(np.uint8) * np.uint8(255))[1].tobytes())
    except BaseException as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise DatasetError(
                f"'{path}' cannot be written ({error.strerror}): choose a folder that exists and has free space"
            ) from error
        raise
    try:
        partial.replace(path)
    except OSError as error:
        raise DatasetError(f"'{path}' cannot be replaced ({error.strerror}): the zip is '{partial}'") from error


def format_jf(rows: Iterable[tuple[str, JF]], unit: str) -> str:
    """J&F as a Markdown table.

    Args:
        rows: the name of each row and what it shows.
        unit: what was counted, in the plural.

    Returns:
        The table, best read as text too.
    """
    lines = [f"| | {unit} | J&F | J | F |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {row.count} | **{row.jf:.3f}** | {row.j:.3f} | {row.f:.3f} |" for name, row in rows]
    return "\n".join(lines)
