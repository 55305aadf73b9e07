"""Files of real data sets, whole and broken."""

import numpy as np
import pytest
from PIL import Image

from samwise_ros.data.described import (
    LabelImages,
    check_expression,
    check_folders,
    check_split,
    image_size_px,
    read_frame,
    read_json,
    read_videos,
    typed,
)
from samwise_ros.errors import DatasetError


def test_frame_is_not_turned_by_its_exif_tag(tmp_path):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to see it upright
    Image.new("RGB", (24, 16), (255, 0, 0)).save(path, exif=exif)
    assert read_frame(path).shape == (16, 24, 3)
    assert image_size_px(path) == (16, 24)
    assert read_frame(path)[0, 0, 0] > 250


def test_broken_frames(tmp_path):
    path = tmp_path / "a.jpg"
    with pytest.raises(DatasetError, match=r"a\.jpg' is missing or broken: extract the data set's archive again"):
        read_frame(path)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(DatasetError, match=r"a\.jpg' is cut short .*: extract the data set's archive again"):
        read_frame(path)


def test_label_images_hold_numbers(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.array([[0, 1], [2, 255]], np.uint8)).save(path)
    truth = LabelImages((path,), 2)
    assert truth.labels(0).tolist() == [[0, 1], [2, 255]]
    assert truth.mask(0).tolist() == [[False, False], [True, False]]
    Image.new("RGB", (2, 2)).save(path)
    with pytest.raises(DatasetError, match=r"has the pixel format RGB, expected P or L, .*: extract the original file"):
        truth.mask(0)


def test_missing_and_broken_json(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(DatasetError, match=r"a\.json' cannot be read \(No such file or directory\): get it there"):
        read_json(path, "get it there")
    path.write_text('{"videos": ')
    with pytest.raises(DatasetError, match=r"a\.json' is not JSON .*: download it again"):
        read_json(path, "get it there")


@pytest.mark.parametrize(
    ("contents", "error"),
    [
        ("[]", "has 'videos' of type NoneType, expected dict: check that this is the data set's own file"),
        ('{"videos": {"v": {"expressions": {}}}}', r"video 'v' in .* has 'frames' of type NoneType, expected list"),
        ('{"videos": {"v": {"frames": []}}}', r"has frames \[\], expected a list of names: download it again"),
        ('{"videos": {"v": {"frames": [1]}}}', r"has frames \[1\], expected a list of names"),
        ('{"videos": {"v": {"frames": ["0"]}}}', "has 'expressions' of type NoneType, expected dict"),
        (
            '{"videos": {"v": {"frames": ["0"], "expressions": {"3": {}}}}}',
            "expression 3 of video 'v' in .* has 'exp' of type NoneType, expected str",
        ),
        (
            '{"videos": {"v": {"frames": ["0"], "expressions": {"3": {"exp": " "}}}}}',
            "expression 3 of video 'v' in .* is ' ' of 1 characters, expected 1 to 1000 and not blank: mend or remove",
        ),
    ],
)
def test_other_layouts_of_the_list_of_expressions(tmp_path, contents, error):
    path = tmp_path / "meta_expressions.json"
    path.write_text(contents)
    with pytest.raises(DatasetError, match=error):
        read_videos(path, "get it")


def test_too_long_an_expression():
    check_expression("x" * 1000, "0", "here")
    with pytest.raises(DatasetError, match="expression 0 of here is 'xxxxxxxxxxxxxxxxxxxx' of 1001 characters"):
        check_expression("x" * 1001, "0", "here")


def test_values_of_the_right_type():
    assert typed({"a": 1}, "a", int, "it") == 1
    with pytest.raises(DatasetError, match="it has 'a' of type str, expected int"):
        typed({"a": "1"}, "a", int, "it")


def test_missing_folders(tmp_path):
    (tmp_path / "a").mkdir()
    check_folders(tmp_path, ["a"], "get it")
    with pytest.raises(DatasetError, match=r"lacks 2 of 3 videos, the first is 'b': get it"):
        check_folders(tmp_path, ["a", "b", "c"], "get it")
    with pytest.raises(DatasetError, match=r"none' lacks 1 of 1 videos"):
        check_folders(tmp_path / "none", ["a"], "get it")


def test_unknown_split():
    with pytest.raises(DatasetError, match="MeViS has no split 'test', expected one of: train, valid"):
        check_split("test", ("train", "valid"), "MeViS")
