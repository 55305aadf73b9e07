"""J&F on Ref-DAVIS17 as it is published: four annotators, and the mean of the four. Called by `samwise evaluate`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from samwise_ros.data.described import VOID, DescribedClip, LabelImages, read_frame
from samwise_ros.data.ref_davis import ANNOTATORS
from samwise_ros.engine.tracker import Tracker
from samwise_ros.errors import DatasetError
from samwise_ros.evaluation.described import check_size, format_jf
from samwise_ros.evaluation.jf import JF, contour_accuracy, region_similarity
from samwise_ros.model.segmenter import Segmenter
from samwise_ros.types import Frame

MAX_OBJECTS = 30
"""DAVIS has ten in a video at most; more are grey values that were palette numbers once."""


@dataclass(frozen=True, slots=True)
class RefDavisScores:
    """J&F by annotator.

    Attributes:
        annotators: over all objects, by the expressions of each annotator.
    """

    annotators: tuple[JF, ...]

    @property
    def mean(self) -> JF:
        """The mean of the annotators, over the same objects."""
        j, f = (float(np.mean([getattr(one, name) for one in self.annotators])) for name in ("j", "f"))
        return JF(self.annotators[0].count, j, f)


def evaluate_ref_davis(
    segmenter: Segmenter[Any, Any, Any], clips: Iterable[DescribedClip[LabelImages]]
) -> RefDavisScores:
    """Track all objects of a video together, once by each annotator's expressions.

    A pixel belongs to one object at most. As in the benchmark's rules for unsupervised segmentation, which published
    numbers follow, objects are those of the video's first frame, void pixels do not count, and each object is
    compared with the track that makes the video's J&F largest, whichever expression that track answers.

    Args:
        segmenter: the model.
        clips: of `data.ref_davis.RefDavis`, in its order.

    Returns:
        J&F over all objects, each the mean over its frames.

    Raises:
        DatasetError: there is no object, or a file cannot be read.

    Source: inference_davis.py and davis2017/evaluation.py (task "unsupervised") of the reference implementation.
    """
    scores: list[list[npt.NDArray[np.float64]]] = [[] for _ in range(ANNOTATORS)]
    for _, group in groupby(clips, key=lambda clip: clip.frame_paths):
        video = list(group)
        for annotator, rows in enumerate(scores):
            rows.append(_evaluate_video(segmenter, video[annotator::ANNOTATORS]))
    means = [np.concatenate(rows or [np.zeros((0, 2))]) for rows in scores]
    if len(means[0]) == 0:
        raise DatasetError("no video shows an object in its first frame, expected some: check Annotations")
    return RefDavisScores(tuple(JF(len(rows), *map(float, rows.mean(0))) for rows in means))


def format_ref_davis(scores: RefDavisScores) -> str:
    """A Markdown table with a row per annotator and one for the mean of all."""
    rows = [(f"annotator {number}", row) for number, row in enumerate(scores.annotators, start=1)]
    return format_jf([*rows, ("**mean**", scores.mean)], "objects")


def _evaluate_video(
    segmenter: Segmenter[Any, Any, Any], clips: Sequence[DescribedClip[LabelImages]]
) -> npt.NDArray[np.float64]:
    """(objects, 2): J and F of each object over the video, by one annotator's expressions."""
    truth = clips[0].truth
    first = truth.labels(0)
    objects = int(first.max(where=first != VOID, initial=0))
    if objects > MAX_OBJECTS:
        raise DatasetError(
            f"labels of video '{clips[0].video}' name {objects} objects, expected at most {MAX_OBJECTS}: take the "
            "palette images as they were published, whose values count objects"
        )
    tracks = max(len(clips), objects)  # an object that nobody described is compared with an empty track
    sums = np.zeros((tracks, objects, 2))
    tracker = Tracker(segmenter, max_targets=len(clips))
    tracker.follow(clip.text for clip in clips)  # of equal expressions the first one has all, the others nothing
    for index, result in enumerate(tracker.run(Frame(read_frame(path)) for path in clips[0].frame_paths)):
        wanted = truth.labels(index)
        check_size(wanted, result.labels, clips[0], index)
        labels = np.where(wanted == VOID, 0, result.labels)
        for track, thing in np.ndindex(tracks, objects):
            pair = labels == track + 1, wanted == thing + 1
            sums[track, thing] += region_similarity(*pair), contour_accuracy(*pair)
    means = sums / len(clips[0].frame_paths)
    return means[best_assignment(means.mean(2)), range(objects)]


def best_assignment(gain: npt.NDArray[np.float64]) -> list[int]:
    """Give each object a track of its own so that the sum of gains is largest.

    Args:
        gain: (tracks, objects), at least as many tracks as objects; exact, in steps that double with every track.

    Returns:
        For each object its track.
    """
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}  # by the set of tracks that are taken, as bits
    for column in gain.T:
        longer: dict[int, tuple[float, list[int]]] = {}
        for taken, (total, rows) in best.items():
            for row in range(len(column)):
                key, value = taken | 1 << row, total + float(column[row])
                if key != taken and (key not in longer or value > longer[key][0]):
                    longer[key] = value, [*rows, row]
        best = longer
    return max(best.values())[1]
