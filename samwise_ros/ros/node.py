"""The node `samwise`: a camera's images and a person's words in, masks, objects and overlays out.

The executable `samwise_node` runs `main`. Callbacks only store what comes; one worker thread owns the model:

    _on_image -> Mailbox -> _work -> _process: image_to_frame -> Tracker.step -> _publish
    _on_text_command, services -> Tracker.follow / add / remove / clear, which take effect between two frames
"""

from __future__ import annotations

import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String
from std_srvs.srv import Trigger

from samwise_ros.errors import CommandError, ConfigError, SamwiseError
from samwise_ros.msg import TrackedObjectArray
from samwise_ros.ros.command import apply_command, parse_command
from samwise_ros.ros.convert import image_to_frame, labels_to_image, result_to_objects, rgb_to_image
from samwise_ros.ros.mailbox import Mailbox
from samwise_ros.ros.params import NodeParams, declare_params
from samwise_ros.ros.spin import run_node
from samwise_ros.srv import AddTarget, RemoveTarget
from samwise_ros.types import FrameResult

if TYPE_CHECKING:
    from samwise_ros.engine import Tracker

NODE_NAME = "samwise"
_WARN_EVERY_S = 5.0
_JOIN_TIMEOUT_S = 10.0


class SamwiseNode(Node):
    """Follows in a camera stream what words describe.

    Args:
        tracker: what finds the targets; None for one of the model that the parameters name.
        options: as for `rclpy.node.Node`.

    Raises:
        ConfigError: a parameter is wrong.
        CheckpointError: the weights are missing or unfit.
        CommandError: a start target is no referring expression.
    """

    def __init__(self, tracker: Tracker | None = None, **options: Any) -> None:
        super().__init__(NODE_NAME, **options)
        self._params = declare_params(self, NodeParams)
        self._tracker = build_tracker(self._params) if tracker is None else tracker
        self._tracker.follow(self._params.targets)
        self._frames: Mailbox[Image] = Mailbox()
        self._received = self._results = self._failed = 0
        self._make_outputs()
        self._make_inputs()
        self._worker = threading.Thread(target=self._work, name="samwise_worker", daemon=True)
        self._worker.start()

    def destroy_node(self) -> None:
        """End the worker after the frame it is at, then the node."""
        self._frames.close()
        self._worker.join(_JOIN_TIMEOUT_S)
        self.get_logger().info(
            f"{self._received} images in, {self._results} results, {self._frames.dropped} dropped for newer ones, "
            f"{self._failed} not usable"
        )
        super().destroy_node()

    def _make_outputs(self) -> None:
        qos = QoSProfile(depth=5)
        self._mask_publisher = self.create_publisher(Image, "~/mask", qos)
        self._objects_publisher = self.create_publisher(TrackedObjectArray, "~/objects", qos)
        self._overlay_publisher = self.create_publisher(Image, "~/overlay", qos)

    def _make_inputs(self) -> None:
        newest = QoSProfile(depth=1, reliability=qos_profile_sensor_data.reliability)
        overridable = QoSOverridingOptions.with_default_policies()
        try:
            self.create_subscription(Image, "image", self._on_image, newest, qos_overriding_options=overridable)
        except (ParameterException, RuntimeError) as error:
            raise ConfigError(
                f"the images' qos_overrides are refused ({error}), expected reliability, history and depth as in "
                "config/samwise.yaml: correct the parameter"
            ) from error
        self.create_subscription(String, "text_command", self._on_text_command, 10)
        self.create_service(AddTarget, "~/add_target", self._on_add_target)
        self.create_service(RemoveTarget, "~/remove_target", self._on_remove_target)
        self.create_service(Trigger, "~/clear_targets", self._on_clear_targets)

    def _on_image(self, msg: Image) -> None:
        self._received += 1
        self._frames.put(msg)

    def _on_text_command(self, msg: String) -> None:
        try:
            outcome = apply_command(parse_command(msg.data), self._tracker)
        except CommandError as error:
            self.get_logger().warning(f"command ignored: {error}")
        else:
            self.get_logger().info(outcome)

    def _on_add_target(self, request: AddTarget.Request, response: AddTarget.Response) -> AddTarget.Response:
        try:
            response.id = self._tracker.add(request.text).id
            response.success = True
        except CommandError as error:
            response.message = str(error)
        return response

    def _on_remove_target(
        self, request: RemoveTarget.Request, response: RemoveTarget.Response
    ) -> RemoveTarget.Response:
        try:
            self._tracker.remove(request.id)
            response.success = True
        except CommandError as error:
            response.message = str(error)
        return response

    def _on_clear_targets(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.message = f"{len(self._tracker.clear())} targets cleared"
        response.success = True
        return response

    def _work(self) -> None:
        """Serve one image after the other until the mailbox closes; no image may end the node."""
        while (msg := self._frames.take()) is not None:
            try:
                self._process(msg)
                self._results += 1
            except SamwiseError as error:
                self._failed += 1
                self.get_logger().warning(f"image dropped: {error}", throttle_duration_sec=_WARN_EVERY_S)
            except Exception:
                self._failed += 1
                self.get_logger().error(
                    f"image dropped after an unexpected error, the next one is served:\n{traceback.format_exc()}",
                    throttle_duration_sec=_WARN_EVERY_S,
                )

    def _process(self, msg: Image) -> None:
        frame = image_to_frame(msg)
        result = self._tracker.step(frame)
        self._publish(result, msg.header)

    def _publish(self, result: FrameResult, header: Header) -> None:
        """Publish what somebody listens to, under the source image's header."""
        if self._mask_publisher.get_subscription_count():
            self._mask_publisher.publish(labels_to_image(result.labels, header))
        if self._objects_publisher.get_subscription_count():
            self._objects_publisher.publish(result_to_objects(result, header))
        if self._overlay_publisher.get_subscription_count():
            from samwise_ros.engine import draw_overlay  # here for the same reason as in build_tracker

            self._overlay_publisher.publish(rgb_to_image(draw_overlay(result), header))


def build_tracker(params: NodeParams) -> Tracker:
    """Load the model that the parameters name.

    Args:
        params: model, weights, device and max_targets are read.

    Returns:
        A tracker without targets.

    Raises:
        ConfigError: there is no such preset or device.
        CheckpointError: the weights are missing or unfit.
    """
    # The engine loads torch, which takes seconds: imported within `run_node`, so that Ctrl-C ends them cleanly too.
    from samwise_ros.engine import Tracker
    from samwise_ros.model.build import build_segmenter

    weights = Path(params.weights).expanduser() if params.weights else None
    cache = Path(params.cache_dir) if params.cache_dir else None
    segmenter = build_segmenter(params.model, weights=weights, device=params.device, cache=cache)
    return Tracker(segmenter, max_targets=params.max_targets)


def main() -> None:
    """Run the node until a signal; exits with 1 where its configuration is wrong."""
    sys.exit(run_node(NODE_NAME, SamwiseNode))


if __name__ == "__main__":
    main()
