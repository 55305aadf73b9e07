"""The node `synthetic_camera`: publishes a seeded world and its true masks, or a video file, as a camera would.

The executable `synthetic_camera` runs `main`; `demo` starts it. `image` is rgb8, `~/truth` is mono8 with the number of
the object in each pixel, 0 for none, under the same header; a video has no truth.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from samwise_ros.data.synthetic import World
from samwise_ros.data.video import open_footage
from samwise_ros.ros.convert import labels_to_image, rgb_to_image
from samwise_ros.ros.params import declare_params, param
from samwise_ros.ros.spin import run_node

NODE_NAME = "synthetic_camera"
FRAME_ID = "synthetic_camera_optical_frame"
_ACK_TIMEOUT = Duration(seconds=5)

Film = Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8] | None]]
"""Pairs of rgb (H, W, 3) and, where it is known, instances (H, W)."""


@dataclass(frozen=True)
class CameraParams:
    """Parameters of the node `synthetic_camera`.

    Attributes:
        seed: which world to film.
        width: columns of the image, pixels.
        height: rows of the image, pixels.
        rate_hz: images per second.
        frames: how many images to publish before the node ends; 0 for no end.
        video: path of a video, a folder of images or an image to publish instead of a world; ends with it.
        wait_for_subscribers: the first image waits until so many listen to `image`.
    """

    seed: int = param(0, "Number of the world to film.", (0, 2**31 - 1))
    width: int = param(640, "Columns of the image, pixels.", (32, 8192))
    height: int = param(480, "Rows of the image, pixels.", (32, 8192))
    rate_hz: float = param(10.0, "Images per second.", (0.01, 1000.0))
    frames: int = param(0, "How many images to publish before the node ends; 0 for no end.", (0, 2**31 - 1))
    video: str = param("", "Path of a video, a folder of images or an image to publish instead of a world.")
    wait_for_subscribers: int = param(0, "The first image waits until so many listen to it.", (0, 1000))


class SyntheticCamera(Node):
    """Publishes one image per tick of its timer, and shuts its context down after the last one.

    Raises:
        ConfigError: a parameter is wrong.
        ImageError: the video cannot be read.
    """

    def __init__(self) -> None:
        super().__init__(NODE_NAME)
        self._params = declare_params(self, CameraParams)
        self._film = film(self._params)
        self._published = 0
        qos = QoSProfile(depth=5)
        self._image_publisher = self.create_publisher(Image, "image", qos)
        self._truth_publisher = self.create_publisher(Image, "~/truth", qos)
        self.create_timer(1.0 / self._params.rate_hz, self._on_tick)

    def _on_tick(self) -> None:
        if self._published == 0 and self._image_publisher.get_subscription_count() < self._params.wait_for_subscribers:
            return
        taken = next(self._film, None)
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


def film(params: CameraParams) -> Film:
    """Make the images that the parameters ask for.

    Args:
        params: what to film, and how long.

    Returns:
        An iterator of images and their truth.

    Raises:
        ImageError: the video cannot be read.
    """
    if params.video:
        footage = open_footage(Path(params.video).expanduser())
        pairs: Film = ((frame.rgb, None) for _, frame in footage)
    else:
        world = World(params.seed, height=params.height, width=params.width)
        pairs = map(world.frame, itertools.count())
    return itertools.islice(pairs, params.frames or None)


def main() -> None:
    """Run the camera until its last image or a signal; exits with 1 where its configuration is wrong."""
    sys.exit(run_node(NODE_NAME, SyntheticCamera))


if __name__ == "__main__":
    main()
