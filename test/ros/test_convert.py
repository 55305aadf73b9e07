import array
import math

import cv2
import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="needs ROS 2")
pytest.importorskip("samwise_ros.msg", reason="needs the built messages: make setup")

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from samwise_ros.errors import ConfigError, ImageError
from samwise_ros.ros.convert import (
    compressed_to_frame,
    depth_to_metres,
    image_to_frame,
    image_to_labels,
    info_to_intrinsics,
    labels_to_image,
    result_to_objects,
    rgb_to_compressed,
    rgb_to_image,
    stamp_to_ns,
)
from samwise_ros.types import Frame, FrameResult, Target, TrackedObject

pytestmark = pytest.mark.ros

HEADER = Header(stamp=Time(sec=12, nanosec=34), frame_id="front_optical")
P_OF_RECTIFIED = [90.0, 0.0, 30.0, 0.0, 0.0, 80.0, 20.0, 0.0, 0.0, 0.0, 1.0, 0.0]
K_OF_RAW = [100.0, 0.0, 32.0, 0.0, 95.0, 24.0, 0.0, 0.0, 1.0]
RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def image(pixels, encoding, padding_bytes=0, **changes):
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding_bytes)), constant_values=77)
    fields = {"height": len(pixels), "width": pixels.shape[1], "encoding": encoding, "step": rows.shape[1]} | changes
    return Image(header=HEADER, data=array.array("B", rows.tobytes()), **fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (90, 80, 30, 20)),
        ({"width": 64, "height": 48}, (90, 80, 30, 20)),
        ({"width": 64, "height": 48, "p": [0.0] * 12}, (100, 95, 32, 24)),
        ({"width": 129, "height": 97, "binning_x": 2, "binning_y": 2}, (45, 40, 15, 10)),
        (
            {"width": 200, "height": 96, "roi": RegionOfInterest(x_offset=10, y_offset=4, width=64, height=48)},
            (90, 80, 20, 16),
        ),
    ],
)
def test_calibration_is_that_of_the_rectified_image(fields, expected):
    info = CameraInfo(**({"p": P_OF_RECTIFIED, "k": K_OF_RAW} | fields))
    found = info_to_intrinsics(info, 48, 64)
    assert (found.fx_px, found.fy_px, found.cx_px, found.cy_px) == expected


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"width": 640, "height": 480}, "camera_info is of images of 640 x 480 pixels, expected 64 x 48 as the camera"),
        ({"p": [0.0] * 12, "k": [0.0] * 9}, "fx 0, fy 0, cx 0, cy 0 px, expected finite values"),
    ],
)
def test_an_unfit_calibration_is_refused(fields, sentence):
    with pytest.raises(ConfigError, match=sentence):
        info_to_intrinsics(CameraInfo(**({"p": P_OF_RECTIFIED, "k": K_OF_RAW} | fields)), 48, 64)


def test_a_raw_image_becomes_a_frame_with_its_stamp_and_frame_id():
    frame = image_to_frame(image(RGB[:, :, ::-1], "bgr8", 3))
    np.testing.assert_array_equal(frame.rgb, RGB)
    assert (frame.stamp_ns, frame.frame_id) == (12_000_000_034, "front_optical")


@pytest.mark.parametrize("padding_bytes", [0, 4])
def test_rgb8_is_a_view(padding_bytes):
    msg = image(RGB, "rgb8", padding_bytes)
    assert np.shares_memory(image_to_frame(msg).rgb, np.frombuffer(msg.data, np.uint8))


def test_a_compressed_image_becomes_a_frame_with_its_stamp_and_frame_id():
    png = cv2.imencode(".png", RGB[:, :, ::-1])[1].tobytes()
    frame = compressed_to_frame(CompressedImage(header=HEADER, format="png", data=array.array("B", png)))
    np.testing.assert_array_equal(frame.rgb, RGB)
    assert (frame.stamp_ns, frame.frame_id) == (12_000_000_034, "front_optical")


def test_rgb_survives_compression():
    rgb = np.zeros((60, 90, 3), np.uint8) + np.array([200, 120, 40], np.uint8)
    rgb[:, :45] = 20, 60, 180
    msg = rgb_to_compressed(rgb, HEADER)
    frame = compressed_to_frame(msg)
    assert (msg.header, msg.format) == (HEADER, "rgb8; jpeg compressed bgr8")
    assert np.abs(frame.rgb.astype(int) - rgb)[:, [10, 80]].max() <= 4
    assert len(rgb_to_compressed(RGB, HEADER, quality=10).data) < len(rgb_to_compressed(RGB, HEADER).data)


def test_a_picture_too_long_for_a_jpeg_is_refused():
    with pytest.raises(ImageError, match="image is 65501 x 1 pixels, expected at most 65500 a side for a JPEG"):
        rgb_to_compressed(np.zeros((1, 65_501, 3), np.uint8), HEADER)


@pytest.mark.parametrize("padding_bytes", [0, 3])
@pytest.mark.parametrize(("order", "is_bigendian"), [("<", 0), (">", 1)])
@pytest.mark.parametrize(
    ("encoding", "dtype", "stored"),
    [
        ("16UC1", "u2", [[0, 1, 1234], [65535, 500, 0]]),
        ("mono16", "u2", [[0, 1, 1234], [65535, 500, 0]]),
        ("32FC1", "f4", [[0.0, 0.001, 1.234], [65.535, 0.5, -1.0]]),
        ("32FC1", "f4", [[np.inf, 0.001, 1.234], [65.535, 0.5, np.nan]]),
        ("32FC1", "f4", [[-np.inf, 0.001, 1.234], [65.535, 0.5, -0.0]]),
    ],
)
def test_depth_is_in_metres_and_nan_where_nothing_was_measured(
    encoding, dtype, stored, order, is_bigendian, padding_bytes
):
    msg = image(np.array(stored, order + dtype), encoding, padding_bytes, is_bigendian=is_bigendian)
    metres = depth_to_metres(msg)
    expected = np.array([[np.nan, 0.001, 1.234], [65.535, 0.5, np.nan]], np.float32)
    assert metres.dtype == np.dtype(np.float32)
    np.testing.assert_allclose(metres, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"encoding": "rgb8"}, "depth image has encoding 'rgb8', expected one of 16UC1, mono16, 32FC1: subscribe"),
        ({"step": 5}, "step of 5 bytes, expected at least 6 for 3 pixels of 16UC1"),
        ({"height": 3}, r"holds 12 bytes, expected 18 \(step 6 x 3 rows of 16UC1\)"),
        ({"encoding": "32FC1"}, "step of 6 bytes, expected at least 12 for 3 pixels of 32FC1"),
        ({"width": 0}, "image is 0 x 2 pixels, expected at least 1 x 1"),
    ],
)
def test_broken_depth_is_refused(changes, sentence):
    with pytest.raises(ImageError, match=sentence):
        depth_to_metres(image(np.ones((2, 3), "<u2"), **({"encoding": "16UC1"} | changes)))


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
