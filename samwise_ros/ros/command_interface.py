"""How people and programs tell a node what to follow: a topic of words, its answers, and services. Used by `node`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import Trigger

from samwise_ros.errors import CommandError
from samwise_ros.msg import CommandStatus
from samwise_ros.ros.command import apply_command, parse_command
from samwise_ros.srv import AddTarget, RemoveTarget
from samwise_ros.types import MAX_TEXT_CHARS

if TYPE_CHECKING:
    from samwise_ros.engine import Tracker


class CommandInterface:
    """A node's topics and services for commands, from `__init__` to `close`.

    Args:
        node: to speak and listen with.
        tracker: whose targets change, from its next step on.
    """

    def __init__(self, node: Node, tracker: Tracker) -> None:
        self._node, self._tracker = node, tracker
        # rclpy's groups keep a little of all that ever was in them: the node's own would grow with each configuring.
        group = MutuallyExclusiveCallbackGroup()
        self._status = node.create_publisher(CommandStatus, "~/command_status", 10, callback_group=group)
        self._listener = node.create_subscription(
            String, "text_command", self._on_text_command, 10, callback_group=group
        )
        self._services = [
            node.create_service(AddTarget, "~/add_target", self._on_add_target, callback_group=group),
            node.create_service(RemoveTarget, "~/remove_target", self._on_remove_target, callback_group=group),
            node.create_service(Trigger, "~/clear_targets", self._on_clear_targets, callback_group=group),
        ]

    def close(self) -> None:
        """End them."""
        self._node.destroy_publisher(self._status)
        self._node.destroy_subscription(self._listener)
        for service in self._services:
            self._node.destroy_service(service)

    def _on_text_command(self, msg: String) -> None:
        status = CommandStatus(stamp=self._node.get_clock().now().to_msg(), text=msg.data[:MAX_TEXT_CHARS])
        try:
            outcome = apply_command(parse_command(msg.data), self._tracker)
        except CommandError as error:
            status.ids = [target.id for target in self._tracker.targets]
            status.reason = str(error)
            self._node.get_logger().warning(f"command ignored: {error}")
        else:
            status.accepted, status.ids = True, list(outcome.ids)
            self._node.get_logger().info(outcome.text)
        self._status.publish(status)

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
