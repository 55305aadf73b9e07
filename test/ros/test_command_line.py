"""The commands that README.md shows, given to a real node by the real `ros2`."""

import shutil

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("samwise_ros.msg", reason="needs the built messages: make setup")
pytest.importorskip("ros2lifecycle", reason="needs ros2lifecycle, which comes with a ROS 2 distribution")
pytest.importorskip("ros2param", reason="needs ros2param, which comes with a ROS 2 distribution")
pytest.importorskip("ros2service", reason="needs ros2service, which comes with a ROS 2 distribution")
pytest.importorskip("ros2topic", reason="needs ros2topic, which comes with a ROS 2 distribution")

from fakes import red_square
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from samwise_ros.ros.convert import rgb_to_image

pytestmark = pytest.mark.ros

NODE = "test/ros/fake_node.py"


@pytest.fixture
def begin(start):
    """Begin a command; without the daemon, which would outlive the test."""

    def begin_command(group, verb, *arguments):
        alone = () if (group, verb) in (("topic", "pub"), ("service", "call")) else ("--no-daemon", "--spin-time", "3")
        return start(shutil.which("ros2"), group, verb, *alone, *arguments)

    return begin_command


@pytest.fixture
def ros2(begin):
    """Give a command and return what it prints."""
    return lambda *command: begin(*command).communicate(timeout=120)[0]


def test_the_whole_circle_by_hand(start, ros2):
    start(NODE, "--ros-args", "-p", "autostart:=false")
    for step in ("configure", "activate", "deactivate", "cleanup"):
        assert ros2("lifecycle", "set", "/samwise", step) == "Transitioning successful\n"
    assert ros2("lifecycle", "get", "/samwise") == "unconfigured [1]\n"


def test_parameters_are_described_set_and_refused(start, ros2):
    start(NODE)
    described = ros2("param", "describe", "/samwise", "warn_latency_ms")
    assert "99th percentile is above, milliseconds." in described
    assert "Max value: 3600000.0" in described
    assert ros2("param", "set", "/samwise", "warn_latency_ms", "400.0") == "Set parameter successful\n"
    assert "400.0" in ros2("param", "get", "/samwise", "warn_latency_ms")
    for name, value, reason in (
        (
            "warn_latency_ms",
            "5000.0",
            "is 5000.0, expected at most 2000.0 (error_latency_ms): change the other one first",
        ),
        ("warn_latency_ms", "400", "Wrong parameter type, expected 'Type.DOUBLE' got 'Type.INTEGER'"),
        ("model", "tiny", "changes only while the node is unconfigured: ros2 lifecycle set /samwise deactivate"),
        ("modell", "tiny", "Invalid access to undeclared parameter(s)"),
    ):
        answer = ros2("param", "set", "/samwise", name, value)
        assert answer.startswith("Setting parameter failed: ")
        assert reason in answer


def test_words_and_services_say_what_to_follow_and_objects_come(graph, start, begin, ros2):
    start(NODE)
    probe = graph.probe()
    camera = probe.create_publisher(Image, "image", 1)
    graph.wait_for(camera.get_subscription_count)
    status = begin("topic", "echo", "--once", "/samwise/command_status")
    graph.wait_for(lambda: probe.count_subscribers("/samwise/command_status"))
    ros2("topic", "pub", "--once", "/text_command", "std_msgs/msg/String", "{data: follow the red mug on the left}")
    assert "accepted: true\nids:\n- 1\nreason: ''" in status.communicate(timeout=60)[0]
    added = ros2("service", "call", "/samwise/add_target", "samwise_ros/srv/AddTarget", "{text: the cup}")
    assert "AddTarget_Response(id=2, success=True, message='')" in added
    objects = begin("topic", "echo", "--once", "/samwise/objects", "--no-arr")
    camera_timer = probe.create_timer(0.1, lambda: camera.publish(rgb_to_image(red_square(), Header(frame_id="eye"))))
    graph.wait_for(lambda: objects.poll() is not None)
    camera_timer.cancel()
    printed = objects.communicate()[0]
    assert "frame_id: eye" in printed
    assert "samwise_ros/msg/TrackedObject, length: 2" in printed
