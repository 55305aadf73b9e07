"""Clips of real data sets, with a model whose answers are known."""

import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
from dataset_folders import EMPTY, FRAMES, KnowingSegmenter, box, object_masks, write_mevis, write_ref_ytvos

from samwise_ros.data.described import LabelImages
from samwise_ros.data.mevis import MeViS
from samwise_ros.data.ref_ytvos import RefYoutubeVos
from samwise_ros.errors import DatasetError
from samwise_ros.evaluation.described import evaluate_jf, format_jf, track_clips, write_submission
from samwise_ros.evaluation.jf import JF, contour_accuracy

BOTH = [first | second for first, second in zip(object_masks(1), object_masks(2), strict=True)]
RIGHT = {f"{video} {words}": masks for video in ("boats", "cats") for words, masks in (("both", BOTH),)} | {
    f"{video} second": object_masks(2) for video in ("boats", "cats")
}


def test_expressions_of_a_video_are_tracked_together_and_keep_their_own_masks(tmp_path):
    write_mevis(tmp_path)
    segmenter = KnowingSegmenter(RIGHT)
    tracked = [(clip.text, index, mask) for clip, index, mask in track_clips(segmenter, MeViS(tmp_path, "valid_u"))]
    assert [(text, index) for text, index, _ in tracked] == [
        (f"{video} {words}", index) for video in ("boats", "cats") for index in range(3) for words in ("both", "second")
    ]
    for text, index, mask in tracked:
        np.testing.assert_array_equal(mask, RIGHT[text][index])
    assert segmenter.batches == [2] * 6
    assert segmenter.brightness == sorted(segmenter.brightness[:3]) * 2


def test_no_more_than_eight_expressions_at_once(tmp_path):
    write_mevis(tmp_path)
    clip = next(iter(MeViS(tmp_path, "valid_u")))
    segmenter = KnowingSegmenter({})
    clips = [replace(clip, expression_id=str(n), text=f"text {n}") for n in range(10)]
    assert len(list(track_clips(segmenter, clips))) == 30
    assert segmenter.batches == [8] * 3 + [2] * 3


def test_equal_expressions_get_equal_masks(tmp_path):
    write_mevis(tmp_path)
    clip = next(iter(MeViS(tmp_path, "valid_u")))
    twice = [clip, replace(clip, expression_id="7", text=f" {clip.text.upper()}")]
    masks = [mask for _, _, mask in track_clips(KnowingSegmenter(RIGHT), twice)]
    assert len(masks) == 6
    for first, second in zip(masks[::2], masks[1::2], strict=True):
        np.testing.assert_array_equal(first, second)
        assert first.any()


def test_right_answers_score_one(tmp_path):
    write_mevis(tmp_path)
    assert evaluate_jf(KnowingSegmenter(RIGHT), MeViS(tmp_path, "valid_u")) == JF(4, pytest.approx(1), pytest.approx(1))


def test_j_and_f_are_means_over_frames_and_then_expressions(tmp_path):
    write_mevis(tmp_path)
    clips = list(MeViS(tmp_path, "valid_u"))[:2]
    half = [box(10, 8, 17, 11), box(11, 8, 18, 11), EMPTY]  # half of the second object; the tolerance is 1 px
    scores = evaluate_jf(KnowingSegmenter({"boats second": half}), clips)
    f = contour_accuracy(half[0], object_masks(2)[0])
    assert 0 < f < 1
    assert scores == JF(2, pytest.approx((0 + (0.5 + 0.5 + 1) / 3) / 2), pytest.approx((0 + (2 * f + 1) / 3) / 2))


def test_a_split_without_masks_cannot_be_evaluated(tmp_path):
    write_mevis(tmp_path)
    with pytest.raises(DatasetError, match=r"video 'boats' comes without masks.*: take another split, or write a sub"):
        evaluate_jf(KnowingSegmenter({}), MeViS(tmp_path, "valid"))
    with pytest.raises(DatasetError, match="the data set holds no expression"):
        evaluate_jf(KnowingSegmenter({}), [])


@pytest.mark.parametrize("folder", ["", "Annotations"])
def test_submission_has_a_mask_per_expression_and_frame(tmp_path, folder):
    write_ref_ytvos(tmp_path)
    answers = {"cats thing 2, text 1": object_masks(2)}
    path = tmp_path / "out.zip"
    write_submission(KnowingSegmenter(answers), RefYoutubeVos(tmp_path, "valid"), path, folder=folder)
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == sorted(
            f"{folder}/{video}/{number}/{frame}.png".lstrip("/")
            for video in ("boats", "cats")
            for number in "01"
            for frame in FRAMES
        )
        for name in archive.namelist():
            image = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_UNCHANGED)
            known = "cats/1/" in name
            expected = object_masks(2)[FRAMES.index(name[-9:-4])] if known else EMPTY
            np.testing.assert_array_equal(image, expected * np.uint8(255))


def test_a_submission_below_a_file(tmp_path):
    write_ref_ytvos(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"out\.zip' cannot be written \(Not a directory\): choose a folder"):
        write_submission(KnowingSegmenter({}), RefYoutubeVos(tmp_path, "valid"), tmp_path / "file" / "out.zip")


def test_a_submission_that_fails_leaves_no_file(tmp_path):
    write_ref_ytvos(tmp_path)
    clips = list(RefYoutubeVos(tmp_path, "valid"))
    clips[3].frame_paths[1].unlink()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DatasetError, match=r"00005\.jpg' is missing or broken"):
        write_submission(KnowingSegmenter({}), clips, tmp_path / "out.zip")
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(
        DatasetError, match=r"out\.zip' cannot be written \(No such file or directory\): choose a folder"
    ):
        write_submission(KnowingSegmenter({}), clips, tmp_path / "none" / "out.zip")


def test_a_whole_submission_is_not_lost(tmp_path):
    write_ref_ytvos(tmp_path)
    (tmp_path / "out.zip").mkdir()
    with pytest.raises(DatasetError, match=r"out\.zip' cannot be replaced \(.*\): the zip is '.*out\.zip\.partial'"):
        write_submission(KnowingSegmenter({}), RefYoutubeVos(tmp_path, "valid"), tmp_path / "out.zip")
    assert zipfile.ZipFile(tmp_path / "out.zip.partial").testzip() is None


def test_truth_of_another_size_is_refused(tmp_path):
    write_ref_ytvos(tmp_path)
    clip = next(iter(RefYoutubeVos(tmp_path, "train")))
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), np.zeros((8, 8), np.uint8))
    with pytest.raises(DatasetError, match=r"truth for '.*00000\.jpg' has 8x8 px, expected the image's 24x16: take im"):
        evaluate_jf(KnowingSegmenter({}), [replace(clip, truth=LabelImages((small,) * 3, 1))])


def test_table():
    assert format_jf([("all", JF(3, 0.5, 0.75))], "expressions").splitlines() == [
        "| | expressions | J&F | J | F |",
        "|---|---|---|---|---|",
        "| all | 3 | **0.625** | 0.500 | 0.750 |",
    ]
