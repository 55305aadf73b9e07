"""The managed node: each transition does what it says, and a hundred of them leave nothing behind."""

import gc
import threading

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("samwise_ros.msg", reason="needs the built messages: make setup")

from fakes import FakeTracker, red_square
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from samwise_ros.errors import CheckpointError
from samwise_ros.ros.convert import rgb_to_image
from samwise_ros.ros.node import SamwiseNode

pytestmark = pytest.mark.ros


class Managed:
    """A node that waits to be managed, and a client that does."""

    def __init__(self, graph, tracker=None, **params) -> None:
        self.graph = graph
        self.tracker = tracker or FakeTracker()
        overrides = [Parameter(name, value=value) for name, value in ({"autostart": False} | params).items()]
        self.node = graph.add(SamwiseNode(self.tracker, context=graph.context, parameter_overrides=overrides))
        self.probe = graph.probe()
        self.image = self.probe.create_publisher(Image, "image", QoSProfile(depth=10))
        self.masks = []
        self.probe.create_subscription(Image, "samwise/mask", self.masks.append, QoSProfile(depth=10))
        self._change = self.probe.create_client(ChangeState, "samwise/change_state")
        self._get = self.probe.create_client(GetState, "samwise/get_state")
        graph.wait_for(lambda: self._change.service_is_ready() and self._get.service_is_ready())

    def ask(self, client, request):
        future = client.call_async(request)
        self.graph.wait_for(future.done)
        return future.result()

    def go(self, transition: int) -> bool:
        return self.ask(self._change, ChangeState.Request(transition=Transition(id=transition))).success

    def up(self) -> None:
        assert self.go(Transition.TRANSITION_CONFIGURE)
        assert self.go(Transition.TRANSITION_ACTIVATE)

    @property
    def state(self) -> int:
        return self.ask(self._get, GetState.Request()).current_state.id

    def show(self) -> None:
        self.graph.wait_for(self.image.get_subscription_count)
        self.image.publish(rgb_to_image(red_square(), Header()))


def test_nothing_is_there_before_configure_and_no_image_is_taken_before_activate(graph):
    rig = Managed(graph)
    assert rig.state == State.PRIMARY_STATE_UNCONFIGURED
    topics = {name for name, _ in rig.probe.get_topic_names_and_types()}
    assert "/samwise/objects" not in topics
    assert rig.go(Transition.TRANSITION_CONFIGURE)
    graph.wait_for(lambda: rig.probe.count_publishers("/samwise/objects"))
    assert rig.state == State.PRIMARY_STATE_INACTIVE
    assert rig.probe.count_subscribers("/image") == 0
    assert rig.go(Transition.TRANSITION_ACTIVATE)
    rig.show()
    graph.wait_for(lambda: rig.masks)


def test_deactivate_ends_the_images_and_activate_starts_with_an_empty_memory(graph):
    rig = Managed(graph)
    rig.up()
    rig.show()
    graph.wait_for(lambda: rig.masks)
    resets = rig.tracker.resets
    rig.node._worker._mailbox._dropped = 3
    assert rig.go(Transition.TRANSITION_DEACTIVATE)
    assert rig.node._dropped == 3, "diagnostics go on telling of it"
    graph.wait_for(lambda: rig.image.get_subscription_count() == 0)
    assert rig.go(Transition.TRANSITION_ACTIVATE)
    assert rig.tracker.resets == resets + 1
    rig.show()
    graph.wait_for(lambda: len(rig.masks) == 2)


def test_deactivate_waits_for_the_image_at_hand(graph):
    rig = Managed(graph)
    rig.up()
    rig.tracker.gate.clear()
    rig.show()
    graph.wait_for(rig.tracker.stepping.is_set)
    threading.Timer(0.5, rig.tracker.gate.set).start()
    assert rig.go(Transition.TRANSITION_DEACTIVATE)
    assert rig.tracker.gate.is_set(), "it waited"
    assert rig.node._left_behind is None
    graph.wait_for(lambda: rig.masks)
    assert len(rig.masks) == 1


def leave_behind(graph, monkeypatch):
    """A node that was deactivated while its model was at an image, and gave up waiting."""
    monkeypatch.setattr("samwise_ros.ros.node._JOIN_TIMEOUT_S", 0.1)
    rig = Managed(graph)
    rig.up()
    rig.tracker.gate.clear()
    rig.show()
    graph.wait_for(rig.tracker.stepping.is_set)
    assert rig.go(Transition.TRANSITION_DEACTIVATE)
    return rig


def test_a_model_that_does_not_end_keeps_the_node_from_being_activated(graph, monkeypatch, capfd):
    rig = leave_behind(graph, monkeypatch)
    assert not rig.go(Transition.TRANSITION_ACTIVATE)
    assert "not activated: the model is still at an image of before" in capfd.readouterr().err
    assert rig.node._facts().refusal.startswith("not activated: the model is still at an image")
    rig.tracker.gate.set()
    graph.wait_for(lambda: rig.node._left_behind.stop(0.0))
    assert rig.go(Transition.TRANSITION_ACTIVATE)
    assert rig.node._facts().refusal == ""


@pytest.mark.parametrize("cleaned", [False, True])
def test_what_was_left_behind_says_nothing_when_it_ends(graph, monkeypatch, capfd, cleaned):
    rig = leave_behind(graph, monkeypatch)
    if cleaned:
        assert rig.go(Transition.TRANSITION_CLEANUP)
    capfd.readouterr()
    rig.tracker.gate.set()
    graph.wait_for(lambda: rig.node._left_behind.stop(0.0))
    assert capfd.readouterr().err == ""
    assert not rig.masks


def test_a_failed_configure_says_why_and_can_be_tried_again(graph, monkeypatch, capfd):
    def load(params):
        if params.weights != "good.safetensors":
            raise CheckpointError(f"weights file {params.weights} is missing, expected one: check the path")
        return FakeTracker()

    monkeypatch.setattr(SamwiseNode, "_make_tracker", lambda node: load(node._params))
    rig = Managed(graph, weights="bad.safetensors")
    assert not rig.go(Transition.TRANSITION_CONFIGURE)
    assert rig.state == State.PRIMARY_STATE_UNCONFIGURED
    assert "not configured: weights file bad.safetensors is missing" in capfd.readouterr().err
    assert rig.node._facts().refusal.startswith("not configured: weights file bad.safetensors is missing")
    (changed,) = rig.node.set_parameters([Parameter("weights", value="good.safetensors")])
    assert changed.successful
    rig.up()
    assert rig.state == State.PRIMARY_STATE_ACTIVE
    assert rig.node._facts().refusal == ""
    (refused,) = rig.node.set_parameters([Parameter("weights", value="other.safetensors")])
    assert not refused.successful
    assert "changes only while the node is unconfigured" in refused.reason


@pytest.mark.parametrize("step", ["configure", "activate"])
def test_an_unexpected_error_is_logged_and_the_step_can_be_tried_again(graph, monkeypatch, capfd, step):
    rig = Managed(graph)
    if step == "activate":
        assert rig.go(Transition.TRANSITION_CONFIGURE)
    target = {"configure": "_make_tracker", "activate": "_on_image"}[step]
    with monkeypatch.context() as broken:
        broken.setattr(SamwiseNode, target, property(lambda node: 1 / 0))
        assert not rig.go(
            {"configure": Transition.TRANSITION_CONFIGURE, "activate": Transition.TRANSITION_ACTIVATE}[step]
        )
    said = capfd.readouterr().err
    assert f"on_{step} failed unexpectedly" in said
    assert "ZeroDivisionError" in said
    assert rig.node._facts().refusal == f"on_{step} failed unexpectedly: ZeroDivisionError: division by zero"
    assert rig.state == State.PRIMARY_STATE_UNCONFIGURED
    rig.up()


def test_a_failed_autostart_leaves_a_node_that_can_be_started(graph, monkeypatch, capfd):
    def load(node):
        raise CheckpointError("weights file w is missing, expected one: check the path")

    monkeypatch.setattr(SamwiseNode, "_make_tracker", load)
    rig = Managed(graph, autostart=True)
    assert rig.state == State.PRIMARY_STATE_UNCONFIGURED
    assert "ros2 lifecycle set /samwise configure, then activate" in capfd.readouterr().err
    monkeypatch.setattr(SamwiseNode, "_make_tracker", lambda node: FakeTracker())
    rig.up()


def test_bad_qos_refuses_to_activate(graph, capfd):
    rig = Managed(graph, **{"qos_overrides./image.subscription.reliability": "no"})
    assert rig.go(Transition.TRANSITION_CONFIGURE)
    assert not rig.go(Transition.TRANSITION_ACTIVATE)
    assert rig.state == State.PRIMARY_STATE_INACTIVE
    refusal = rig.node._facts().refusal
    assert refusal.startswith("not activated: the qos_overrides of /image are refused")
    assert refusal.endswith("start the node anew, since they are read but once")
    assert refusal in capfd.readouterr().err
    assert rig.go(Transition.TRANSITION_CLEANUP)
    assert rig.node._facts().refusal == ""


def test_an_autostart_that_is_not_activated_says_so(graph, capfd):
    rig = Managed(graph, autostart=True, **{"qos_overrides./image.subscription.reliability": "no"})
    assert rig.state == State.PRIMARY_STATE_INACTIVE
    said = capfd.readouterr().err
    assert "start the node anew" in said
    assert "not started, for the reason above\n" in said


def test_a_bad_start_target_refuses_to_configure(graph, capfd):
    rig = Managed(graph, targets=[" "])
    assert not rig.go(Transition.TRANSITION_CONFIGURE)
    assert "not configured: target is empty" in capfd.readouterr().err
    assert rig.node._tracker is rig.node._gpu is None


@pytest.mark.parametrize("upto", ["unconfigured", "inactive", "active"])
def test_shutdown_from_every_state(graph, upto):
    rig = Managed(graph)
    transition = Transition.TRANSITION_UNCONFIGURED_SHUTDOWN
    if upto != "unconfigured":
        assert rig.go(Transition.TRANSITION_CONFIGURE)
        transition = Transition.TRANSITION_INACTIVE_SHUTDOWN
    if upto == "active":
        assert rig.go(Transition.TRANSITION_ACTIVATE)
        transition = Transition.TRANSITION_ACTIVE_SHUTDOWN
    assert rig.go(transition)
    assert rig.state == State.PRIMARY_STATE_FINALIZED


def test_a_hundred_cycles_leave_nothing_behind(graph):
    rig = Managed(graph)

    def cycle():
        assert rig.node.trigger_configure() == rig.node.trigger_activate()
        assert rig.node.trigger_deactivate() == rig.node.trigger_cleanup()

    def counts():
        gc.collect()
        node = rig.node
        entities = (node.publishers, node.subscriptions, node.services, node.timers, node.guards)
        return [len(list(kind)) for kind in entities], len(node._parameters), len(gc.get_objects())

    for _ in range(3):
        cycle()
    before = counts()
    for _ in range(100):
        cycle()
    after = counts()
    assert after[:2] == before[:2]
    assert abs(after[2] - before[2]) < 500, "Python objects"
