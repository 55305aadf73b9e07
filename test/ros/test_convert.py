import array
import math

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="needs ROS 2")
pytest.importorskip("samwise_ros.msg", reason="needs the built messages: make setup")

from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from samwise_ros.errors import ImageError
from samwise_ros.ros.convert import (
    image_to_frame,
    image_to_labels,
    labels_to_image,
    result_to_objects,
    rgb_to_image,
    stamp_to_ns,
)
from samwise_ros.types import Frame, FrameResult, Target, TrackedObject

pytestmark = pytest.mark.ros

HEADER = Header(stamp=Time(sec=12, nanosec=34), frame_id="front_optical")
RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def image(pixels, encoding, padding_bytes=0, **changes):
    rows = np.pad(pixels.reshape(len(pixels), -1), ((0, 0), (0, padding_bytes)), constant_values=77)
    fields = {"height": len(pixels), "width": pixels.shape[1], "encoding": encoding, "step": rows.shape[1]} | changes
    return Image(header=HEADER, data=array.array("B", rows.tobytes()), **fields)


def with_alpha(pixels):
    return np.dstack([pixels, np.full(pixels.shape[:2], 9, np.uint8)])


@pytest.mark.parametrize("padding_bytes", [0, 1, 5])
@pytest.mark.parametrize("is_bigendian", [0, 1])
@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("rgb8", RGB),
        ("bgr8", RGB[:, :, ::-1]),
        ("rgba8", with_alpha(RGB)),
        ("bgra8", with_alpha(RGB[:, :, ::-1])),
    ],
)
def test_every_colour_encoding_gives_the_same_rgb(encoding, pixels, padding_bytes, is_bigendian):
    frame = image_to_frame(image(pixels, encoding, padding_bytes, is_bigendian=is_bigendian))
    np.testing.assert_array_equal(frame.rgb, RGB)
    assert (frame.stamp_ns, frame.frame_id) == (12_000_000_034, "front_optical")


def test_mono8_becomes_grey():
    grey = RGB[:, :, 0]
    np.testing.assert_array_equal(image_to_frame(image(grey, "mono8", 3)).rgb, np.dstack([grey] * 3))


@pytest.mark.parametrize("padding_bytes", [0, 4])
def test_rgb8_is_a_view(padding_bytes):
    msg = image(RGB, "rgb8", padding_bytes)
    assert np.shares_memory(image_to_frame(msg).rgb, np.frombuffer(msg.data, np.uint8))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"encoding": "16UC1"}, "encoding '16UC1', expected one of rgb8, bgr8, mono8, rgba8, bgra8"),
        ({"encoding": ""}, "encoding '', expected one of"),
        ({"width": 0}, "image is 0 x 5 pixels, expected at least 1 x 1"),
        ({"height": 0}, "image is 7 x 0 pixels, expected at least 1 x 1"),
        ({"step": 20}, "step of 20 bytes, expected at least 21 for 7 pixels of rgb8"),
        ({"step": 22}, r"holds 105 bytes, expected 110 \(step 22 x height 5\)"),
        ({"height": 4}, r"holds 105 bytes, expected 84 \(step 21 x height 4\)"),
        ({"width": 2**32 - 1}, "step of 21 bytes, expected at least 12884901885"),
    ],
)
def test_a_broken_image_is_refused_in_one_sentence(changes, sentence):
    with pytest.raises(ImageError, match=sentence) as refusal:
        image_to_frame(image(RGB, **({"encoding": "rgb8"} | changes)))
    assert "\n" not in str(refusal.value)


def test_labels_of_another_encoding_are_refused():
    with pytest.raises(ImageError, match="label image has encoding 'rgb8', expected mono8"):
        image_to_labels(image(RGB, "rgb8"))


def test_rgb_and_labels_survive_the_way_out_and_in():
    out = rgb_to_image(RGB, HEADER)
    np.testing.assert_array_equal(image_to_frame(out).rgb, RGB)
    labels = np.asfortranarray(RGB[:, :, 1])
    back = labels_to_image(labels, HEADER)
    np.testing.assert_array_equal(image_to_labels(back), labels)
    assert (back.encoding, back.step, back.width, back.height) == ("mono8", 7, 7, 5)
    assert back.header == out.header == HEADER


def test_objects_carry_box_mask_and_header():
    mask = np.array([[True, False], [True, True], [False, True]])
    seen = TrackedObject(Target(3, "the dog"), 0.75, (2, 1, 4, 4), mask, (2.5, 2.0), 4)
    gone = TrackedObject(Target(5, "the cat"), 0.25, None, np.zeros((0, 0), bool), None, 0)
    result = FrameResult(Frame(RGB), (seen, gone), np.zeros(RGB.shape[:2], np.uint8))

    array_msg = result_to_objects(result, HEADER)

    dog, cat = array_msg.objects
    assert array_msg.header == dog.mask.header == cat.mask.header == HEADER
    assert (dog.id, dog.text, dog.visible, dog.score, dog.area) == (3, "the dog", True, 0.75, 4)
    assert (dog.box.x_offset, dog.box.y_offset, dog.box.width, dog.box.height) == (2, 1, 2, 3)
    assert (dog.centroid_x, dog.centroid_y) == (2.5, 2.0)
    np.testing.assert_array_equal(image_to_labels(dog.mask), mask * 255)
    assert (cat.id, cat.visible, cat.area, cat.box.width, cat.mask.height, cat.mask.width) == (5, False, 0, 0, 0, 0)
    assert math.isnan(cat.centroid_x)
    assert math.isnan(cat.centroid_y)


def test_stamp_to_ns():
    assert stamp_to_ns(Time(sec=1_700_000_000, nanosec=999_999_999)) == 1_700_000_000_999_999_999
