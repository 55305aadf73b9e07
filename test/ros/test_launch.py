"""The launch files, run by the real `launch` and `launch_ros` on the real node with the shipped model."""

import os
import signal
import sys
from pathlib import Path

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

RVIZ = """
import sys, rclpy, yaml
rclpy.init()
node = rclpy.create_node("rviz")
with open(sys.argv[sys.argv.index("--display-config") + 1]) as file:
    displays = yaml.safe_load(file)["Visualization Manager"]["Displays"]
with open("{told}", "w") as told:
    print(*(node.resolve_topic_name(display["Topic"]["Value"]) for display in displays), file=told)
"""


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


def test_cameras_below_the_namespace_of_an_outer_launch_file(graph, start, tmp_path):
    outer = tmp_path / "robot.launch.py"
    outer.write_text(
        "from launch import LaunchDescription\n"
        "from launch.actions import GroupAction, IncludeLaunchDescription\n"
        "from launch_ros.actions import PushRosNamespace\n"
        "def generate_launch_description():\n"
        "    given = {'cameras': '[on, rear]', 'image': 'image_raw', 'name': 'eyes', 'targets': '[007]'}\n"
        f"    ours = IncludeLaunchDescription({str(Path(SAMWISE).resolve())!r}, launch_arguments=given.items())\n"
        "    return LaunchDescription([GroupAction([PushRosNamespace('robot'), ours])])\n",
        encoding="utf-8",
    )
    process = start(RUN, outer)
    robot = Robot(graph)
    for camera in ("on", "rear"):
        found = robot.answers(f"/robot/{camera}/image_raw", f"/robot/{camera}/eyes")
        assert [one.text for one in found.objects] == ["007"]
    end(process)


def test_without_autostart_the_node_waits(graph, start):
    process = start(RUN, SAMWISE, "autostart:=false")
    Robot(graph).wait_for_state("/samwise", State.PRIMARY_STATE_UNCONFIGURED)
    end(process)


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("cameras:=front", "launch argument cameras is 'front', expected a list in brackets, [one, another]"),
        (
            "targets:=[]",
            "launch argument targets is '[]', expected one or more: leave it out for what params_file says",
        ),
        ("targets:=[mug: red]", "launch argument targets is '[mug: red]', expected a list in brackets"),
        ("targets:=[red", "launch argument targets is '[red', expected a list in brackets"),
        ("autostart:=maybe", "launch argument autostart is 'maybe', expected true or false"),
        ("image_side_px:=big", "launch argument image_side_px is 'big', expected a whole number"),
        ("params_file:=/nowhere.yaml", "launch argument params_file is '/nowhere.yaml', expected a YAML file"),
    ],
)
def test_a_wrong_argument_starts_nothing_and_gets_one_sentence(start, argument, sentence):
    process = start(RUN, SAMWISE, argument)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert sentence in output
    assert "process started" not in output


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ((), ["/image", "/samwise/overlay", "/samwise/mask", "/samwise/objects_3d"]),
        (
            ("namespace:=robot", "name:=eyes", "image:=front/image_raw"),
            ["/robot/front/image_raw", "/robot/eyes/overlay", "/robot/eyes/mask", "/robot/eyes/objects_3d"],
        ),
        (
            ("cameras:=[front, rear]", "image:=/shared"),
            ["/shared", "/front/samwise/overlay", "/front/samwise/mask", "/front/samwise/objects_3d"],
        ),
        (
            ("cameras:=[/front/]", "namespace:=robot/", "image:=raw"),
            [f"/robot/front/{topic}" for topic in ("raw", "samwise/overlay", "samwise/mask", "samwise/objects_3d")],
        ),
    ],
)
def test_rviz_shows_the_topics_of_the_node(graph, start, tmp_path, monkeypatch, arguments, shown):
    """A stand-in for RViz reads the display file, and tells where ROS would take its topics from."""
    rviz, told = tmp_path / "lib/rviz2/rviz2", tmp_path / "told"
    for path in (rviz, tmp_path / "share/ament_index/resource_index/packages/rviz2"):
        path.parent.mkdir(parents=True)
        path.touch()
    rviz.write_text(f"#!{sys.executable}\n{RVIZ.format(told=told)}", encoding="utf-8")
    rviz.chmod(0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path}:{os.environ['AMENT_PREFIX_PATH']}")
    process = start(RUN, SAMWISE, "rviz:=true", "autostart:=false", *arguments)
    graph.wait_for(lambda: told.exists() and told.read_text(encoding="utf-8").endswith("\n"))
    assert told.read_text(encoding="utf-8").split() == shown
    end(process)


@pytest.mark.parametrize("namespace", ["", "robot"])
def test_the_demo_shows_a_film_to_the_node(graph, start, tmp_path, namespace):
    for number in range(40):
        cv2.imwrite(str(tmp_path / f"{number:03d}.png"), red_square())
    process = start(RUN, DEMO, f"video:={tmp_path}", "rate_hz:=1.0", f"namespace:={namespace}", "image:=film")
    heard = []
    robot = Robot(graph)
    robot.node.create_subscription(TrackedObjectArray, f"{namespace}/samwise/objects", heard.append, 10)
    graph.wait_for(lambda: heard)
    assert robot.node.count_publishers(f"{namespace}/film") == 1
    end(process)
