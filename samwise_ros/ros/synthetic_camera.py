"""The node `synthetic_camera`: publishes a seeded world and its true masks, or a video file, as a camera would.

The executable `synthetic_camera` runs `main`; `demo` starts it. `image` is rgb8, `~/truth` is mono8 with the number of
the object in each pixel, 0 for none, under the same header; a video has no truth. A world is filmed before the first
image is published, since that takes longer than to show it.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from samwise_ros.data.synthetic import PIXELS_AT_ONCE, World
from samwise_ros.data.video import open_footage
from samwise_ros.errors import ConfigError
from samwise_ros.ros.convert import labels_to_image, rgb_to_image
from samwise_ros.ros.params import declare_params, param
from samwise_ros.ros.spin import run_nodes

NODE_NAME = "synthetic_camera"
FRAME_ID = "synthetic_camera_optical_frame"
MAX_FILM_BYTES = 4 * 10**9
"""What a filmed world may take in memory."""

_BYTES_PER_PIXEL = 4
_TELL_EVERY_S = 5.0
_ACK_TIMEOUT = Duration(seconds=5)

Shot = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8] | None]
"""rgb (H, W, 3) and, where it is known, instances (H, W)."""


@dataclass(frozen=True)
class CameraParams:
    """Parameters of the node `synthetic_camera`.

    Attributes:
        seed: which world to film.
        width: columns of the image, pixels.
        height: rows of the image, pixels.
        rate_hz: images per second.
        frames: how many images to publish before the node ends; 0 for no end. Those of a world must fit MAX_FILM_BYTES.
        loop_frames: how much of a world is filmed, to be shown again and again, where `frames` is 0.
        video: path of a video, a folder of images or an image to publish instead of a world; ends with it.
        wait_for_subscribers: the first image waits until so many listen to `image`.
    """

    seed: int = param(0, "Number of the world to film.", (0, 2**31 - 1))
    width: int = param(640, "Columns of the image, pixels.", (32, 4096))
    height: int = param(480, "Rows of the image, pixels.", (32, 4096))
    rate_hz: float = param(10.0, "Images per second.", (0.01, 1000.0))
    frames: int = param(
        0,
        "How many images to publish before the node ends; 0 for no end. A world is filmed first, 4 GB at most.",
        (0, 2**31 - 1),
    )
    loop_frames: int = param(
        120,
        "How many frames of a world to film and show again and again where frames is 0; 4 GB at most.",
        (1, 100_000),
    )
    video: str = param("", "Path of a video, a folder of images or an image to publish instead of a world.")
    wait_for_subscribers: int = param(0, "The first image waits until so many listen to it.", (0, 1000))


class SyntheticCamera(Node):
    """Publishes one image per tick of its timer, and shuts its context down after the last one.

    A world is filmed while the node is being made, when `run_nodes` lets a signal end it at any time.

    Raises:
        ConfigError: a parameter is wrong, or what is to be filmed does not fit MAX_FILM_BYTES.
        ImageError: the video cannot be read.
    """

    def __init__(self) -> None:
        super().__init__(NODE_NAME)
        self._params = declare_params(self, CameraParams)
        self._published = 0
        qos = QoSProfile(depth=5)
        self._image_publisher = self.create_publisher(Image, "image", qos)
        self._truth_publisher = self.create_publisher(Image, "~/truth", qos)
        self._shots = make_shots(self._params, self._tell)
        self.create_timer(1.0 / self._params.rate_hz, self._on_tick)

    def _tell(self, text: str) -> None:
        self.get_logger().info(text, throttle_duration_sec=_TELL_EVERY_S)

    def _on_tick(self) -> None:
        if self._published == 0 and self._image_publisher.get_subscription_count() < self._params.wait_for_subscribers:
            return
        taken = next(self._shots, None)
        if taken is None:
            self._finish()
            return
        rgb, instances = taken
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=FRAME_ID)
        if instances is not None:
            self._truth_publisher.publish(labels_to_image(instances, header))
        self._image_publisher.publish(rgb_to_image(rgb, header))
        self._published += 1

    def _finish(self) -> None:
        """End the node once the last image has arrived everywhere."""
        for publisher in (self._image_publisher, self._truth_publisher):
            publisher.wait_for_all_acked(_ACK_TIMEOUT)
        self.get_logger().info(f"{self._published} images published")
        self.context.try_shutdown()


def make_shots(params: CameraParams, tell: Callable[[str], None]) -> Iterator[Shot]:
    """Make the images that the parameters ask for: a video's one by one, a world's all at once.

    Args:
        params: what to show, and how long.
        tell: takes a sentence about how far the filming is, many times.

    Returns:
        An iterator of images and their truth; endless for a world where `frames` is 0.

    Raises:
        ConfigError: the film of a world does not fit MAX_FILM_BYTES.
        ImageError: the video cannot be read.
    """
    if not params.video:
        shots = _film_world(params, params.frames or params.loop_frames, tell)
        return iter(shots) if params.frames else itertools.cycle(shots)
    footage = open_footage(Path(params.video).expanduser())
    return itertools.islice(((frame.rgb, None) for _, frame in footage), params.frames or None)


def _film_world(params: CameraParams, frames: int, tell: Callable[[str], None]) -> list[Shot]:
    pixels = params.width * params.height
    size = f"{params.width} x {params.height} pixels"
    if frames * pixels * _BYTES_PER_PIXEL > MAX_FILM_BYTES:
        raise ConfigError(
            f"{frames} frames of {size} take {frames * pixels * _BYTES_PER_PIXEL / 1e9:.1f} GB, expected at most "
            f"{MAX_FILM_BYTES / 1e9:.1f} GB: choose a smaller frames or loop_frames, or a smaller width and height"
        )
    tell(f"filming {frames} frames of world {params.seed}, {size}, before the first is published")
    world, start_s = World(params.seed, height=params.height, width=params.width), time.monotonic()
    shots: list[Shot] = []
    while len(shots) < frames:
        stop = min(len(shots) + max(1, PIXELS_AT_ONCE // pixels), frames)
        shots += zip(*world.film(np.arange(len(shots), stop, dtype=np.float64)), strict=True)
        left_s = (time.monotonic() - start_s) * (frames / len(shots) - 1)
        tell(f"{len(shots)} of {frames} frames filmed, about {left_s:.0f} s to go")
    return shots


def main() -> None:
    """Run the camera until its last image or a signal; exits with 1 where its configuration is wrong."""
    sys.exit(run_nodes(NODE_NAME, lambda: [SyntheticCamera()]))


if __name__ == "__main__":
    main()
