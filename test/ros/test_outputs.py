"""Results as messages of `vision_msgs`, in 2D and, with depth, in 3D; real nodes on a real graph."""

import array

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("samwise_ros.msg", reason="needs the built messages: make setup")
pytest.importorskip("vision_msgs.msg", reason="needs vision_msgs, which comes with a ROS 2 distribution")

from builtin_interfaces.msg import Time
from fakes import FakeTracker, red_square
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, Detection3DArray, LabelInfo

from samwise_ros.ros.convert import rgb_to_image
from samwise_ros.ros.node import SamwiseNode

pytestmark = pytest.mark.ros

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
HEIGHT, WIDTH = red_square().shape[:2]


def header(second: int) -> Header:
    return Header(stamp=Time(sec=second), frame_id="camera_optical_frame")


def depth_image(second: int, metres: float, width: int = WIDTH) -> Image:
    data = array.array("B", np.full((HEIGHT, width), metres, "<f4").tobytes())
    return Image(header=header(second), height=HEIGHT, width=width, encoding="32FC1", step=4 * width, data=data)


class Rig:
    """The node with depth, a camera, and listeners."""

    def __init__(self, graph, **params) -> None:
        self.graph = graph
        values = {"use_depth": True, "targets": ["the red square"]} | params
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        self.node = graph.add(SamwiseNode(FakeTracker(), context=graph.context, parameter_overrides=overrides))
        self.probe = graph.probe()
        self.heard = {Detection2DArray: [], Detection3DArray: []}
        for kind, topic in ((Detection2DArray, "detections"), (Detection3DArray, "objects_3d")):
            self.probe.create_subscription(kind, f"samwise/{topic}", self.heard[kind].append, 10)
            graph.wait_for(lambda name=f"/samwise/{topic}": self.probe.count_publishers(name))
        self.image, self.depth = (self.probe.create_publisher(Image, topic, 10) for topic in ("image", "depth"))
        self.info = self.probe.create_publisher(CameraInfo, "camera_info", 10)
        for publisher in (self.image, self.depth, self.info):
            graph.wait_for(publisher.get_subscription_count)

    def calibrate(self):
        self.info.publish(CameraInfo(k=[100.0, 0.0, WIDTH / 2, 0.0, 100.0, HEIGHT / 2, 0.0, 0.0, 1.0]))
        self.graph.wait_for(lambda: self.node._inputs.camera_info)

    def show_depth(self, msg):
        self.depth.publish(msg)
        self.graph.wait_for(lambda: any(one.header == msg.header for one in self.node._inputs.depth._kept))

    def show(self, second):
        count = len(self.heard[Detection2DArray])
        self.image.publish(rgb_to_image(red_square(), header(second)))
        self.graph.wait_for(lambda: len(self.heard[Detection2DArray]) > count)


def test_detections_and_label_names(graph):
    rig = Rig(graph)
    rig.show(3)
    (array_,) = rig.heard[Detection2DArray]
    (found,) = array_.detections
    assert array_.header == found.header == header(3)
    assert (found.id, found.results[0].hypothesis.class_id) == ("1", "the red square")
    assert (found.bbox.size_x, found.bbox.size_y) == (16.0, 16.0)
    names = []
    rig.probe.create_subscription(LabelInfo, "samwise/label_info", names.append, LATCHED)
    graph.wait_for(lambda: names)
    assert [(one.class_id, one.class_name) for one in names[0].class_map] == [(1, "the red square")]
    rig.node._tracker.follow(["the dog"])
    rig.show(4)
    graph.wait_for(lambda: len(names) == 2)
    assert [(one.class_id, one.class_name) for one in names[1].class_map] == [(1, "the dog")]


def test_boxes_in_3d(graph):
    rig = Rig(graph)
    rig.calibrate()
    rig.show_depth(depth_image(3, 2.0))
    rig.show(3)
    graph.wait_for(lambda: rig.heard[Detection3DArray])
    (found,) = rig.heard[Detection3DArray][0].detections
    assert rig.heard[Detection3DArray][0].header == header(3)
    centre = found.bbox.center.position
    # The square's middle is column 17.5 and row 15.5 of a camera whose axis is at (32, 24), 2 m away.
    assert (centre.x, centre.y, centre.z) == pytest.approx((-0.29, -0.17, 2.0), abs=0.01)
    assert found.bbox.size.x == pytest.approx(16 / 100 * 2, rel=0.25)


@pytest.mark.parametrize(
    ("depth", "calibrated", "sentence"),
    [
        (None, True, "no depth image came with the image's stamp"),
        (depth_image(9, 2.0), True, "no depth image came with the image's stamp"),
        (depth_image(3, 2.0), False, "no camera_info has come"),
        (depth_image(3, 2.0, width=10), True, "depth image is 10 x 48 pixels, expected 64 x 48"),
    ],
)
def test_without_fitting_depth_there_are_2d_results_and_one_warning(graph, capfd, depth, calibrated, sentence):
    rig = Rig(graph)
    if calibrated:
        rig.calibrate()
    if depth is not None:
        rig.show_depth(depth)
    for _ in range(3):
        rig.show(3)
    assert len(rig.heard[Detection2DArray]) == 3
    assert rig.heard[Detection3DArray] == []
    assert capfd.readouterr().err.count(f"no boxes in 3D: {sentence}") == 1


def test_without_depth_there_is_no_topic_for_boxes_in_3d(graph):
    overrides = [Parameter("use_depth", value=False)]
    node = graph.add(SamwiseNode(FakeTracker(), context=graph.context, parameter_overrides=overrides))
    topics = [publisher.topic_name for publisher in node.publishers]
    assert "/samwise/detections" in topics
    assert "/samwise/objects_3d" not in topics
