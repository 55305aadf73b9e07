"""What a user of the node waits for: image in, objects out, over DDS and through a real node in its own process.

`samwise bench --ros` runs `main`, which prints JSON. One image is under way at a time; the next is sent when the
objects of the last have come. Without a target the node runs no model: what is left is what ROS takes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import asdict
from subprocess import Popen

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_msgs.msg import String

from samwise_ros.errors import SamwiseError
from samwise_ros.evaluation.speed import DIFFERENT_FRAMES, percentiles
from samwise_ros.msg import TrackedObjectArray
from samwise_ros.ros.children import NODE_MODULE, child_node
from samwise_ros.ros.domain import reserve_domain_id, stay_here

_READY_TIMEOUT_S = 180.0
_ANSWER_TIMEOUT_S = 120.0


class BenchError(SamwiseError):
    """A measurement cannot go on."""


class Driver(Node):
    """Publishes random images and receives the objects found in them.

    Args:
        width_px: columns of the images.
        height_px: rows of the images.
    """

    def __init__(self, width_px: int, height_px: int) -> None:
        super().__init__("samwise_bench")
        rng = np.random.default_rng(0)
        self._pictures = [
            array("B", rng.integers(0, 256, height_px * width_px * 3, np.uint8).tobytes())
            for _ in range(DIFFERENT_FRAMES)
        ]
        self._image = Image(height=height_px, width=width_px, step=3 * width_px, encoding="rgb8")
        self._images = self.create_publisher(Image, "image", QoSProfile(depth=1))
        self._commands = self.create_publisher(String, "text_command", QoSProfile(depth=1))
        self.create_subscription(TrackedObjectArray, "samwise/objects", self._on_objects, QoSProfile(depth=5))
        self._sent = 0
        self.objects: int | None = None
        """How many objects the answer to the last image has; None before it comes."""

    @property
    def connected(self) -> bool:
        """Whether the node listens to images and commands."""
        return bool(self._images.get_subscription_count() and self._commands.get_subscription_count())

    def send(self) -> None:
        """Publish another image, whose stamp is a number."""
        self.objects = None
        self._sent += 1
        self._image.header.stamp.sec = self._sent
        self._image.data = self._pictures[self._sent % DIFFERENT_FRAMES]
        self._images.publish(self._image)

    def command(self, text: str) -> None:
        """Say something to the node."""
        self._commands.publish(String(data=text))

    def _on_objects(self, answer: TrackedObjectArray) -> None:
        if answer.header.stamp.sec == self._sent:
            self.objects = len(answer.objects)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print JSON: percentiles in milliseconds, `without_targets` and `with_targets`, and frames/s.

    Returns:
        The exit code: 0; 1 with a sentence on stderr.
    """
    parser = argparse.ArgumentParser(prog="samwise bench --ros")
    parser.add_argument("--params", type=json.loads, required=True, help="JSON: the node's parameters")
    parser.add_argument("--size", type=int, nargs=2, required=True, help="columns and rows of the images")
    parser.add_argument("--targets", type=int, required=True)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--warmup", type=int, required=True)
    options = parser.parse_args(arguments)
    try:
        print(json.dumps(measure(options)))
    except SamwiseError as error:
        print(f"samwise: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Start the node, measure it without and with targets, and end it.

    Raises:
        BenchError: the node was not ready in time, ended, or stopped answering.
    """
    with contextlib.ExitStack() as stack:
        os.environ["ROS_DOMAIN_ID"] = str(stack.enter_context(reserve_domain_id()))
        stay_here()
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        stack.callback(rclpy.try_shutdown)
        executor = SingleThreadedExecutor()
        stack.callback(executor.shutdown)
        driver = Driver(*options.size)
        executor.add_node(driver)
        params = {**options.params, "qos_overrides./image.subscription.reliability": "reliable"}
        node = stack.enter_context(child_node(NODE_MODULE, params))

        def wait_for(what: str, came: Callable[[], bool], timeout_s: float) -> None:
            give_up_s = time.monotonic() + timeout_s
            while not came():
                executor.spin_once(timeout_sec=0.05)
                _expect(node, what, give_up_s)

        def answer_ms() -> float:
            """Time from an image to its objects."""
            start = time.perf_counter()
            driver.send()
            wait_for("an answer", lambda: driver.objects is not None, _ANSWER_TIMEOUT_S)
            return 1e3 * (time.perf_counter() - start)

        def answers_ms() -> list[float]:
            for _ in range(options.warmup):
                answer_ms()
            return [answer_ms() for _ in range(options.frames)]

        wait_for("the node", lambda: driver.connected, _READY_TIMEOUT_S)
        without = answers_ms()
        driver.command(
            "follow " + "; ".join(f"thing number {number} on the table" for number in range(options.targets))
        )
        while driver.objects != options.targets:
            answer_ms()
        with_targets = answers_ms()
        return {
            "without_targets": asdict(percentiles(without)),
            "with_targets": asdict(percentiles(with_targets)),
            "frames_per_s": 1e3 * len(with_targets) / sum(with_targets),
        }


def _expect(node: Popen[bytes], what: str, give_up_s: float) -> None:
    if node.poll() is not None:
        raise BenchError(f"the node ended with exit code {node.returncode} instead of giving {what}: see its message")
    if time.monotonic() > give_up_s:
        raise BenchError(f"{what} did not come in time: see the node's messages above")


if __name__ == "__main__":
    sys.exit(main())
