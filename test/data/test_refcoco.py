"""RefCOCO/+/g, from a small folder of its layout."""

import json
import pickle

import numpy as np
import pytest
from dataset_folders import box, write_json, write_refcoco, write_refer

from samwise_ros.data.refcoco import OutlinedMask, RefCoco
from samwise_ros.errors import DatasetError


@pytest.mark.parametrize("write", [write_refcoco, write_refer])
@pytest.mark.parametrize(("name", "split"), [("refcoco", "val"), ("refcoco+", "testA"), ("refcocog", "test")])
def test_an_expression_is_a_clip_of_one_frame(tmp_path, name, split, write):
    write(tmp_path, name, split)
    reader = RefCoco(tmp_path, name, split)
    clips = list(reader)
    assert len(reader) == len(clips) == 3
    assert [(clip.video, clip.expression_id, clip.text) for clip in clips] == [
        ("a", "1", "first"),
        ("a", "2", "second"),
        ("b", "3", "third"),
    ]
    assert clips[2].frame_paths == (tmp_path / "train2014" / "b.jpg",)


@pytest.mark.parametrize("write", [write_refcoco, write_refer])
def test_polygons_and_runs_become_masks(tmp_path, write):
    write(tmp_path)
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
    with pytest.raises(DatasetError, match=r"refs\(unc\)\.p' cannot be read .*: unpack the annotations of https"):
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


def test_references_of_another_layout(tmp_path):
    write_refer(tmp_path)
    refs, instances = tmp_path / "refcoco" / "refs(unc).p", tmp_path / "refcoco" / "instances.json"
    whole = refs.read_bytes()
    for contents, message in (
        (whole[:-9], "is no pickle of plain values .*: download it again"),
        (pickle.dumps(print), r"is no pickle of plain values \(it holds builtins\.print\): download it again"),
        (pickle.dumps({}), r"refs\(unc\)\.p' has 'refs' of type dict, expected list"),
        (pickle.dumps([{"split": 1}]), "a reference in .* has 'split' of type int, expected str"),
    ):
        refs.write_bytes(contents)
        with pytest.raises(DatasetError, match=message):
            RefCoco(tmp_path, "refcoco", "val")
    refs.write_bytes(whole)
    contents = json.loads(instances.read_text())
    write_json(instances, {**contents, "annotations": contents["annotations"][:1]})
    with pytest.raises(
        DatasetError, match=r"is of image 60 and annotation 72, expected both in .*instances\.json': un"
    ):
        RefCoco(tmp_path, "refcoco", "val")
    instances.unlink()
    with pytest.raises(DatasetError, match=r"instances\.json' cannot be read .*: unpack the annotations"):
        RefCoco(tmp_path, "refcoco", "val")


@pytest.mark.parametrize(
    ("theirs", "ours"), [("testA", ["testA"]), ("testAB", ["testA", "testB"]), ("train", ["train"])]
)
def test_a_reference_may_be_in_both_test_splits(tmp_path, theirs, ours):
    write_refer(tmp_path)
    path = tmp_path / "refcoco" / "refs(unc).p"
    refs = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps([{**refs[2], "split": theirs}]))
    assert [split for split in ("train", "val", "testA", "testB") if len(RefCoco(tmp_path, "refcoco", split))] == ours


@pytest.mark.parametrize("segmentation", ["abc", [], {"size": [16, 24]}, None])
def test_broken_outlines(segmentation):
    with pytest.raises(
        DatasetError, match="expression 1 has a segmentation that is neither polygons nor lengths of runs"
    ):
        OutlinedMask(segmentation, 16, 24, "expression 1").mask(0)
