"""The managed node `samwise`: a camera's images and a person's words in, masks, boxes and overlays out.

The executable `samwise_node` runs `main`. Callbacks only store what comes; one worker thread owns the tracker:

    CameraInputs -> Worker -> _serve: decode -> Tracker.step -> Outputs.publish
    CommandInterface -> Tracker.follow / add / remove / clear, which take effect between two frames

| transition | what happens |
|---|---|
| configure | the model is loaded and warmed; commands and services are there from now on |
| activate | images are subscribed to and answered |
| deactivate | the subscriptions end, and the worker after the image it is at |
| cleanup | the model is let go of, its memory freed |
"""

from __future__ import annotations

import argparse
import functools
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rclpy.clock import Clock, ClockType  # type: ignore[attr-defined]  # Humble has it nowhere else
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage

from samwise_ros.errors import ConfigError, ImageError, SamwiseError
from samwise_ros.ros.command_interface import CommandInterface
from samwise_ros.ros.convert import compressed_to_frame, depth_to_metres, image_to_frame, info_to_intrinsics
from samwise_ros.ros.decode import conversion_backend
from samwise_ros.ros.depth import LAG_S
from samwise_ros.ros.diagnostics import Facts, gpu_memory_bytes, to_diagnostics
from samwise_ros.ros.inputs import Arrival, CameraInputs
from samwise_ros.ros.outputs import Outputs
from samwise_ros.ros.params import NodeParams, ParamStore
from samwise_ros.ros.spin import run_nodes
from samwise_ros.ros.statistics import Statistics
from samwise_ros.ros.worker import Worker
from samwise_ros.types import FrameResult

if TYPE_CHECKING:
    from samwise_ros.engine import Tracker
    from samwise_ros.engine.lift import Box3D

NODE_NAME = "samwise"
_WARN_EVERY_S = 5.0
_LATE_S = 1.0
_JOIN_TIMEOUT_S = 30.0
_END_TIMEOUT_S = 2.0
"""At the process's end, where `launch` kills what has not ended after ten seconds."""

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

Transition = Callable[["SamwiseNode", LifecycleState], TransitionCallbackReturn]


def _logged(transition: Transition) -> Transition:
    """Log what a transition raises: rclpy makes an ERROR of it, which leads to `on_error`, and says nothing of why."""

    @functools.wraps(transition)
    def logged(node: SamwiseNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception as error:
            node._refusal = f"{transition.__name__} failed unexpectedly: {type(error).__name__}: {error}"
            node.get_logger().error(f"{transition.__name__} failed unexpectedly:\n{traceback.format_exc()}")
            raise

    return logged


class SamwiseNode(LifecycleNode):
    """Follows in a camera stream what words describe.

    Args:
        tracker: what finds the targets; None for one of the model that the parameters name.
        options: as for `rclpy.node.Node`.

    Raises:
        ConfigError: a parameter is wrong.
    """

    def __init__(self, tracker: Tracker | None = None, **options: Any) -> None:
        super().__init__(NODE_NAME, **options)
        self._given_tracker = tracker
        self._tracker: Tracker | None = None
        self._outputs: Outputs | None = None
        self._inputs: CameraInputs | None = None
        self._worker: Worker[Arrival] | None = None
        self._left_behind: Worker[Arrival] | None = None
        self._recording = 0
        self._dropped = 0
        self._last_id = 0
        self._refusal = ""
        self._statistics = Statistics()
        self._commands: CommandInterface | None = None
        self._gpu: Any = None
        self._watched_s = time.monotonic()
        self._answer_misfits()
        try:
            self._store = ParamStore(self, NodeParams, on_change=self._on_params)
            # Both live as long as the node, so that diagnostics tell of every state; the clock is a steady one, since
            # simulated time may stand still.
            self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self._watch = self.create_timer(self._params.diagnostics_period_s, self._on_watch, clock=steady)
            if self._params.autostart:
                self._start()
        except BaseException:  # a signal, too: nobody else knows this node yet, and what DDS shares would stay
            self.destroy_node()
            raise

    def destroy_node(self) -> None:
        """End the worker after the image it is at, or without waiting long for that, then the node."""
        self._stop(_END_TIMEOUT_S)
        self._clean()
        # rclpy leaves it to the garbage collector, and with it the node's publisher of its log.
        self._state_machine.destroy_when_not_in_use()
        super().destroy_node()

    @_logged
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model; on failure the log says why, and it may be tried again after a parameter has changed."""
        try:
            self._tracker = self._make_tracker()
            self._tracker.follow(self._params.targets)
        except SamwiseError as error:
            self._clean()
            return self._refuse(f"not configured: {error}")
        self._store.unlocked = False
        self._outputs = Outputs(self, with_depth=self._params.use_depth)
        self._commands = CommandInterface(self, self._tracker)
        self._refusal = ""
        self.get_logger().info(f"configured: model {self._params.model}, images converted by {conversion_backend()}")
        return SUCCESS

    @_logged
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the camera, with an empty memory."""
        assert self._tracker is not None
        if self._left_behind is not None and not self._left_behind.stop(0.0):
            return self._refuse(
                "not activated: the model is still at an image of before, which must end first: try again later"
            )
        self._left_behind = None
        self._tracker.reset()
        self._recording = 0
        self._statistics = Statistics()
        self._worker = Worker(self._serve, "samwise_worker")
        try:
            self._inputs = CameraInputs(
                self,
                transport=self._params.image_transport,
                with_depth=self._params.use_depth,
                on_image=self._on_image,
            )
        except SamwiseError as error:
            self._stop(_JOIN_TIMEOUT_S)
            return self._refuse(f"not activated: {error}")
        self._refusal = ""
        self.get_logger().info(f"active: waiting for images on {self._inputs.topic}")
        return super().on_activate(state)

    @_logged
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe from the camera, and finish the image at hand."""
        self._stop(_JOIN_TIMEOUT_S)
        return super().on_deactivate(state)

    @_logged
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the model; parameters may be changed for another one."""
        self._clean()
        self._refusal = ""
        return SUCCESS

    @_logged
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End everything, from any state."""
        self._stop(_JOIN_TIMEOUT_S)
        self._clean()
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """A transition raised: end everything, so that the node may be configured anew."""
        self._stop(_JOIN_TIMEOUT_S)
        self._clean()
        return SUCCESS

    @property
    def _params(self) -> NodeParams:
        return self._store.values

    def _start(self) -> None:
        """Configure and activate; where that fails the node stays, so that it can be tried again."""
        if self.trigger_configure() == SUCCESS == self.trigger_activate():
            return
        remedy = ""
        if self._state_machine.current_state[1] == "unconfigured":
            name = self.get_fully_qualified_name()
            remedy = f": mend it and say: ros2 lifecycle set {name} configure, then activate"
        self.get_logger().error(f"not started, for the reason above{remedy}")

    def _refuse(self, reason: str) -> TransitionCallbackReturn:
        """Say why a transition failed, in the log and from now on in the diagnostics."""
        self._refusal = reason
        self.get_logger().error(reason)
        return FAILURE

    def _make_tracker(self) -> Tracker:
        if self._given_tracker is not None:
            return self._given_tracker
        from samwise_ros.engine import Tracker
        from samwise_ros.ros.models import open_model

        params = self._params
        segmenter = open_model(
            params.model, params.weights, params.cache_dir, params.device, params.precision, params.image_side_px
        )
        self._gpu = segmenter.device
        return Tracker(segmenter, max_targets=params.max_targets, last_id=self._last_id)

    def _answer_misfits(self) -> None:
        """Refuse a transition that does not fit the state, which rclpy would end the process for (its issue 1209)."""
        service = self._service_change_state
        change_state = service.callback

        def answer(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
            state = self._state_machine.current_state[1]
            try:
                return change_state(request, response)
            except RuntimeError as error:
                self.get_logger().warning(
                    f"transition {request.transition.id} is refused ({str(error).split(', at /')[0]}), expected one "
                    f"from the state {state}: see ros2 lifecycle list {self.get_fully_qualified_name()}"
                )
                response.success = False
                return response

        service.callback = answer

    def _stop(self, timeout_s: float) -> None:
        """End the subscriptions and the worker; harmless where there are none."""
        if self._inputs is not None:
            self._inputs.close()
            self._inputs = None
        if self._worker is not None:
            if not self._worker.stop(timeout_s):
                self.get_logger().error(f"the model has not answered for {timeout_s:.0f} s: it is left behind")
                self._left_behind = self._worker
            self._dropped = self._worker.dropped
            counts = self._statistics.snapshot(self._dropped)
            self._worker = None
            self.get_logger().info(
                f"{counts.received} images in, {counts.answered} results, {counts.dropped} dropped for newer ones, "
                f"{counts.failed} not usable"
            )

    def _clean(self) -> None:
        """Let go of all that configure made; harmless where there is nothing."""
        if self._outputs is not None:
            self._outputs.close()
            self._outputs = None
        if self._commands is not None:
            self._commands.close()
            self._commands = None
        self._gpu = None
        if self._tracker is not None:
            self._store.unlocked = True
            self._last_id = self._tracker.last_id  # no number is used twice, whatever the model
            self._tracker = None
            if self._given_tracker is None:
                from samwise_ros.ros.models import free_memory

                free_memory()

    def _on_params(self, old: NodeParams, new: NodeParams) -> None:
        if new.diagnostics_period_s != old.diagnostics_period_s:
            self._watch.timer_period_ns = int(new.diagnostics_period_s * 1e9)
            self._watch.reset()  # or the old period would run out first

    def _on_watch(self) -> None:
        """Publish diagnostics, and warn of a camera that is silent."""
        # Where another node of the process held this thread up, images wait, too.
        now_s, then_s = time.monotonic(), self._watched_s
        self._watched_s = now_s
        if self._inputs is not None and now_s - then_s < self._params.diagnostics_period_s + _LATE_S:
            self._inputs.check_silence(self._params.no_image_timeout_s)
        if self._diagnostics.get_subscription_count():
            stamp = self.get_clock().now().to_msg()
            dropped = self._dropped if self._worker is None else self._worker.dropped
            snapshot = self._statistics.snapshot(dropped)
            self._diagnostics.publish(to_diagnostics(snapshot, self._params, self._facts(), stamp))

    def _facts(self) -> Facts:
        return Facts(
            node=self.get_fully_qualified_name(),
            state=self._state_machine.current_state[1],
            refusal=self._refusal,
            topic=self.resolve_topic_name("image") if self._inputs is None else self._inputs.topic,
            model=self._params.model,
            device=self._params.device if self._gpu is None else str(self._gpu),
            targets=() if self._tracker is None else tuple(target.text for target in self._tracker.targets),
            gpu_bytes=None if self._gpu is None else gpu_memory_bytes(self._gpu),
        )

    def _on_image(self, arrival: Arrival) -> None:
        assert self._worker is not None
        self._statistics.image_received(arrival.received_s)
        self._worker.put(arrival)

    def _serve(self, arrival: Arrival) -> None:
        """Answer one image, in the worker's thread; no image may end the node."""
        try:
            stamp_ns = self._answer(arrival)
        except SamwiseError as error:
            self._statistics.image_failed(arrival.received_s, str(error))
            self.get_logger().warning(f"image dropped: {error}", throttle_duration_sec=_WARN_EVERY_S)
        except Exception as error:
            self._statistics.image_failed(arrival.received_s, f"{type(error).__name__}: {error}")
            self.get_logger().error(
                f"image dropped after an unexpected error, the next one is served:\n{traceback.format_exc()}",
                throttle_duration_sec=_WARN_EVERY_S,
            )
        else:
            now_ns = self.get_clock().now().nanoseconds
            self._statistics.image_answered(arrival.received_s, stamp_ns, now_ns)

    def _answer(self, arrival: Arrival) -> int:
        """Decode, track, publish; the image's stamp, nanoseconds."""
        tracker, outputs, inputs, msg = self._tracker, self._outputs, self._inputs, arrival.msg
        assert tracker is not None
        assert outputs is not None
        frame = compressed_to_frame(msg) if isinstance(msg, CompressedImage) else image_to_frame(msg)
        if arrival.recording != self._recording:
            # Here, or an image of before that is still being decoded would be the first of the new memory.
            self._recording = arrival.recording
            tracker.reset()
        if inputs is not None:
            inputs.check_size(*frame.rgb.shape[:2])
            if inputs.depth is not None and arrival.depth is not None:
                inputs.depth.answer(arrival.depth)
        result = tracker.step(frame)
        if self._left_behind is None and self._outputs is outputs:  # or nobody waits for it any more
            outputs.publish(result, msg.header, lambda result: self._find_boxes(result, arrival, inputs))
        return frame.stamp_ns

    def _find_boxes(
        self, result: FrameResult, arrival: Arrival, inputs: CameraInputs | None
    ) -> tuple[Box3D | None, ...] | None:
        """Find a result's objects in space; None, and a warning, where depth or calibration is missing or unfit."""
        from samwise_ros.engine.lift import lift_result

        if inputs is None or inputs.depth is None or arrival.depth is None:
            return None
        if all(found.box_xyxy_px is None for found in result.objects):
            return (None,) * len(result.objects)
        tolerance_s, info = self._params.depth_tolerance_s, inputs.camera_info
        try:
            if info is None:
                raise ImageError("no camera_info has come, expected the camera's calibration: check its topic")
            depth = inputs.depth.find(arrival.depth, tolerance_s, arrival.received_s)
            if depth is None:
                raise ImageError(
                    f"no depth image came with the image's stamp ({tolerance_s:g} s more or less) within {LAG_S:g} s "
                    "of it: check its topic and stamps, or raise depth_tolerance_s"
                )
            intrinsics = info_to_intrinsics(info, *result.frame.rgb.shape[:2])
            return lift_result(result, depth_to_metres(depth), intrinsics)
        except SamwiseError as error:
            self.get_logger().warning(f"no boxes in 3D: {error}", throttle_duration_sec=_WARN_EVERY_S)
            return None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the node, or one per camera in namespaces of their names, until a signal.

    Args:
        arguments: the command line without the program's name; None for the process's own. `--cameras front rear`
            makes nodes `/front/samwise` and `/rear/samwise`, which share one copy of the model.
    """
    parser = argparse.ArgumentParser(prog="samwise_node", description="Follow in camera streams what words describe.")
    parser.add_argument(
        "--cameras", nargs="+", default=[], metavar="NAME", help="a node per camera, in such namespaces"
    )
    given = list(sys.argv[1:] if arguments is None else arguments)
    own = given[: given.index("--ros-args")] if "--ros-args" in given else given
    cameras = parser.parse_args(own).cameras
    sys.exit(run_nodes(NODE_NAME, lambda: _make_nodes(cameras), given))


def _make_nodes(cameras: Sequence[str]) -> list[Node]:
    for camera in cameras:
        if not re.fullmatch(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", camera, re.ASCII):
            raise ConfigError(
                f"camera '{camera}' is no namespace, expected letters, digits, _ and / as in robot1/front: rename it"
            )
    namespaces = ["/" + camera.lstrip("/") for camera in cameras]
    if len(set(namespaces)) < len(namespaces):
        raise ConfigError(f"cameras are {' '.join(cameras)}, expected different ones: rename them")
    # As a rule of the node's own, since a namespace of the whole process would win over one that is only given.
    arguments: list[list[str] | None] = [["--ros-args", "-r", f"__ns:={name}"] for name in namespaces] or [None]
    nodes: list[Node] = []
    try:
        for one in arguments:
            nodes.append(SamwiseNode(cli_args=one))
    except BaseException:
        for node in nodes:
            node.destroy_node()
        raise
    return nodes


if __name__ == "__main__":
    main()
