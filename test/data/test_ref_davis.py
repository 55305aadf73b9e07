"""Ref-DAVIS17, from a small folder of its layout."""

import shutil

import numpy as np
import pytest
from dataset_folders import object_masks, video_list, write_json, write_ref_davis

from samwise_ros.data.ref_davis import RefDavis
from samwise_ros.errors import DatasetError


def test_clips_come_by_object_and_then_by_annotator(tmp_path):
    write_ref_davis(tmp_path)
    reader = RefDavis(tmp_path, "valid")
    clips = list(reader)
    assert len(reader) == len(clips) == 16
    assert [clip.expression_id for clip in clips[:8]] == list("01234567")
    assert [clip.truth.object_id for clip in clips[:8]] == [1] * 4 + [2] * 4
    assert clips[15].frame_paths[2] == tmp_path / "valid" / "JPEGImages" / "cats" / "00010.jpg"
    for index, mask in enumerate(object_masks(2)):
        np.testing.assert_array_equal(clips[7].truth.mask(index), mask)


def test_each_object_has_four_expressions(tmp_path):
    write_ref_davis(tmp_path)
    write_json(tmp_path / "meta_expressions" / "valid" / "meta_expressions.json", video_list([1] * 4 + [2] * 3))
    with pytest.raises(DatasetError, match="video 'boats' has 7 expressions, expected 4 for each of its objects"):
        RefDavis(tmp_path, "valid")


def test_what_is_missing_is_named(tmp_path):
    write_ref_davis(tmp_path)
    shutil.rmtree(tmp_path / "valid" / "Annotations" / "boats")
    with pytest.raises(
        DatasetError, match=r"valid/Annotations' lacks 1 of 2 videos, the first is 'boats': bring DAVIS"
    ):
        RefDavis(tmp_path, "valid")
    with pytest.raises(DatasetError, match="Ref-DAVIS17 has no split 'val', expected one of: train, valid"):
        RefDavis(tmp_path, "val")
