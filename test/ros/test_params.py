import re
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("samwise_ros.msg", reason="needs the built messages: make setup")

from rcl_interfaces.msg import Parameter as ParameterMsg
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters, SetParametersAtomically
from rclpy.node import Node
from rclpy.parameter import Parameter

from samwise_ros.errors import ConfigError
from samwise_ros.ros.params import Changes, NodeParams, ParamStore, declare_params, param

pytestmark = pytest.mark.ros

ROOT = Path(__file__).parents[2]
YAML = ROOT / "config/samwise.yaml"
UNITS = {"_s": ", seconds.", "_ms": ", milliseconds.", "_hz": "per second"}
NO_TARGETS = Parameter("targets", Parameter.Type.STRING_ARRAY, [])


def node_with(graph, **values):
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    return graph.add(Node("samwise", context=graph.context, parameter_overrides=overrides))


def store_with(graph, on_change=None, **values):
    node = node_with(graph, **values)
    return node, ParamStore(node, NodeParams, on_change)


def change(node, **values):
    given = [Parameter(name, value=value) if value != [] else NO_TARGETS for name, value in values.items()]
    return node.set_parameters_atomically(given)


def call(graph, kind, service, **request):
    client = graph.probe().create_client(kind, service)
    graph.wait_for(client.service_is_ready)
    future = client.call_async(kind.Request(**request))
    graph.wait_for(future.done)
    return future.result()


def test_defaults(graph):
    assert declare_params(node_with(graph), NodeParams) == NodeParams()


def test_values_that_the_user_gives(graph):
    params = declare_params(
        node_with(graph, model="tiny", max_targets=255, targets=["the dog", "the cat"], warn_rate_hz=5.0), NodeParams
    )
    assert params == replace(
        NodeParams(), model="tiny", max_targets=255, targets=("the dog", "the cat"), warn_rate_hz=5.0
    )


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"max_targets": 0}, r"'max_targets' is refused \(.*\), expected int from 1 to 255: correct it"),
        ({"use_depth": "yes"}, r"'use_depth' is refused \(.*\), expected bool: correct it"),
        (
            {"no_image_timeout_s": 5},
            r"'no_image_timeout_s' is refused \(.*\), expected float with a decimal point from 0.1 to 3600.0: correct",
        ),
        ({"no_image_timeout_s": float("nan")}, r"'no_image_timeout_s' is refused \(.*nan.*\)"),
        ({"targets": "the dog"}, r"'targets' is refused \(.*\), expected a list of texts: correct it"),
        (
            {"model": "huge"},
            "^parameter 'model' is 'huge', expected compact, .* refsam_l or refsam_h: choose one",
        ),
        ({"image_transport": "theora"}, "^parameter 'image_transport' is 'theora', expected raw or compressed: choose"),
        ({"device": "gpu"}, "^parameter 'device' is 'gpu', expected auto, cpu, cuda or cuda:N: choose one of these$"),
        (
            {"targets": ["a dog", "a cat"], "max_targets": 1},
            r"^parameter 'targets' has 2 expressions, expected at most 1 \(max_targets\): leave some out, or raise",
        ),
        (
            {"image_side_px": 300},
            "^image_side_px is 300, expected a multiple of 64 from 64 to 2048: take 320$",
        ),
        (
            {"warn_latency_ms": 900.0, "error_latency_ms": 800.0},
            r"^parameter 'warn_latency_ms' is 900.0, expected at most 800.0 \(error_latency_ms\): change the other one",
        ),
    ],
)
def test_a_wrong_start_value_is_refused_in_one_sentence(graph, values, sentence):
    with pytest.raises(ConfigError, match=sentence):
        store_with(graph, **values)


def test_what_the_user_misspelt_is_warned_about_and_ignored(graph, capfd):
    given = {"max_target": 3, "colour": "red", "qos_overrides./image.subscription.depth": 1, "use_sim_time": False}
    params = declare_params(node_with(graph, **given), NodeParams)
    assert params == NodeParams()
    said = capfd.readouterr().err
    assert "there is no parameter 'max_target', expected max_targets: it is ignored, correct it" in said
    assert "there is no parameter 'colour', expected one that `ros2 param list` shows: it is ignored" in said
    assert said.count("there is no parameter") == 2


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:3"])
def test_every_device_that_the_sentence_names_is_taken(device):
    assert NodeParams(device=device).device == device


def test_the_same_target_in_other_letters_counts_once():
    assert NodeParams(max_targets=1, targets=("the dog", "The  dog")).max_targets == 1


def test_every_parameter_is_described_with_its_unit_and_when_it_changes(graph):
    node, _ = store_with(graph)
    for item in fields(NodeParams):
        descriptor = node.describe_parameter(item.name)
        assert descriptor.description.endswith(".")
        for suffix, words in UNITS.items():
            assert not item.name.endswith(suffix) or words in descriptor.description
        assert descriptor.additional_constraints.endswith(f"changes {item.metadata['changes'].value}")
        assert descriptor.read_only == (item.metadata["changes"] is Changes.NEVER)
        numeric = type(item.default) in (int, float)
        assert len(descriptor.integer_range) + len(descriptor.floating_point_range) == numeric
    assert node.describe_parameter("model").additional_constraints == (
        "compact, tiny, base_plus, large, refsam_compact, refsam_b, refsam_l or refsam_h; changes while unconfigured"
    )
    assert node.describe_parameter("targets").type == ParameterType.PARAMETER_STRING_ARRAY
    (integers,) = node.describe_parameter("max_targets").integer_range
    (floats,) = node.describe_parameter("diagnostics_period_s").floating_point_range
    assert (integers.from_value, integers.to_value) == (1, 255)
    assert (floats.from_value, floats.to_value) == (0.1, 60.0)


def test_a_change_replaces_the_values_and_is_told(graph):
    told = []
    node, store = store_with(graph, lambda old, new: told.append((old, new)))
    before = store.values
    assert change(node, warn_latency_ms=100.0, warn_rate_hz=5.0).successful
    assert before == NodeParams()
    assert store.values == replace(before, warn_latency_ms=100.0, warn_rate_hz=5.0)
    assert told == [(before, store.values)]


def test_the_value_that_holds_already_is_no_change(graph):
    told = []
    node, store = store_with(graph, lambda *both: told.append(both))
    store.unlocked = False
    assert change(node, model="compact", warn_latency_ms=500.0, targets=[]).successful
    assert told == []


def test_what_needs_an_unconfigured_node_is_refused_while_locked(graph):
    node, store = store_with(graph)
    store.unlocked = False
    result = change(node, device="cpu", warn_rate_hz=5.0)
    assert not result.successful
    assert result.reason == (
        "parameter 'device' changes only while the node is unconfigured: ros2 lifecycle set /samwise deactivate, then "
        "cleanup, set it, then configure and activate"
    )
    assert store.values == NodeParams()
    assert node.get_parameter("warn_rate_hz").value == 1.0
    assert change(node, warn_rate_hz=5.0).successful
    store.unlocked = True
    assert change(node, device="cpu", targets=["the dog"]).successful
    assert change(node, targets=[]).successful
    assert store.values == replace(NodeParams(), device="cpu", warn_rate_hz=5.0)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"autostart": False}, "read-only parameter: autostart"),
        ({"max_targets": 300}, "max_targets out of range. Min: 1, Max: 255, value: 300"),
        ({"warn_rate_hz": 5}, "Wrong parameter type, expected 'Type.DOUBLE' got 'Type.INTEGER'"),
        ({"depth_tolerance_s": float("inf")}, "depth_tolerance_s out of range"),
        ({"image_transport": "theora"}, "parameter 'image_transport' is 'theora', expected raw or compressed"),
        ({"error_latency_ms": 400.0}, "'warn_latency_ms' is 500.0, expected at most 400.0"),
        ({"targets": ["a dog", "a cat"], "max_targets": 1}, "has 2 expressions, expected at most 1 (max_targets)"),
    ],
)
def test_a_wrong_change_is_refused_with_the_reason_and_changes_nothing(graph, values, reason):
    told = []
    node, store = store_with(graph, lambda *both: told.append(both))
    result = change(node, **values)
    assert not result.successful
    assert reason in result.reason
    assert store.values == NodeParams()
    assert told == []
    for name in values:
        assert node.get_parameter(name).value in (getattr(NodeParams(), name), [])


def test_two_values_that_fit_each_other_change_together(graph):
    node, store = store_with(graph)
    assert change(node, warn_latency_ms=3000.0, error_latency_ms=4000.0).successful
    assert (store.values.warn_latency_ms, store.values.error_latency_ms) == (3000.0, 4000.0)


def test_other_parameters_of_the_node_are_none_of_its_business(graph):
    node, store = store_with(graph)
    store.unlocked = False
    node.declare_parameter("qos_overrides./image.subscription.depth", 1)
    assert change(node, use_sim_time=True, warn_rate_hz=2.0).successful
    assert store.values.warn_rate_hz == 2.0


def test_the_services_change_refuse_and_show_parameters(graph):
    node, store = store_with(graph)
    store.unlocked = False

    def double(name, value):
        value = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
        return ParameterMsg(name=name, value=value)

    text = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value="tiny")
    wanted = [double("warn_rate_hz", 7.0), ParameterMsg(name="model", value=text), double("nope", 1.0)]
    results = call(graph, SetParameters, "/samwise/set_parameters", parameters=wanted).results
    assert [one.successful for one in results] == [True, False, False]
    assert "changes only while the node is unconfigured" in results[1].reason
    assert "undeclared" in results[2].reason
    both = [double("warn_latency_ms", 3000.0), double("error_latency_ms", 2500.0)]
    result = call(graph, SetParametersAtomically, "/samwise/set_parameters_atomically", parameters=both).result
    assert "'warn_latency_ms' is 3000.0, expected at most 2500.0" in result.reason
    assert store.values == replace(NodeParams(), warn_rate_hz=7.0)
    names = [item.name for item in fields(NodeParams)]
    values = call(graph, GetParameters, "/samwise/get_parameters", names=names).values
    assert dict(zip(names, (one.type for one in values), strict=True)) == {
        name: node.describe_parameter(name).type for name in names
    }


@dataclass(frozen=True)
class PlainParams:
    rate_hz: float = param(10.0, "Images per second.", (0.01, 1000.0))


def test_parameters_change_only_where_that_is_said(graph):
    node = node_with(graph, rate_hz=20.0)
    assert declare_params(node, PlainParams) == PlainParams(20.0)
    assert node.describe_parameter("rate_hz").read_only
    assert not change(node, rate_hz=5.0).successful


def test_the_yaml_file_lists_every_parameter_with_its_default_and_a_comment():
    lines = YAML.read_text(encoding="utf-8").splitlines()
    listed = yaml.safe_load("\n".join(lines))["/**"]["ros__parameters"]
    assert listed == {item.name: [] if item.default == () else item.default for item in fields(NodeParams)}
    for item in fields(NodeParams):
        place = next(number for number, line in enumerate(lines) if line.startswith(f"    {item.name}:"))
        comment = []
        while lines[place - 1].startswith("    # "):
            place -= 1
            comment.insert(0, lines[place].removeprefix("    # "))
        assert " ".join(comment).lower().endswith(f". {item.metadata['changes'].value}.")
        for bound in item.metadata["between"] or ():
            assert f"{bound:.10g}" in " ".join(comment)


def test_the_readme_lists_every_parameter_with_its_default_and_when_it_changes():
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Parameters\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \| (.*?) \| .+ \|$", section, re.MULTILINE)
    assert [(name, yaml.safe_load(default), changes) for name, default, changes in rows] == [
        (item.name, [] if item.default == () else item.default, item.metadata["changes"].value)
        for item in fields(NodeParams)
    ]


def test_the_node_takes_the_yaml_file(start):
    process = start("test/ros/fake_node.py", "--ros-args", "--params-file", str(YAML))
    for line in process.stdout:
        if "ready" in line:
            break
    else:
        pytest.fail("the node did not get ready")
