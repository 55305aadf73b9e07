"""What a camera sends to the node: images and, where they are asked for, depth and calibration. Used by `node`.

Callbacks keep the newest and return at once. What users of such nodes ask about most is said here, once, with the
remedy: no images, an incompatible QoS, missing stamps, stamps that run backwards, another size.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_policy_name_from_kind, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

try:
    from rclpy.event_handler import QoSRequestedIncompatibleQoSInfo, SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import QoSRequestedIncompatibleQoSInfo, SubscriptionEventCallbacks

from samwise_ros.errors import ConfigError
from samwise_ros.ros.convert import stamp_to_ns
from samwise_ros.ros.depth import DepthImages, DepthMatch

CameraMessage: TypeAlias = Image | CompressedImage


@dataclass(frozen=True, slots=True)
class Arrival:
    """An image message and when it came.

    Attributes:
        msg: as it came.
        received_s: reading of the monotonic clock.
        recording: of which recording it is: one more than before since stamps last ran backwards.
        depth: what there is of its depth; None where no depth is taken.
    """

    msg: CameraMessage
    received_s: float
    recording: int
    depth: DepthMatch | None


class CameraInputs:
    """A camera's subscriptions, from `__init__` to `close`.

    Args:
        node: to subscribe with; topics `image` or `image/compressed`, `depth` and `camera_info` are its own names.
        transport: "raw" or "compressed".
        with_depth: subscribe to depth and calibration too.
        on_image: called with each image in the node's thread; returns at once.

    Raises:
        ConfigError: a QoS override is refused.
    """

    def __init__(
        self,
        node: Node,
        *,
        transport: str,
        with_depth: bool,
        on_image: Callable[[Arrival], None],
    ) -> None:
        self._node, self._on_image = node, on_image
        self._group = MutuallyExclusiveCallbackGroup()  # not the node's, see `CommandInterface`
        self._last_stamp_ns = 0
        self._recording = 0
        self._size = ""
        self._warned_of: set[str] = set()
        self.depth = DepthImages() if with_depth else None
        self.camera_info: CameraInfo | None = None
        self._last_s = time.monotonic()
        # As image transports do: the compressed images of a topic are on the topic below it.
        self.topic = node.resolve_topic_name("image") + ("/compressed" if transport == "compressed" else "")
        kind = CompressedImage if transport == "compressed" else Image
        self._subscriptions: list[Subscription] = []
        try:
            self._subscribe(kind, self.topic, self._receive)
            if self.depth is not None:
                self._subscribe(Image, node.resolve_topic_name("depth"), self.depth.keep)
                self._subscribe(CameraInfo, node.resolve_topic_name("camera_info"), self._keep_info)
        except ConfigError:
            self.close()
            raise
        # Of a file for several cameras some fit others.
        given = [name for name in node._parameter_overrides if name.startswith("qos_overrides.")]
        if given and not any(map(node.has_parameter, given)):
            node.get_logger().warning(
                f"the parameter '{given[0]}' is of no subscription of this node, expected qos_overrides.{self.topic}"
                ".subscription.reliability, history or depth: it is ignored, correct it"
            )

    def close(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    @property
    def silent_s(self) -> float:
        """Seconds since the last image, or since the start where there was none."""
        return time.monotonic() - self._last_s

    def check_silence(self, timeout_s: float) -> None:
        """Warn where no image has come for a while, and say who publishes; once until one comes."""
        if self.silent_s < timeout_s:
            self._warned_of.discard("silence")
            return
        seen = self._node.get_publishers_info_by_topic(self.topic)
        if not seen:
            whom = "nobody publishes there: check that the camera runs and remap `image` to its topic"
        else:
            names = {f"{one.node_namespace.rstrip('/')}/{one.node_name} ({one.topic_type})" for one in seen[:4]}
            whom = (
                f"it is published by {', '.join(sorted(names))}: check that images leave it (ros2 topic hz), that its "
                "type fits image_transport, and its QoS (ros2 topic info -v)"
            )
        self._warn_once("silence", f"no image for {self.silent_s:.0f} s on {self.topic}; {whom}")

    def check_size(self, height: int, width: int) -> None:
        """Say that the picture's size has changed, where it has; for the worker's thread alone."""
        size = f"{width}x{height}"
        if self._size not in ("", size):
            self._node.get_logger().info(f"images are {size} pixels now, were {self._size}: targets stay")
        self._size = size

    def _warn_once(self, about: str, text: str) -> None:
        """Log a warning that has not been given since its cause came up."""
        if about not in self._warned_of:
            self._warned_of.add(about)
            self._node.get_logger().warning(text)

    def _subscribe(self, kind: type, topic: str, callback: Callable[..., None]) -> None:
        newest = QoSProfile(depth=1, reliability=qos_profile_sensor_data.reliability)
        try:
            self._subscriptions.append(
                self._node.create_subscription(
                    kind,
                    topic,
                    callback,
                    newest,
                    callback_group=self._group,
                    event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._incompatible(topic)),
                    qos_overriding_options=QoSOverridingOptions.with_default_policies(),
                )
            )
        except (ParameterException, RuntimeError) as error:
            raise ConfigError(
                f"the qos_overrides of {topic} are refused ({error}), expected reliability, history and depth as in "
                "config/samwise.yaml: correct the parameter, and start the node anew, since they are read but once"
            ) from error

    def _incompatible(self, topic: str) -> Callable[[QoSRequestedIncompatibleQoSInfo], None]:
        def warn(event: QoSRequestedIncompatibleQoSInfo) -> None:
            policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
            self._warn_once(
                f"qos {topic}",
                f"a publisher of {topic} offers another {policy} than is asked for, so that nothing of it arrives: set "
                f"the parameter qos_overrides.{topic}.subscription.{policy} to what it offers (ros2 topic info -v)",
            )

        return warn

    def _receive(self, msg: CameraMessage) -> None:
        stamp_ns = stamp_to_ns(msg.header.stamp)
        if stamp_ns == 0:
            self._warn_once(
                "stamps",
                f"images on {self.topic} have no stamp, and so have the results: let the camera driver set "
                "header.stamp, or nobody can tell which image a mask belongs to",
            )
        elif stamp_ns < self._last_stamp_ns:
            back_s = (self._last_stamp_ns - stamp_ns) / 1e9
            self._node.get_logger().warning(
                f"stamps on {self.topic} run backwards by {back_s:.3f} s, as where a recording starts over: memory of "
                "past images is dropped, targets stay",
                throttle_duration_sec=5.0,
            )
            self._recording += 1
            if self.depth is not None:
                self.depth.forget()
        self._last_stamp_ns = stamp_ns
        self._last_s = time.monotonic()
        depth = None if self.depth is None else self.depth.expect(stamp_ns)
        self._on_image(Arrival(msg, self._last_s, self._recording, depth))

    def _keep_info(self, msg: CameraInfo) -> None:
        self.camera_info = msg
