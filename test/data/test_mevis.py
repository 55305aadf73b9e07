"""MeViS, from a small folder of its layout."""

import json

import numpy as np
import pytest
from dataset_folders import object_masks, write_json, write_mevis

from samwise_ros.data.mevis import EncodedMasks, MeViS
from samwise_ros.errors import DatasetError


def test_an_expression_of_several_objects_has_their_union(tmp_path):
    write_mevis(tmp_path)
    reader = MeViS(tmp_path, "valid_u")
    clips = list(reader)
    assert len(reader) == len(clips) == 4
    assert [(clip.video, clip.expression_id, clip.text) for clip in clips[2:]] == [
        ("cats", "0", "cats both"),
        ("cats", "1", "cats second"),
    ]
    for index in range(3):
        first, second = object_masks(1)[index], object_masks(2)[index]
        np.testing.assert_array_equal(clips[0].truth.mask(index), first | second)
        np.testing.assert_array_equal(clips[1].truth.mask(index), second)
        assert clips[1].truth.mask(index).dtype == np.bool_


def test_the_servers_split_has_no_masks(tmp_path):
    write_mevis(tmp_path)
    assert [clip.truth for clip in MeViS(tmp_path, "valid")] == [None] * 4


def test_masks_and_frames_must_fit(tmp_path):
    write_mevis(tmp_path)
    path = tmp_path / "valid_u" / "mask_dict.json"
    tracks = json.loads(path.read_text())
    tracks["22"].pop()
    write_json(path, tracks)
    with pytest.raises(
        DatasetError, match=r"expression 0 of video 'cats' needs annotation 22, .* has 2 masks, expected 3"
    ):
        MeViS(tmp_path, "valid_u")
    del tracks["12"]
    write_json(path, tracks)
    with pytest.raises(DatasetError, match=r"needs annotation 12, .* has none, expected 3, one per frame: take both"):
        MeViS(tmp_path, "valid_u")
    write_json(path, [])
    with pytest.raises(DatasetError, match="holds a list, expected masks by annotation: download it again"):
        MeViS(tmp_path, "valid_u")
    path.unlink()
    with pytest.raises(DatasetError, match=r"mask_dict\.json' cannot be read .*: extract MeViS_release\.zip"):
        MeViS(tmp_path, "valid_u")


@pytest.mark.parametrize("code", [{"counts": "abc"}, "abc", {"size": [2, 2], "counts": [4]}])
def test_broken_codes(tmp_path, code):
    with pytest.raises(DatasetError, match=r"a\.jpg' is not in COCO's run-length code: download mask_dict\.json again"):
        EncodedMasks(([code],), (tmp_path / "a.jpg",)).mask(0)
