import signal

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("samwise_ros.msg", reason="needs the built messages: make setup")

from sensor_msgs.msg import Image

from samwise_ros.data.synthetic import World
from samwise_ros.data.video import VideoWriter
from samwise_ros.ros.convert import image_to_frame, image_to_labels
from samwise_ros.ros.synthetic_camera import CameraParams, make_shots

pytestmark = pytest.mark.ros

SIZE = ["-p", "width:=64", "-p", "height:=48"]


class Audience:
    """Keeps every image and every truth that the camera publishes."""

    def __init__(self, graph):
        self.probe, self.images, self.truths = graph.probe(), [], []
        self.probe.create_subscription(Image, "image", self.images.append, 10)
        self.probe.create_subscription(Image, "synthetic_camera/truth", self.truths.append, 10)


def run_camera(start, *arguments):
    return start("-m", "samwise_ros.ros.synthetic_camera", "--ros-args", *arguments)


def test_every_frame_of_the_world_arrives_with_its_truth(graph, start):
    audience = Audience(graph)
    arguments = [*SIZE, "-p", "seed:=3", "-p", "frames:=5", "-p", "rate_hz:=50.0", "-p", "wait_for_subscribers:=1"]
    camera = run_camera(start, *arguments)
    graph.wait_for(lambda: camera.poll() is not None and len(audience.images) == len(audience.truths) == 5)
    world = World(3, height=48, width=64)
    for t, (image, truth) in enumerate(zip(audience.images, audience.truths, strict=True)):
        rgb, instances = world.frame(t)
        np.testing.assert_array_equal(image_to_frame(image).rgb, rgb)
        np.testing.assert_array_equal(image_to_labels(truth), instances)
        assert image.header == truth.header
        assert image.header.frame_id == "synthetic_camera_optical_frame"
    stamps = [image_to_frame(image).stamp_ns for image in audience.images]
    assert sorted(set(stamps)) == stamps
    assert camera.returncode == 0
    told = camera.stdout.read()
    assert "filming 5 frames of world 3, 64 x 48 pixels, before the first is published" in told
    assert "5 images published" in told


def test_without_an_end_the_film_is_shown_again_and_again(graph, start):
    audience = Audience(graph)
    run_camera(start, *SIZE, "-p", "loop_frames:=3", "-p", "rate_hz:=50.0", "-p", "wait_for_subscribers:=1")
    graph.wait_for(lambda: len(audience.images) >= 8 and len(audience.truths) >= 8)
    world = World(0, height=48, width=64)
    for t in range(8):
        rgb, instances = world.frame(t % 3)
        np.testing.assert_array_equal(image_to_frame(audience.images[t]).rgb, rgb)
        np.testing.assert_array_equal(image_to_labels(audience.truths[t]), instances)
    stamps = [image_to_frame(image).stamp_ns for image in audience.images]
    assert sorted(set(stamps)) == stamps


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_it_films(start, number):
    camera = run_camera(start, "-p", "frames:=3000")
    assert any("filming 3000 frames" in line for line in iter(camera.stdout.readline, ""))
    camera.send_signal(number)
    output, _ = camera.communicate(timeout=60)
    assert camera.returncode == 0
    assert "ready" not in output
    assert "Traceback" not in output


def test_it_tells_how_long_the_filming_takes():
    told = []
    params = CameraParams(seed=1, width=640, height=480, frames=5)
    assert len(list(make_shots(params, told.append))) == 5
    assert [line.rsplit(", about ")[0] for line in told[1:]] == ["4 of 5 frames filmed", "5 of 5 frames filmed"]
    assert told[-1].endswith(", about 0 s to go")


def test_it_waits_for_its_audience(graph, start):
    audience = Audience(graph)
    camera = run_camera(start, *SIZE, "-p", "frames:=2", "-p", "rate_hz:=50.0", "-p", "wait_for_subscribers:=2")
    assert any("ready" in line for line in iter(camera.stdout.readline, ""))
    graph.wait_for(lambda: audience.probe.count_publishers("image"))
    assert audience.images == []
    Audience(graph)
    graph.wait_for(lambda: len(audience.images) == 2)


def test_a_video_is_published_to_its_end_without_truth(graph, start, tmp_path):
    with VideoWriter(tmp_path / "clip.mp4", 10.0) as video:
        for level in (0, 120, 240):
            video.write(np.full((48, 64, 3), level, np.uint8))
    audience = Audience(graph)
    arguments = ["-p", f"video:={tmp_path}/clip.mp4", "-p", "rate_hz:=50.0", "-p", "wait_for_subscribers:=1"]
    camera = run_camera(start, *arguments)
    graph.wait_for(lambda: camera.poll() is not None and len(audience.images) == 3)
    levels = [image_to_frame(image).rgb.mean() for image in audience.images]
    np.testing.assert_allclose(levels, [0, 120, 240], atol=6)
    assert audience.truths == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-p", "video:=/nowhere.mp4"], "'/nowhere.mp4' does not exist"),
        (["-p", "rate_hz:=0.0"], "parameter 'rate_hz' is refused"),
        (["-p", "width:=4"], "parameter 'width' is refused"),
        (["-p", "loop_frames:=0"], "parameter 'loop_frames' is refused"),
        (
            ["-p", "frames:=5000"],
            "5000 frames of 640 x 480 pixels take 6.1 GB, expected at most 4.0 GB: choose a smaller frames",
        ),
    ],
)
def test_a_wrong_configuration_ends_the_camera_with_one_sentence(start, arguments, sentence):
    camera = run_camera(start, *arguments)
    output, _ = camera.communicate(timeout=180)
    assert camera.returncode == 1
    assert sentence in output
    assert "[FATAL]" in output
    assert "Traceback" not in output
