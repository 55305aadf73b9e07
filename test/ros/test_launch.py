"""The launch files, run by the real `launch` and `launch_ros` on the real node with the shipped model."""

import signal

import cv2
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("samwise_ros.msg", reason="needs the built messages: make setup")
pytest.importorskip("launch_ros", reason="needs launch_ros, which comes with a ROS 2 distribution")

from fakes import red_square
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from samwise_ros.msg import TrackedObjectArray
from samwise_ros.ros.convert import rgb_to_image

pytestmark = pytest.mark.ros

RUN, SAMWISE, DEMO = "test/ros/run_launch_file.py", "launch/samwise.launch.py", "launch/demo.launch.py"


class Robot:
    """What runs beside a launched node."""

    def __init__(self, graph) -> None:
        self.graph, self.node = graph, graph.probe()

    def ask(self, kind, name, **request):
        client = self.node.create_client(kind, name)
        self.graph.wait_for(client.service_is_ready)
        future = client.call_async(kind.Request(**request))
        self.graph.wait_for(future.done)
        return future.result()

    def wait_for_state(self, node, state):
        self.graph.wait_for(lambda: self.ask(GetState, f"{node}/get_state").current_state.id == state)

    def answers(self, image_topic, node):
        """Show an image until objects come."""
        heard = []
        self.node.create_subscription(TrackedObjectArray, f"{node}/objects", heard.append, 10)
        camera = self.node.create_publisher(Image, image_topic, QoSProfile(depth=1))
        self.graph.wait_for(camera.get_subscription_count)

        def shown():
            camera.publish(rgb_to_image(red_square(), Header()))
            self.graph.wait_for(lambda: True)
            return heard

        self.graph.wait_for(shown)
        return heard[0]


def end(process):
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert "Traceback" not in output, output
    return output


def test_a_namespace_topics_parameters_and_a_name(graph, start):
    process = start(
        *(RUN, SAMWISE, "namespace:=robot", "name:=eyes", "image:=front/image_raw", "targets:=[the red ball, the cup]"),
        "use_sim_time:=true",
    )
    robot = Robot(graph)
    robot.wait_for_state("/robot/eyes", State.PRIMARY_STATE_ACTIVE)
    found = robot.answers("/robot/front/image_raw", "/robot/eyes")
    assert [one.text for one in found.objects] == ["the red ball", "the cup"]
    answer = robot.ask(GetParameters, "/robot/eyes/get_parameters", names=["model", "max_targets", "use_sim_time"])
    model, max_targets, use_sim_time = answer.values
    assert (model.string_value, max_targets.integer_value, use_sim_time.bool_value) == ("compact", 8, True)
    end(process)


def test_several_cameras_in_one_process(graph, start):
    process = start(RUN, SAMWISE, "cameras:=[front, rear]", "image:=image_raw", "targets:=[the red ball]")
    robot = Robot(graph)
    for camera in ("front", "rear"):
        robot.wait_for_state(f"/{camera}/samwise", State.PRIMARY_STATE_ACTIVE)
        found = robot.answers(f"/{camera}/image_raw", f"/{camera}/samwise")
        assert [one.text for one in found.objects] == ["the red ball"]
    assert end(process).count("process started") == 1


def test_without_autostart_the_node_waits(graph, start):
    process = start(RUN, SAMWISE, "autostart:=false")
    Robot(graph).wait_for_state("/samwise", State.PRIMARY_STATE_UNCONFIGURED)
    end(process)


def test_the_demo_shows_a_film_to_the_node(graph, start, tmp_path):
    for number in range(40):
        cv2.imwrite(str(tmp_path / f"{number:03d}.png"), red_square())
    process = start(RUN, DEMO, f"video:={tmp_path}", "rate_hz:=5.0")
    heard = []
    robot = Robot(graph)
    robot.node.create_subscription(TrackedObjectArray, "/samwise/objects", heard.append, 10)
    graph.wait_for(lambda: heard)
    end(process)
