import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("samwise_ros.msg", reason="needs the built messages: make setup")

from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from samwise_ros.msg import TrackedObject, TrackedObjectArray
from samwise_ros.ros.convert import labels_to_image, rgb_to_image
from samwise_ros.ros.recorder import Recorder

pytestmark = pytest.mark.ros

TOPICS = ("image", "synthetic_camera/truth", "samwise/mask", "samwise/objects", "samwise/overlay")
RGB = np.zeros((4, 6, 3), np.uint8)


def header(second, frame_id="camera"):
    return Header(stamp=Time(sec=second), frame_id=frame_id)


def message(topic, at):
    if topic == "samwise/objects":
        return TrackedObjectArray(header=at, objects=[TrackedObject(id=1, text="the dog")])
    if topic in ("image", "samwise/overlay"):
        return rgb_to_image(RGB, at)
    return labels_to_image(np.full((4, 6), at.stamp.sec, np.uint8), at)


class Stage:
    """A recorder, and everything that it listens to."""

    def __init__(self, graph, has_truth=True):
        self.graph = graph
        self.records = []
        self.commands = []
        self.recorder = graph.add(Recorder(self.records.append, has_truth=has_truth))
        probe = graph.probe()
        kinds = {topic: TrackedObjectArray if topic == "samwise/objects" else Image for topic in TOPICS}
        self.publishers = {topic: probe.create_publisher(kind, topic, 10) for topic, kind in kinds.items()}
        probe.create_subscription(String, "text_command", lambda msg: self.commands.append(msg.data), 10)
        graph.wait_for(lambda: all(one.get_subscription_count() for one in self.publishers.values()))
        graph.wait_for(lambda: self.recorder.hears_node)

    def send(self, second, *topics, **header_fields):
        for topic in topics:
            self.publishers[topic].publish(message(topic, header(second, **header_fields)))


@pytest.fixture
def stage(graph, monkeypatch):
    import rclpy

    monkeypatch.setattr(rclpy.node, "get_default_context", lambda: graph.context)
    return Stage(graph)


def test_everything_of_one_stamp_becomes_one_record(stage):
    stage.send(7, *reversed(TOPICS))
    stage.graph.wait_for(lambda: stage.records)
    (record,) = stage.records
    assert (record.number, record.texts) == (0, ("the dog",))
    assert (record.labels == 7).all()
    assert (record.truth == 7).all()
    assert record.overlay.shape == RGB.shape
    assert record.latency_s > 1e6
    assert (stage.recorder.published, stage.recorder.answered, stage.recorder.fault) == (1, 1, "")


def test_an_image_without_results_was_dropped_which_is_no_fault(stage):
    stage.send(1, "image", "synthetic_camera/truth")
    stage.send(2, *TOPICS)
    stage.graph.wait_for(lambda: stage.records)
    stage.recorder.finish()
    assert [record.number for record in stage.records] == [1]
    assert (stage.recorder.published, stage.recorder.answered, stage.recorder.fault) == (2, 2, "")


def test_a_result_of_an_unknown_stamp_is_a_fault(stage):
    stage.send(1, "image", "synthetic_camera/truth")
    stage.send(9, "samwise/mask", "samwise/objects", "samwise/overlay")
    stage.graph.wait_for(lambda: len(stage.recorder._pending) == 2 and stage.recorder._pending[9 * 10**9].texts)
    stage.graph.wait_for(lambda: len(stage.recorder._pending[9 * 10**9].results) == 3)
    stage.recorder.finish()
    assert "came with the stamp 9000000000 ns, which no image had" in stage.recorder.fault


def test_results_that_disagree_are_a_fault(stage):
    stage.send(1, "image", "synthetic_camera/truth", "samwise/mask")
    stage.send(2, *TOPICS)
    stage.graph.wait_for(lambda: stage.records)
    stage.recorder.finish()
    assert stage.recorder.fault == ("only mask came with the stamp 1000000000 ns, expected mask, objects and overlay")


def test_a_changed_frame_id_is_a_fault(stage):
    stage.send(1, *TOPICS[:-1])
    stage.send(1, TOPICS[-1], frame_id="elsewhere")
    stage.graph.wait_for(lambda: stage.records)
    assert "frame_ids of one image and its results differ" in stage.recorder.fault


def test_commands_reach_the_node(stage):
    stage.recorder.say("follow the dog")
    stage.graph.wait_for(lambda: stage.commands)
    assert stage.commands == ["follow the dog"]
