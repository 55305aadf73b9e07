"""Ref-YouTube-VOS, from a small folder of its layout."""

import shutil

import numpy as np
import pytest
from dataset_folders import FRAMES, object_masks, video_list, write_json, write_ref_ytvos

from samwise_ros.data.ref_ytvos import RefYoutubeVos
from samwise_ros.errors import DatasetError


def test_training_clips_have_masks(tmp_path):
    write_ref_ytvos(tmp_path)
    reader = RefYoutubeVos(tmp_path, "train")
    clips = list(reader)
    assert len(reader) == len(clips) == 4
    assert [(clip.video, clip.expression_id, clip.text) for clip in clips[:2]] == [
        ("boats", "0", "boats thing 1, text 0"),
        ("boats", "1", "boats thing 2, text 1"),
    ]
    assert clips[0].truth.paths is clips[1].truth.paths, "a video's are many"
    assert [path.relative_to(tmp_path).as_posix() for path in clips[2].frame_paths] == [
        f"train/JPEGImages/cats/{name}.jpg" for name in FRAMES
    ]
    for clip, number in zip(clips, (1, 2, 1, 2), strict=True):
        for index, mask in enumerate(object_masks(number)):
            np.testing.assert_array_equal(clip.truth.mask(index), mask)


def test_validation_is_cleaned_of_test_videos_and_has_no_masks(tmp_path):
    write_ref_ytvos(tmp_path)
    reader = RefYoutubeVos(tmp_path, "valid")
    assert [(clip.video, clip.truth) for clip in reader] == [("boats", None)] * 2 + [("cats", None)] * 2
    (tmp_path / "meta_expressions" / "test" / "meta_expressions.json").unlink()
    with pytest.raises(DatasetError, match="the validation list names the test videos too"):
        RefYoutubeVos(tmp_path, "valid")


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"meta_expressions\.json' cannot be read .*: extract the archives"):
        RefYoutubeVos(tmp_path, "train")
    write_ref_ytvos(tmp_path)
    shutil.rmtree(tmp_path / "train" / "Annotations" / "cats")
    with pytest.raises(DatasetError, match=r"train/Annotations' lacks 1 of 2 videos, the first is 'cats'"):
        RefYoutubeVos(tmp_path, "train")
    shutil.rmtree(tmp_path / "valid" / "JPEGImages")
    with pytest.raises(DatasetError, match=r"valid/JPEGImages' lacks 2 of 2 videos"):
        RefYoutubeVos(tmp_path, "valid")


@pytest.mark.parametrize("number", ["0", "255", "first"])
def test_numbers_of_objects(tmp_path, number):
    write_ref_ytvos(tmp_path)
    videos = video_list()
    videos["videos"]["cats"]["expressions"]["1"]["obj_id"] = number
    write_json(tmp_path / "meta_expressions" / "train" / "meta_expressions.json", videos)
    with pytest.raises(DatasetError, match=f"expression 1 of video 'cats' has obj_id '{number}', expected a number"):
        RefYoutubeVos(tmp_path, "train")
