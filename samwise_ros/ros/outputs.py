"""What the node says about an image, each message made only while somebody listens. Used by `node`.

`vision_msgs` may not be installed: then `~/detections`, `~/objects_3d` and the label names are left out, and the log
says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from samwise_ros.msg import TrackedObjectArray
from samwise_ros.ros import detections
from samwise_ros.ros.convert import labels_to_image, result_to_objects, rgb_to_compressed, rgb_to_image
from samwise_ros.types import FrameResult, Target

if TYPE_CHECKING:
    from samwise_ros.engine.lift import Box3D

QOS = QoSProfile(depth=5)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

FindBoxes = Callable[[FrameResult], "tuple[Box3D | None, ...] | None"]
"""Finds the objects of a result in space; None where there is no depth for it."""


class Outputs:
    """A node's publishers of results, from `__init__` to `close`.

    Args:
        node: to publish with.
        with_depth: whether there can be boxes in 3D.
    """

    def __init__(self, node: Node, *, with_depth: bool) -> None:
        self._node = node
        self._group = MutuallyExclusiveCallbackGroup()  # not the node's, see `CommandInterface`
        self._named: tuple[Target, ...] | None = None
        self._publishers: list[Publisher] = []
        self._mask = self._make(Image, "~/mask")
        self._objects = self._make(TrackedObjectArray, "~/objects")
        self._overlay = self._make(Image, "~/overlay")
        self._overlay_jpeg = self._make(CompressedImage, "~/overlay/compressed")
        self._detections = self._objects_3d = self._label_info = None
        if detections.vision_msgs_available():
            from vision_msgs.msg import Detection2DArray, Detection3DArray, LabelInfo

            self._detections = self._make(Detection2DArray, "~/detections")
            self._objects_3d = self._make(Detection3DArray, "~/objects_3d") if with_depth else None
            self._label_info = self._make(LabelInfo, "~/label_info", LATCHED)
        else:
            node.get_logger().info(
                "vision_msgs is not installed, so there is no ~/detections, ~/objects_3d and ~/label_info: "
                "sudo apt install ros-$ROS_DISTRO-vision-msgs"
            )

    def close(self) -> None:
        """End the publishers."""
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)
        self._publishers = []

    def publish(self, result: FrameResult, header: Header, find_boxes: FindBoxes) -> None:
        """Publish what somebody listens to.

        Args:
            result: what the tracker says.
            header: the source image's, which every message carries unchanged.
            find_boxes: asked only where somebody listens to the answer.
        """
        self._name_labels(tuple(found.target for found in result.objects), header)
        if _heard(self._mask):
            self._mask.publish(labels_to_image(result.labels, header))
        if _heard(self._objects):
            self._objects.publish(result_to_objects(result, header))
        if _heard(self._overlay) or _heard(self._overlay_jpeg):
            self._publish_overlay(result, header)
        if self._detections is not None and _heard(self._detections):
            self._detections.publish(detections.result_to_detections(result, header))
        if self._objects_3d is not None and _heard(self._objects_3d):
            boxes = find_boxes(result)
            if boxes is not None:
                self._objects_3d.publish(detections.boxes_to_detections_3d(result, boxes, header))

    def _publish_overlay(self, result: FrameResult, header: Header) -> None:
        from samwise_ros.engine import draw_overlay  # here, since the engine loads torch, which takes seconds

        overlay = draw_overlay(result)
        if _heard(self._overlay):
            self._overlay.publish(rgb_to_image(overlay, header))
        if _heard(self._overlay_jpeg):
            self._overlay_jpeg.publish(rgb_to_compressed(overlay, header))

    def _name_labels(self, targets: tuple[Target, ...], header: Header) -> None:
        """Publish the label image's names where they are others now; latched, so that late listeners get them too."""
        if self._label_info is not None and targets != self._named:
            self._named = targets
            self._label_info.publish(detections.targets_to_label_info(targets, header))

    def _make(self, kind: type[Any], topic: str, qos: QoSProfile = QOS) -> Publisher:
        publisher = self._node.create_publisher(kind, topic, qos, callback_group=self._group)
        self._publishers.append(publisher)
        return publisher


def _heard(publisher: Publisher) -> bool:
    return bool(publisher.get_subscription_count())
