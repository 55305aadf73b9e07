"""RefCOCO/+/g, from a small folder of its layout."""

import json

import numpy as np
import pytest
from dataset_folders import box, write_json, write_refcoco

from samwise_ros.data.refcoco import OutlinedMask, RefCoco
from samwise_ros.errors import DatasetError


@pytest.mark.parametrize(("name", "split"), [("refcoco", "val"), ("refcoco+", "testA"), ("refcocog", "test")])
def test_an_expression_is_a_clip_of_one_frame(tmp_path, name, split):
    write_refcoco(tmp_path, name, split)
    reader = RefCoco(tmp_path, name, split)
    clips = list(reader)
    assert len(reader) == len(clips) == 3
    assert [(clip.video, clip.expression_id, clip.text) for clip in clips] == [
        ("a", "1", "first"),
        ("a", "2", "second"),
        ("b", "3", "third"),
    ]
    assert clips[2].frame_paths == (tmp_path / "train2014" / "b.jpg",)


def test_polygons_and_runs_become_masks(tmp_path):
    write_refcoco(tmp_path)
    first, _, third = RefCoco(tmp_path, "refcoco", "val")
    np.testing.assert_array_equal(first.truth.mask(0), box(2, 3, 10, 9) | box(12, 3, 14, 5))
    np.testing.assert_array_equal(third.truth.mask(0), box(2, 0, 3, 16))
    assert third.truth.mask(0).dtype == np.bool_


def test_other_layouts(tmp_path):
    with pytest.raises(DatasetError, match="'coco' is none of these data sets, expected one of: refcoco, refcoco"):
        RefCoco(tmp_path, "coco", "val")
    with pytest.raises(DatasetError, match="refcocog has no split 'testA', expected one of: train, val, test"):
        RefCoco(tmp_path, "refcocog", "testA")
    with pytest.raises(DatasetError, match=r"train2014' does not exist: extract train2014\.zip"):
        RefCoco(tmp_path, "refcoco", "val")
    write_refcoco(tmp_path)
    with pytest.raises(
        DatasetError, match=r"instances_refcoco_train\.json' cannot be read .*: convert the annotations"
    ):
        RefCoco(tmp_path, "refcoco", "train")
    path = tmp_path / "refcoco" / "instances_refcoco_val.json"
    contents = json.loads(path.read_text())
    contents["annotations"].pop()
    write_json(path, contents)
    with pytest.raises(DatasetError, match=r"image 3 in .* has no annotation with a segmentation, expected one"):
        RefCoco(tmp_path, "refcoco", "val")
    contents["images"][1]["caption"] = ""
    write_json(path, contents)
    with pytest.raises(DatasetError, match=r"expression 2 of .* is '' of 0 characters"):
        RefCoco(tmp_path, "refcoco", "val")


@pytest.mark.parametrize("segmentation", ["abc", [], {"size": [16, 24]}, None])
def test_broken_outlines(segmentation):
    with pytest.raises(
        DatasetError, match="expression 1 has a segmentation that is neither polygons nor lengths of runs"
    ):
        OutlinedMask(segmentation, 16, 24, "expression 1").mask(0)
