import sys

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="needs ROS 2")

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from samwise_ros.engine.lift import Box3D
from samwise_ros.ros.detections import (
    boxes_to_detections_3d,
    result_to_detections,
    targets_to_label_info,
    vision_msgs_available,
)
from samwise_ros.types import Frame, FrameResult, Target, TrackedObject

pytestmark = pytest.mark.ros
needs_vision_msgs = pytest.mark.skipif(not vision_msgs_available(), reason="needs vision_msgs, which is not installed")

HEADER = Header(stamp=Time(sec=12, nanosec=34), frame_id="front_optical")
MUG = TrackedObject(Target(3, "the red mug"), 0.75, (10, 20, 15, 24), np.ones((4, 5), bool), (12.0, 21.5), 20)
GONE = TrackedObject(Target(4, "the dog"), 0.125, None, np.zeros((0, 0), bool), None, 0)
CAT = TrackedObject(Target(9, "the cat"), 0.5, (0, 0, 64, 48), np.ones((48, 64), bool), (31.5, 23.5), 3072)
RESULT = FrameResult(Frame(np.zeros((48, 64, 3), np.uint8)), (MUG, GONE, CAT), np.zeros((48, 64), np.uint8))
EMPTY = FrameResult(RESULT.frame, (), RESULT.labels)


def test_vision_msgs_is_missing_where_it_cannot_be_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "vision_msgs", None)
    monkeypatch.setitem(sys.modules, "vision_msgs.msg", None)
    assert not vision_msgs_available()
    with pytest.raises(ImportError):
        result_to_detections(RESULT, HEADER)


@needs_vision_msgs
def test_visible_targets_are_detections_and_hidden_ones_are_not():
    array = result_to_detections(RESULT, HEADER)
    assert array.header == HEADER
    assert [(found.id, found.header) for found in array.detections] == [("3", HEADER), ("9", HEADER)]
    assert [(one.hypothesis.class_id, one.hypothesis.score) for found in array.detections for one in found.results] == [
        ("the red mug", 0.75),
        ("the cat", 0.5),
    ]


@needs_vision_msgs
def test_a_detection_spans_the_box():
    mug, cat = (found.bbox for found in result_to_detections(RESULT, HEADER).detections)
    assert (mug.center.position.x, mug.center.position.y, mug.center.theta) == (12.5, 22.0, 0.0)
    assert (mug.size_x, mug.size_y) == (5.0, 4.0)
    assert (cat.center.position.x - cat.size_x / 2, cat.center.position.x + cat.size_x / 2) == (0.0, 64.0)
    assert (cat.center.position.y - cat.size_y / 2, cat.center.position.y + cat.size_y / 2) == (0.0, 48.0)


@needs_vision_msgs
def test_boxes_in_space_are_detections_along_the_optical_axes():
    box = Box3D((0.1, -0.2, 1.5), (0.3, 0.4, 0.05))
    array = boxes_to_detections_3d(RESULT, (None, None, box), HEADER)
    (found,) = array.detections
    assert (array.header, found.header, found.id) == (HEADER, HEADER, "9")
    center, size = found.bbox.center, found.bbox.size
    assert (center.position.x, center.position.y, center.position.z) == box.center_xyz_m
    assert (center.orientation.x, center.orientation.y, center.orientation.z, center.orientation.w) == (0, 0, 0, 1)
    assert (size.x, size.y, size.z) == box.size_xyz_m
    (reading,) = found.results
    assert (reading.hypothesis.class_id, reading.hypothesis.score) == ("the cat", 0.5)
    assert reading.pose.pose == center
    assert not reading.pose.covariance.any()


@needs_vision_msgs
def test_boxes_of_another_number_than_objects_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        boxes_to_detections_3d(RESULT, (None, None), HEADER)


@needs_vision_msgs
def test_labels_are_named_in_the_order_of_the_label_image():
    info = targets_to_label_info([found.target for found in RESULT.objects], HEADER)
    assert info.header == HEADER
    assert [(one.class_id, one.class_name) for one in info.class_map] == [
        (1, "the red mug"),
        (2, "the dog"),
        (3, "the cat"),
    ]
    assert info.threshold == 0.5


@needs_vision_msgs
def test_without_targets_everything_is_empty():
    assert not result_to_detections(EMPTY, HEADER).detections
    assert not boxes_to_detections_3d(EMPTY, (), HEADER).detections
    assert not targets_to_label_info((), HEADER).class_map


@needs_vision_msgs
def test_messages_can_be_sent():
    from rclpy.serialization import deserialize_message, serialize_message

    box = Box3D((0.1, -0.2, 1.5), (0.3, 0.4, 0.05))
    for message in (
        result_to_detections(RESULT, HEADER),
        boxes_to_detections_3d(RESULT, (box, None, None), HEADER),
        targets_to_label_info((MUG.target, GONE.target), HEADER),
    ):
        assert deserialize_message(serialize_message(message), type(message)) == message
