"""The demo's listener: joins what camera and node publish by stamp, and says where it does not fit. Run by `demo`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from samwise_ros.msg import TrackedObjectArray
from samwise_ros.ros.convert import image_to_frame, image_to_labels, stamp_to_ns

# The recorder has to see every message, also on a machine that is too slow for the demo: what it loses looks like a
# fault of the node. A queue of 300 images of 640 x 480 is 0.3 GB, and only as long as the recorder lags behind.
_QOS = QoSProfile(depth=300)


@dataclass(frozen=True)
class Record:
    """One image with all that was published about it.

    Attributes:
        number: of the image, from 0.
        texts: what the n-th target was asked for.
        labels: (H, W) uint8, n where the n-th target is.
        overlay: (H, W, 3) uint8, RGB.
        truth: (H, W) uint8, the number of the object in each pixel; None for real footage.
        latency_s: from the image's stamp to the arrival of its objects.
    """

    number: int
    texts: tuple[str, ...]
    labels: npt.NDArray[np.uint8]
    overlay: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8] | None
    latency_s: float


@dataclass
class _Pending:
    """What has arrived so far under one stamp."""

    number: int = -1
    texts: tuple[str, ...] = ()
    latency_s: float = 0.0
    images: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
    frame_ids: dict[str, str] = field(default_factory=dict)

    @property
    def results(self) -> list[str]:
        """Which of the node's outputs are there."""
        return [topic for topic in self.frame_ids if topic not in ("image", "truth")]


class Recorder(Node):
    """Listens to camera and node, and speaks to the node.

    Everything of one image is handed on as soon as it is complete. Since topics keep their order, what is older and
    still incomplete then will never be complete: an image that was dropped, or a fault.

    Args:
        on_record: called with each complete record, in the order of the images.
        has_truth: whether the camera publishes true masks.

    Attributes:
        published: how many images the camera has published.
        answered: one past the number of the newest complete record; equals `published` once the last image is answered.
        fault: the first header that was wrong, as a sentence; empty while none was.
    """

    def __init__(self, on_record: Callable[[Record], None], *, has_truth: bool) -> None:
        super().__init__("recorder")
        self.published = 0
        self.answered = 0
        self.fault = ""
        self._on_record = on_record
        self._expected = {"image", "mask", "objects", "overlay"} | ({"truth"} if has_truth else set())
        self._pending: dict[int, _Pending] = {}
        self._command_publisher = self.create_publisher(String, "text_command", 10)
        self.create_subscription(Image, "image", self._on_image, _QOS)
        self.create_subscription(Image, "synthetic_camera/truth", self._on_truth, _QOS)
        self._results = (
            self.create_subscription(Image, "samwise/mask", self._on_mask, _QOS),
            self.create_subscription(TrackedObjectArray, "samwise/objects", self._on_objects, _QOS),
            self.create_subscription(Image, "samwise/overlay", self._on_overlay, _QOS),
        )
        self._state_client = self.create_client(GetState, "samwise/get_state")
        self._state: Future | None = None

    @property
    def hears_node(self) -> bool:
        """Whether the node is there: its outputs and its ear for commands are connected."""
        outputs = all(self.count_publishers(one.topic_name) for one in self._results)  # as Humble has it
        return outputs and self._command_publisher.get_subscription_count() > 0

    @property
    def node_refused(self) -> bool:
        """Whether the node is there but could not be configured; it answers once it has tried."""
        if self._state is None and self._state_client.service_is_ready():
            self._state = self._state_client.call_async(GetState.Request())
        answer = self._state.result() if self._state is not None and self._state.done() else None
        return answer is not None and answer.current_state.id == State.PRIMARY_STATE_UNCONFIGURED

    def say(self, text: str) -> None:
        """Give the node a text command."""
        self._command_publisher.publish(String(data=text))

    def finish(self) -> None:
        """Judge what is still incomplete, after the last image."""
        for stamp_ns in sorted(self._pending):
            self._give_up(stamp_ns)

    def _on_image(self, msg: Image) -> None:
        pending = self._pending.setdefault(stamp_to_ns(msg.header.stamp), _Pending())
        pending.number = self.published
        self.published += 1
        self._note(msg.header, "image")

    def _on_truth(self, msg: Image) -> None:
        self._note(msg.header, "truth", image_to_labels(msg))

    def _on_mask(self, msg: Image) -> None:
        self._note(msg.header, "mask", image_to_labels(msg))

    def _on_overlay(self, msg: Image) -> None:
        self._note(msg.header, "overlay", image_to_frame(msg).rgb)

    def _on_objects(self, msg: TrackedObjectArray) -> None:
        stamp_ns = stamp_to_ns(msg.header.stamp)
        pending = self._pending.setdefault(stamp_ns, _Pending())
        pending.texts = tuple(found.text for found in msg.objects)
        pending.latency_s = (self.get_clock().now().nanoseconds - stamp_ns) / 1e9
        self._note(msg.header, "objects")

    def _note(self, header: Header, topic: str, image: npt.NDArray[np.uint8] | None = None) -> None:
        """Keep what came under its stamp, and hand everything of that stamp on once it is complete."""
        stamp_ns = stamp_to_ns(header.stamp)
        pending = self._pending.setdefault(stamp_ns, _Pending())
        pending.frame_ids[topic] = header.frame_id
        if image is not None:
            pending.images[topic] = image
        if pending.frame_ids.keys() != self._expected:
            return
        for older in [key for key in sorted(self._pending) if key < stamp_ns]:
            self._give_up(older)
        del self._pending[stamp_ns]
        self.answered = pending.number + 1
        if len(set(pending.frame_ids.values())) > 1:
            self._blame(f"frame_ids of one image and its results differ: {pending.frame_ids}")
        images = pending.images
        self._on_record(
            Record(
                pending.number, pending.texts, images["mask"], images["overlay"], images.get("truth"), pending.latency_s
            )
        )

    def _give_up(self, stamp_ns: int) -> None:
        pending = self._pending.pop(stamp_ns)
        results = " and ".join(pending.results)
        if results and pending.number < 0:
            self._blame(f"{results} came with the stamp {stamp_ns} ns, which no image had")
        elif results and len(pending.results) < 3:
            self._blame(f"only {results} came with the stamp {stamp_ns} ns, expected mask, objects and overlay")

    def _blame(self, fault: str) -> None:
        self.fault = self.fault or fault
