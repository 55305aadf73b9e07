"""What the node says about a camera that does not do what it should; real publishers on a real graph."""

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("samwise_ros.msg", reason="needs the built messages: make setup")

from builtin_interfaces.msg import Time
from fakes import red_square
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from samwise_ros.ros.convert import rgb_to_compressed, rgb_to_image
from samwise_ros.ros.inputs import CameraInputs

pytestmark = pytest.mark.ros


def header(seconds: float) -> Header:
    return Header(stamp=Time(sec=int(seconds), nanosec=round(seconds % 1 * 1e9)))


class Rig:
    """A node's inputs, and a camera."""

    def __init__(self, graph, *, transport="raw", with_depth=False, qos=None, **options) -> None:
        self.graph = graph
        self.node = graph.add(Node("samwise", context=graph.context, **options))
        self.arrivals = []
        self.inputs = CameraInputs(
            self.node,
            transport=transport,
            with_depth=with_depth,
            on_image=self.arrivals.append,
        )
        self.camera = graph.probe()
        kind = CompressedImage if transport == "compressed" else Image
        self.publisher = self.camera.create_publisher(kind, self.inputs.topic, qos or QoSProfile(depth=10))

    def wait_for_match(self, publisher=None):
        self.graph.wait_for((publisher or self.publisher).get_subscription_count)

    def show(self, msg):
        count = len(self.arrivals)
        self.publisher.publish(msg)
        self.graph.wait_for(lambda: len(self.arrivals) > count)


@pytest.mark.parametrize(
    "name", ["/picture.subscription.reliability", "/image.subscription.durability", "/image.publisher.depth"]
)
def test_an_override_of_no_subscription_is_warned_about(graph, capfd, name):
    override = Parameter(f"qos_overrides.{name}", value="reliable")
    Rig(graph, parameter_overrides=[override])
    sentence = f"'qos_overrides.{name}' is of no subscription of this node, expected qos_overrides./image.subscription."
    assert sentence in capfd.readouterr().err


def test_overrides_of_several_cameras_are_right_where_one_is_this_node_s(graph, capfd):
    names = ("/image", "/rear/image")
    Rig(
        graph,
        parameter_overrides=[
            Parameter(f"qos_overrides.{name}.subscription.reliability", value="reliable") for name in names
        ],
    )
    assert "is of no subscription" not in capfd.readouterr().err


def test_images_arrive_with_their_time_of_receipt(graph):
    rig = Rig(graph)
    rig.wait_for_match()
    rig.show(rgb_to_image(red_square(), header(3)))
    rig.show(rgb_to_image(red_square(), header(4)))
    assert [one.msg.header.stamp.sec for one in rig.arrivals] == [3, 4]
    assert rig.arrivals[0].received_s < rig.arrivals[1].received_s
    assert [one.recording for one in rig.arrivals] == [0, 0]


def test_compressed_images_come_on_the_topic_below(graph):
    rig = Rig(graph, transport="compressed")
    assert rig.inputs.topic == "/image/compressed"
    rig.wait_for_match()
    rig.show(rgb_to_compressed(red_square(), header(3)))
    assert rig.arrivals[0].msg.format.startswith("rgb8; jpeg")


def test_after_closing_nothing_arrives(graph):
    rig = Rig(graph)
    rig.wait_for_match()
    rig.inputs.close()
    graph.wait_for(lambda: rig.publisher.get_subscription_count() == 0)


def test_stamps_that_run_backwards_start_over(graph, capfd):
    rig = Rig(graph)
    rig.wait_for_match()
    for seconds in (5, 6, 1.5, 2):
        rig.show(rgb_to_image(red_square(), header(seconds)))
    assert [one.recording for one in rig.arrivals] == [0, 0, 1, 1]
    assert "stamps on /image run backwards by 4.500 s" in capfd.readouterr().err


def test_missing_stamps_are_said_once(graph, capfd):
    rig = Rig(graph)
    rig.wait_for_match()
    for _ in range(3):
        rig.show(rgb_to_image(red_square(), header(0)))
    assert capfd.readouterr().err.count("images on /image have no stamp") == 1
    assert {one.recording for one in rig.arrivals} == {0}


def test_silence_names_the_topic_and_who_publishes_there_once_until_an_image_comes(graph, capfd):
    rig = Rig(graph)
    rig.wait_for_match()
    rig.inputs.check_silence(60.0)
    assert "no image" not in capfd.readouterr().err
    for _ in range(3):
        rig.inputs.check_silence(0.0)
    said = capfd.readouterr().err
    assert said.count("no image for 0 s on /image; it is published by /probe_1 (sensor_msgs/msg/Image)") == 1
    rig.show(rgb_to_image(red_square(), header(1)))
    rig.inputs.check_silence(60.0)
    rig.inputs.check_silence(0.0)
    assert "no image" in capfd.readouterr().err


def test_silence_without_a_publisher_says_so(graph, capfd):
    rig = Rig(graph)
    rig.camera.destroy_publisher(rig.publisher)
    graph.wait_for(lambda: not rig.node.count_publishers("/image"))
    rig.inputs.check_silence(0.0)
    assert "nobody publishes there: check that the camera runs and remap `image`" in capfd.readouterr().err


def test_an_incompatible_publisher_is_named_with_the_remedy(graph, capfd):
    Rig(
        graph,
        qos=QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT),
        parameter_overrides=[Parameter("qos_overrides./image.subscription.reliability", value="reliable")],
    )
    said = []

    def warned():
        said.append(capfd.readouterr().err)
        return "offers another reliability than is asked for" in "".join(said)

    graph.wait_for(warned)
    assert "qos_overrides./image.subscription.reliability" in "".join(said)


def test_another_size_is_said(graph, capfd):
    rig = Rig(graph)
    rig.inputs.check_size(48, 64)
    rig.inputs.check_size(48, 64)
    assert "pixels now" not in capfd.readouterr().err
    rig.inputs.check_size(96, 128)
    assert "images are 128x96 pixels now, were 64x48: targets stay" in capfd.readouterr().err


def test_calibration_is_kept(graph):
    rig = Rig(graph, with_depth=True)
    info = rig.camera.create_publisher(CameraInfo, "camera_info", QoSProfile(depth=10))
    rig.wait_for_match(info)
    info.publish(CameraInfo(width=7))
    graph.wait_for(lambda: rig.inputs.camera_info)
    assert rig.inputs.camera_info.width == 7
