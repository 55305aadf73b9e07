from dataclasses import fields
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("samwise_ros.msg", reason="needs the built messages: make setup")

from rcl_interfaces.msg import ParameterType
from rclpy.node import Node
from rclpy.parameter import Parameter

from samwise_ros.ros.params import NodeParams, declare_params

pytestmark = pytest.mark.ros

YAML = Path(__file__).parents[2] / "config/samwise.yaml"


def declare(graph, **values):
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    node = graph.add(Node("samwise", context=graph.context, parameter_overrides=overrides))
    return node, declare_params(node, NodeParams)


def test_defaults(graph):
    assert declare(graph)[1] == NodeParams("compact", "", "", "auto", 8, ())


def test_values_that_the_user_gives(graph):
    params = declare(graph, model="tiny", max_targets=255, targets=["the dog", "the cat"])[1]
    assert params == NodeParams("tiny", "", "", "auto", 255, ("the dog", "the cat"))


def test_every_parameter_is_described_and_read_only(graph):
    node, _ = declare(graph)
    for item in fields(NodeParams):
        descriptor = node.describe_parameter(item.name)
        assert descriptor.read_only
        assert descriptor.description.endswith(".")
    assert not node.set_parameters([Parameter("max_targets", value=3)])[0].successful
    assert node.describe_parameter("targets").type == ParameterType.PARAMETER_STRING_ARRAY
    (bounds,) = node.describe_parameter("max_targets").integer_range
    assert (bounds.from_value, bounds.to_value) == (1, 255)


def test_the_yaml_file_lists_every_parameter_with_its_default():
    listed = yaml.safe_load(YAML.read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    assert listed == {item.name: [] if item.default == () else item.default for item in fields(NodeParams)}


def test_the_node_takes_the_yaml_file(start):
    process = start("test/ros/fake_node.py", "--ros-args", "--params-file", str(YAML))
    for line in process.stdout:
        if "ready" in line:
            break
    else:
        pytest.fail("the node did not get ready")
