"""Ref-DAVIS17's J&F, with a model whose answers are known."""

from itertools import permutations

import numpy as np
import pytest
from dataset_folders import EMPTY, KnowingSegmenter, box, object_masks, write_labels, write_ref_davis
from PIL import Image

from samwise_ros.data.ref_davis import RefDavis
from samwise_ros.errors import DatasetError
from samwise_ros.evaluation.jf import JF
from samwise_ros.evaluation.ref_davis import best_assignment, evaluate_ref_davis, format_ref_davis

VIDEOS = ("boats", "cats")
FIRST, SECOND = object_masks(1), object_masks(2)


def answers(**by_annotator):
    """What the model answers to an annotator's expressions (`a0` … `a3`) of the first and of the second object."""
    return {
        f"{video} thing {number}, text {4 * (number - 1) + int(name[1])}": masks[number - 1]
        for video in VIDEOS
        for name, masks in by_annotator.items()
        for number in (1, 2)
    }


def evaluate(folder, known):
    return evaluate_ref_davis(KnowingSegmenter(known), RefDavis(folder, "valid"))


def test_annotators_are_scored_apart(tmp_path):
    write_ref_davis(tmp_path)
    none = [EMPTY] * 3
    scores = evaluate(tmp_path, answers(a0=(FIRST, SECOND), a1=(SECOND, FIRST), a2=(FIRST, none)))
    one = pytest.approx(1)
    # The second object is gone in the last of the three frames: there, nothing found is right.
    assert scores.annotators == (
        JF(4, one, one),
        JF(4, one, one),  # swapped, which the assignment of tracks to objects forgives
        JF(4, pytest.approx((1 + 1 / 3) / 2), pytest.approx((1 + 1 / 3) / 2)),
        JF(4, pytest.approx(1 / 6), pytest.approx(1 / 6)),
    )
    assert scores.mean == JF(4, pytest.approx((1 + 1 + 4 / 6 + 1 / 6) / 4), pytest.approx((1 + 1 + 4 / 6 + 1 / 6) / 4))


def test_an_objects_pixels_are_its_alone(tmp_path):
    write_ref_davis(tmp_path)
    both = [first | second for first, second in zip(FIRST, SECOND, strict=True)]
    scores = evaluate(tmp_path, answers(a0=(both, SECOND)))
    # Where both claim a pixel with equal logits the first one has it, so that nothing is left to the second.
    area = [int(mask.sum()) for mask in both]
    union_first = np.mean([30 / area[0], 30 / area[1], 1])
    assert scores.annotators[0].j == pytest.approx((union_first + 1 / 3) / 2)


def test_equal_expressions_of_two_objects_make_one_track(tmp_path):
    write_ref_davis(tmp_path)
    path = tmp_path / "meta_expressions" / "valid" / "meta_expressions.json"
    path.write_text(path.read_text().replace("thing 2, text 4", "thing 1, text 0"))
    scores = evaluate(tmp_path, answers(a0=(FIRST, SECOND)))
    assert scores.annotators[0].j == pytest.approx((1 + 1 / 3) / 2)


def test_void_pixels_do_not_count(tmp_path):
    void = box(0, 0, 24, 4)  # hides parts of the first object, and what a wrong answer adds
    write_ref_davis(tmp_path, void=void)
    wrong = [mask | box(15, 0, 22, 4) for mask in FIRST]
    scores = evaluate(tmp_path, answers(a0=(wrong, SECOND)))
    assert scores.annotators[0] == JF(4, pytest.approx(1), pytest.approx(1))


def test_objects_that_nobody_described_count_as_missed(tmp_path):
    write_ref_davis(tmp_path)
    clips = [clip for clip in RefDavis(tmp_path, "valid") if clip.truth.object_id == 1]
    scores = evaluate_ref_davis(KnowingSegmenter(answers(a0=(FIRST, SECOND))), clips)
    assert scores.annotators[0] == JF(4, pytest.approx((1 + 1 / 3) / 2), pytest.approx((1 + 1 / 3) / 2))


def test_annotations_that_do_not_fit(tmp_path):
    write_ref_davis(tmp_path)
    folder = tmp_path / "valid" / "Annotations" / "boats"
    Image.new("L", (48, 32), 1).save(folder / "00005.png")
    with pytest.raises(DatasetError, match=r"truth for '.*00005\.jpg' has 48x32 px, expected the image's 24x16: take"):
        evaluate(tmp_path, {})
    Image.new("L", (24, 16), 113).save(folder / "00000.png")
    with pytest.raises(
        DatasetError, match="labels of video 'boats' name 113 objects, expected at most 30: take the pal"
    ):
        evaluate(tmp_path, {})
    with pytest.raises(DatasetError, match="no video shows an object in its first frame"):
        evaluate_ref_davis(KnowingSegmenter({}), [])


def test_videos_whose_first_frame_is_empty_are_left_out(tmp_path):
    write_ref_davis(tmp_path)
    for video in VIDEOS:
        for path in (tmp_path / "valid" / "Annotations" / video).iterdir():
            path.unlink()
        (tmp_path / "valid" / "Annotations" / video).rmdir()
    write_labels(tmp_path / "valid" / "Annotations", void=box(0, 0, 24, 16))
    with pytest.raises(DatasetError, match="no video shows an object in its first frame, expected some"):
        evaluate(tmp_path, {})


@pytest.mark.parametrize(("tracks", "objects"), [(1, 1), (3, 3), (5, 3), (6, 6)])
def test_best_assignment_is_the_best_of_all(tracks, objects):
    gain = np.random.default_rng(tracks).random((tracks, objects))
    found = best_assignment(gain)
    assert len(set(found)) == objects
    every = [sum(gain[rows, range(objects)]) for rows in map(list, permutations(range(tracks), objects))]
    assert sum(gain[found, range(objects)]) == pytest.approx(max(every))


def test_table_has_a_row_per_annotator_and_the_mean(tmp_path):
    write_ref_davis(tmp_path)
    lines = format_ref_davis(evaluate(tmp_path, answers(a0=(FIRST, SECOND)))).splitlines()
    assert lines[2] == "| annotator 1 | 4 | **1.000** | 1.000 | 1.000 |"
    assert lines[-1] == "| **mean** | 4 | **0.375** | 0.375 | 0.375 |"
    assert len(lines) == 7
