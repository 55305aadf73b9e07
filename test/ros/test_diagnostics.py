from dataclasses import replace
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("samwise_ros.msg", reason="needs the built messages: make setup")

import torch
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from samwise_ros.ros.diagnostics import Facts, gpu_memory_bytes, to_diagnostics
from samwise_ros.ros.params import NodeParams
from samwise_ros.ros.statistics import Latency, Snapshot

pytestmark = pytest.mark.ros

RVIZ = Path(__file__).parents[2] / "config/samwise.rviz"
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
FACTS = Facts(
    node="/robot/samwise",
    state="active",
    refusal="",
    topic="/camera/image_raw",
    model="compact",
    device="cuda:0",
    targets=("the red mug", "the dog"),
    gpu_bytes=1_234_000_000,
)
WELL = Snapshot(
    age_s=60.0,
    received=1800,
    answered=720,
    dropped=1079,
    failed=0,
    received_hz=30.0,
    answered_hz=12.0,
    failed_hz=0.0,
    silent_s=0.03,
    waiting_s=0.02,
    from_stamp=Latency(140.0, 300.0),
    from_receipt=Latency(120.0, 250.0),
    last_failure="",
)


def status_of(snapshot=WELL, params=None, facts=FACTS):
    (status,) = to_diagnostics(snapshot, params or NodeParams(), facts, Time(sec=7)).status
    return status


def test_a_node_that_does_well():
    array = to_diagnostics(WELL, NodeParams(), FACTS, Time(sec=7, nanosec=8))
    assert array.header.stamp == Time(sec=7, nanosec=8)
    (status,) = array.status
    assert (status.level, status.name, status.hardware_id) == (OK, "/robot/samwise: tracking", "cuda:0")
    assert status.message == "12.0 of 30.0 images answered per second"
    assert {pair.key: pair.value for pair in status.values} == {
        "state": "active",
        "model": "compact",
        "device": "cuda:0",
        "GPU memory (MB)": "1234",
        "targets": "the red mug; the dog",
        "images from": "/camera/image_raw",
        "images received": "1800",
        "images answered": "720",
        "images dropped for newer ones": "1079",
        "images not usable": "0",
        "received per second": "30.0",
        "answered per second": "12.0",
        "latency from stamp, p50 / p99 (ms)": "140.0 / 300.0",
        "latency from receipt, p50 / p99 (ms)": "120.0 / 250.0",
        "last unusable image": "none",
    }


def test_what_is_not_known_is_said():
    snapshot = replace(WELL, from_stamp=None, from_receipt=None)
    values = {
        pair.key: pair.value for pair in status_of(snapshot, facts=replace(FACTS, gpu_bytes=None, targets=())).values
    }
    assert values["GPU memory (MB)"] == values["targets"] == "none"
    assert values["latency from stamp, p50 / p99 (ms)"] == values["latency from receipt, p50 / p99 (ms)"] == "unknown"


SILENT = replace(WELL, silent_s=7.23, answered_hz=0.0, received_hz=0.0, waiting_s=7.0)
FAILING = replace(WELL, failed=9, failed_hz=1.5, last_failure="image is 3 x 3 pixels")


@pytest.mark.parametrize(
    ("snapshot", "params", "level", "message"),
    [
        (SILENT, {}, ERROR, "no image for 7.2 s on /camera/image_raw"),
        (
            SILENT,
            {"no_image_timeout_s": 7.5, "error_latency_ms": 7500.0, "warn_rate_hz": 0.0},
            OK,
            "0.0 of 0.0 images ",
        ),
        (replace(WELL, waiting_s=2.1), {}, ERROR, "no answer for 2.1 s although images come"),
        (replace(WELL, waiting_s=1.9), {}, OK, "12.0 of 30.0 images answered"),
        (FAILING, {}, WARN, "1.5 of 30.0 images per second are not usable: image is 3 x 3 pixels"),
        (
            replace(FAILING, answered_hz=0.0, failed_hz=30.0),
            {"warn_rate_hz": 0.0},
            ERROR,
            "30.0 of 30.0 images per second are not usable: image is 3 x 3 pixels",
        ),
        (WELL, {"warn_rate_hz": 12.5}, WARN, "12.0 of 30.0 images answered per second, expected 12.5 or more"),
        (WELL, {"warn_rate_hz": 12.0}, OK, "12.0 of 30.0 images answered"),
        (replace(WELL, age_s=4.9), {"warn_rate_hz": 12.5}, OK, "12.0 of 30.0 images answered"),
        (
            WELL,
            {"warn_latency_ms": 299.0},
            WARN,
            "300 ms from an image's stamp to its answer (99th percentile), expected at most 299 ms",
        ),
        (
            WELL,
            {"warn_latency_ms": 100.0, "error_latency_ms": 299.0},
            ERROR,
            "300 ms from an image's stamp to its answer (99th percentile), expected at most 299 ms",
        ),
        (WELL, {"warn_latency_ms": 300.0}, OK, "12.0 of 30.0 images answered"),
        (
            replace(WELL, from_stamp=None),
            {"warn_latency_ms": 249.0},
            WARN,
            "250 ms from an image's receipt to its answer (99th percentile), expected at most 249 ms",
        ),
    ],
)
def test_levels_follow_the_thresholds(snapshot, params, level, message):
    status = status_of(snapshot, replace(NodeParams(), **params))
    assert status.level == level
    assert status.message.startswith(message)
    assert ";" not in status.message


def test_all_that_is_wrong_is_said_under_the_worst_level():
    status = status_of(replace(FAILING, waiting_s=3.0), NodeParams(warn_rate_hz=20.0))
    assert status.level == ERROR
    assert status.message.split("; ") == [
        "no answer for 3.0 s although images come",
        "1.5 of 30.0 images per second are not usable: image is 3 x 3 pixels",
        "12.0 of 30.0 images answered per second, expected 20 or more",
    ]


@pytest.mark.parametrize("state", ["unconfigured", "inactive"])
def test_a_node_that_rests_has_nothing_wrong(state):
    status = status_of(SILENT, facts=replace(FACTS, state=state))
    assert (status.level, status.message) == (OK, f"{state}: no image is answered until the node is active")


def test_a_node_that_could_not_be_configured_says_why():
    why = "not configured: weights file w is missing, expected one: check the path"
    status = status_of(SILENT, facts=replace(FACTS, state="unconfigured", refusal=why))
    assert (status.level, status.message) == (ERROR, why)


def test_the_message_travels(graph):
    heard = []
    probe = graph.probe()
    probe.create_subscription(DiagnosticArray, "/diagnostics", heard.append, 10)
    publisher = graph.probe().create_publisher(DiagnosticArray, "/diagnostics", 10)
    graph.wait_for(publisher.get_subscription_count)
    sent = to_diagnostics(SILENT, NodeParams(), FACTS, Time(sec=7))
    publisher.publish(sent)
    graph.wait_for(lambda: heard)
    assert heard == [sent]


def test_without_a_gpu_there_is_no_gpu_memory():
    assert gpu_memory_bytes(torch.device("cpu")) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_memory_is_what_the_process_holds():
    device = torch.device("cuda:0")
    before = gpu_memory_bytes(device)
    held = torch.zeros(64 * 2**20, dtype=torch.uint8, device=device)
    assert gpu_memory_bytes(device) >= max(before, held.numel())


def test_rviz_shows_camera_overlay_mask_and_boxes():
    displays = yaml.safe_load(RVIZ.read_text(encoding="utf-8"))["Visualization Manager"]["Displays"]
    image, boxes = "rviz_default_plugins/Image", "vision_msgs_rviz_plugins/Detection3DArray"
    assert {one["Topic"]["Value"]: one["Class"] for one in displays} == {
        "/image": image,
        "/samwise/overlay": image,
        "/samwise/mask": image,
        "/samwise/objects_3d": boxes,
    }
    assert all(one["Enabled"] for one in displays)
