"""Which depth image belongs to which colour image, whatever comes first and however long an answer takes."""

import threading
import time

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from samwise_ros.ros import depth as module
from samwise_ros.ros.depth import KEPT, DepthImages


class Camera:
    """Depth images ten times a second; each is known by its number."""

    def __init__(self) -> None:
        self.images = DepthImages()

    def show(self, *numbers):
        for number in numbers:
            self.images.keep(Image(header=Header(stamp=Time(sec=number // 10, nanosec=number % 10 * 10**8))))

    def expect(self, seconds):
        return self.images.expect(round(seconds * 1e9))

    def find(self, match, tolerance_s=0.05, received_s=0.0):
        """The number of what is found; as if the colour image had come long ago, so that nothing is waited for."""
        found = self.images.find(match, tolerance_s, received_s)
        return None if found is None else round(found.header.stamp.sec * 10 + found.header.stamp.nanosec / 1e8)


@pytest.fixture
def camera():
    return Camera()


def test_the_nearest_within_the_tolerance(camera):
    assert camera.find(camera.expect(0), 1.0) is None
    camera.show(*range(10, 13 + KEPT))
    assert camera.find(camera.expect(1.64)) == 16
    assert camera.find(camera.expect(1.64), 0.03) is None
    assert camera.find(camera.expect(1.0)) is None, "the oldest are gone"


def test_one_that_comes_while_an_image_waits_and_is_answered_is_kept(camera):
    camera.show(10, 11)
    answered = camera.expect(1.19)
    camera.images.answer(answered)
    waiting = camera.expect(1.41)
    assert camera.find(answered) is None
    camera.show(*range(12, 20 + KEPT))
    assert camera.find(answered) == 12, "it came after its image, and before so many others"
    assert camera.find(waiting) == 14, "that one waits behind the other"


def test_one_that_comes_while_an_image_is_decoded_is_not_lost(camera):
    camera.show(9)
    answered = camera.expect(1.0)
    camera.expect(1.1)
    camera.show(10)
    camera.images.answer(answered)
    assert camera.find(answered) == 10


def test_of_another_recording_nothing_is_kept(camera, monkeypatch):
    monkeypatch.setattr(module, "LAG_S", 30.0)
    camera.show(900, 901)
    camera.images.forget()
    match = camera.expect(1.0)
    threading.Timer(0.1, camera.show, [10]).start()
    assert camera.find(match, received_s=time.monotonic()) == 10


def test_an_image_that_is_replaced_keeps_nothing(camera):
    camera.expect(1.0)
    other = camera.expect(1.1)
    camera.show(10, 11, 12)
    assert camera.find(other) == 11
    assert [match.msg.header.stamp.nanosec for match in (camera.images._waiting,)] == [10**8]
    assert camera.images._answered is None


def test_one_that_comes_a_little_later_is_waited_for(camera, monkeypatch):
    monkeypatch.setattr(module, "LAG_S", 30.0)
    camera.show(9, 10)
    match = camera.expect(1.1)
    camera.images.answer(match)
    threading.Timer(0.1, camera.show, [11]).start()
    assert camera.find(match, 0.2, received_s=time.monotonic()) == 11


@pytest.mark.parametrize("seconds", [1.0, 1.004, 1.04], ids=["the same stamp", "near enough", "the next is farther"])
def test_where_none_nearer_is_to_come_none_is_waited_for(camera, monkeypatch, seconds):
    monkeypatch.setattr(module, "LAG_S", 30.0)
    camera.show(9, 10)
    began_s = time.monotonic()
    assert camera.find(camera.expect(seconds), received_s=began_s) == 10
    assert time.monotonic() - began_s < 20


def test_depth_without_stamps_is_not_waited_for(camera, monkeypatch):
    monkeypatch.setattr(module, "LAG_S", 30.0)
    camera.show(0, 0)
    began_s = time.monotonic()
    assert camera.find(camera.expect(100.0), received_s=began_s) is None
    assert time.monotonic() - began_s < 20


def test_nothing_is_waited_for_long_or_where_no_depth_comes(camera, monkeypatch):
    assert module.LAG_S <= 0.1
    monkeypatch.setattr(module, "LAG_S", 0.2)
    camera.show(10)
    began_s = time.monotonic()
    assert camera.find(camera.expect(1.08), 0.05, received_s=began_s) is None
    assert 0.2 <= time.monotonic() - began_s < 20
    monkeypatch.setattr(module, "LAG_S", 30.0)
    monkeypatch.setattr(module, "STALE_S", 0.0)
    began_s = time.monotonic()
    assert camera.find(camera.expect(1.08), 0.05, received_s=began_s) is None
    assert time.monotonic() - began_s < 20
