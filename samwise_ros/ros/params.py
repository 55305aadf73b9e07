"""The nodes' parameters: each a frozen dataclass, each field one ROS parameter of that name.

`declare_params` reads a node's parameters once, `ParamStore` follows their changes. `config/samwise.yaml` and README.md
list those of the node `samwise`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from samwise_ros.config import MAX_SIDE_PX, PRESETS, check_image_side
from samwise_ros.errors import ConfigError
from samwise_ros.types import text_key

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

P = TypeVar("P", bound="DataclassInstance")


class Changes(Enum):
    """When a parameter may change; the values are the words of README.md."""

    NEVER = "never"
    UNCONFIGURED = "while unconfigured"
    ALWAYS = "at any time"


def param(
    default: Any,
    description: str,
    between: tuple[float, float] | None = None,
    *,
    choices: tuple[str, ...] = (),
    changes: Changes = Changes.NEVER,
) -> Any:
    """Say what a dataclass field is as a ROS parameter.

    Args:
        default: its value where the user gives none; its type is the parameter's. A tuple is a list of texts, which
            must be able to change.
        description: what `ros2 param describe` shows, with the unit.
        between: smallest and largest value, both allowed.
        choices: the values that a text may have; empty for any.
        changes: when it may change after the start.

    Returns:
        A dataclass field.
    """
    metadata = {"description": description, "between": between, "choices": choices, "changes": changes}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class NodeParams:
    """Parameters of the node `samwise`. What is made of them is right as a set.

    Attributes:
        autostart: configure and activate the node by itself.
        model: a preset of `samwise_ros.config`.
        weights: path of a weights file; empty for those that ship with the package or lie in the cache.
        cache_dir: folder of `samwise download`; empty for the usual one.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto", "float32", "float16" or "bfloat16".
        image_side_px: side of the square into which the network fits images; 0 for the preset's own.
        image_transport: "raw" or "compressed".
        max_targets: how many targets are followed at most.
        targets: referring expressions to follow from the start.
        use_depth: take depth and calibration too, for boxes in 3D.
        depth_tolerance_s: how far the stamps of an image and its depth may be apart.
        diagnostics_period_s: time between two diagnostics.
        no_image_timeout_s: a camera that is silent for longer is an error.
        warn_rate_hz: fewer answers per second are worth a warning.
        warn_latency_ms: 99th percentile of the latency from which on there is a warning.
        error_latency_ms: 99th percentile of the latency from which on there is an error.

    Raises:
        ConfigError: a text is none of its choices, or two values do not fit each other.
    """

    autostart: bool = param(True, "Configure and activate the node by itself, without ros2 lifecycle.")
    model: str = param("compact", "Model preset.", choices=tuple(PRESETS), changes=Changes.UNCONFIGURED)
    weights: str = param(
        "",
        "Path of a weights file; empty for those in the package or in the cache.",
        changes=Changes.UNCONFIGURED,
    )
    cache_dir: str = param(
        "",
        "Folder of samwise download; empty for SAMWISE_CACHE_DIR or ~/.cache/samwise_ros.",
        changes=Changes.UNCONFIGURED,
    )
    device: str = param(
        "auto",
        "Where the model runs: auto (CUDA where there is one), cpu, cuda or cuda:N.",
        changes=Changes.UNCONFIGURED,
    )
    precision: str = param(
        "auto",
        "What the model computes in: auto is float16 on a GPU, else float32.",
        choices=("auto", "float32", "float16", "bfloat16"),
        changes=Changes.UNCONFIGURED,
    )
    image_side_px: int = param(
        0,
        "Side of the square into which the network fits images, a multiple of 64; 0 for the preset's own. Small things "
        "need a large one.",
        (0, MAX_SIDE_PX),
        changes=Changes.UNCONFIGURED,
    )
    image_transport: str = param(
        "raw",
        "How images come: raw (sensor_msgs/Image) or compressed (sensor_msgs/CompressedImage, topic image/compressed).",
        choices=("raw", "compressed"),
        changes=Changes.UNCONFIGURED,
    )
    max_targets: int = param(8, "How many targets are followed at most.", (1, 255), changes=Changes.UNCONFIGURED)
    targets: tuple[str, ...] = param(
        (), "Referring expressions to follow from the start.", changes=Changes.UNCONFIGURED
    )
    use_depth: bool = param(
        False, "Take the topics depth and camera_info too, for boxes in 3D.", changes=Changes.UNCONFIGURED
    )
    depth_tolerance_s: float = param(
        0.05,
        "How far the stamps of an image and its depth may be apart, seconds.",
        (0.0, 10.0),
        changes=Changes.ALWAYS,
    )
    diagnostics_period_s: float = param(
        1.0, "Time between two messages on /diagnostics, seconds.", (0.1, 60.0), changes=Changes.ALWAYS
    )
    no_image_timeout_s: float = param(
        5.0,
        "Diagnostics: ERROR where no image has come for so long, seconds.",
        (0.1, 3600.0),
        changes=Changes.ALWAYS,
    )
    warn_rate_hz: float = param(
        1.0, "Diagnostics: WARN where fewer images per second are answered.", (0.0, 1000.0), changes=Changes.ALWAYS
    )
    warn_latency_ms: float = param(
        500.0,
        "Diagnostics: WARN where the latency's 99th percentile is above, milliseconds.",
        (1.0, 3_600_000.0),
        changes=Changes.ALWAYS,
    )
    error_latency_ms: float = param(
        2000.0,
        "Diagnostics: ERROR where the latency's 99th percentile is above, or an image waits longer, milliseconds.",
        (1.0, 3_600_000.0),
        changes=Changes.ALWAYS,
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            value, choices = getattr(self, item.name), item.metadata["choices"]
            if choices and value not in choices:
                raise ConfigError(
                    f"parameter '{item.name}' is '{value}', expected {_either(choices)}: choose one of these"
                )
        # What devices there are is known to the model's library, which takes seconds to load.
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device):
            raise ConfigError(
                f"parameter 'device' is '{self.device}', expected auto, cpu, cuda or cuda:N: choose one of these"
            )
        if self.image_side_px:
            check_image_side(self.image_side_px)
        targets = len({text_key(text) for text in self.targets})
        if targets > self.max_targets:
            raise ConfigError(
                f"parameter 'targets' has {targets} expressions, expected at most {self.max_targets} (max_targets): "
                "leave some out, or raise max_targets first"
            )
        if self.warn_latency_ms > self.error_latency_ms:
            raise ConfigError(
                f"parameter 'warn_latency_ms' is {self.warn_latency_ms}, expected at most {self.error_latency_ms} "
                "(error_latency_ms): change the other one first"
            )


class ParamStore(Generic[P]):
    """A node's parameters as they are now.

    A change is refused with the reason where the values would not fit as a set, and where it needs an unconfigured node
    and the node is not. rclpy refuses wrong types, values out of range and unknown names before that.

    Args:
        node: the node to declare the parameters on.
        kind: a dataclass whose fields were made by `param`.
        on_change: called in the node's thread with the old and the new values after each change; must not raise.

    Attributes:
        unlocked: whether those that change while unconfigured may change now; the node sets it.

    Raises:
        ConfigError: a value has the wrong type, is out of range, or does not fit the others.
    """

    def __init__(self, node: Node, kind: type[P], on_change: Callable[[P, P], None] | None = None) -> None:
        self.unlocked = True
        self._node, self._on_change = node, on_change
        self._values = declare_params(node, kind)
        # Humble has no callback after a change. After this one only rclpy's own may still refuse, for the type of
        # use_sim_time, and that is checked by then.
        node.add_on_set_parameters_callback(self._on_set)

    @property
    def values(self) -> P:
        """The values that hold now; any thread may read them, and none changes under it."""
        return self._values

    def _on_set(self, parameters: list[Parameter]) -> SetParametersResult:
        old = self._values
        names = {item.name for item in fields(old)}
        given = {one.name: _plain(one.value) for one in parameters if one.name in names}
        changed = {name: value for name, value in given.items() if value != getattr(old, name)}
        try:
            self._check_lock(changed)
            new = replace(old, **changed)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if changed:
            self._values = new
            if self._on_change is not None:
                self._on_change(old, new)
        return SetParametersResult(successful=True)

    def _check_lock(self, changed: dict[str, Any]) -> None:
        for item in fields(self._values):
            if item.name in changed and item.metadata["changes"] is Changes.UNCONFIGURED and not self.unlocked:
                raise ConfigError(
                    f"parameter '{item.name}' changes only while the node is unconfigured: "
                    f"ros2 lifecycle set {self._node.get_fully_qualified_name()} deactivate, then cleanup, set it, "
                    "then configure and activate"
                )


def declare_params(node: Node, kind: type[P]) -> P:
    """Declare a dataclass's fields as a node's parameters, and read them; warn of those that the node does not know.

    Args:
        node: the node to declare them on.
        kind: a dataclass whose fields were made by `param`.

    Returns:
        The values that the user gave, defaults for the others.

    Raises:
        ConfigError: a value has the wrong type, is out of range, or does not fit the others.
    """
    values: dict[str, Any] = {}
    for item in fields(kind):
        between = item.metadata["between"]
        is_list = isinstance(item.default, tuple)
        # ROS cannot tell an empty list's type from its value, so that it is declared by its type alone.
        default = Parameter.Type.STRING_ARRAY if is_list else item.default
        try:
            node.declare_parameter(item.name, default, _descriptor(item.metadata, item.default))
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            expected = "a list of texts" if is_list else type(item.default).__name__
            expected += " with a decimal point" if isinstance(item.default, float) else ""
            expected += f" from {between[0]} to {between[1]}" if between else ""
            raise ConfigError(
                f"parameter '{item.name}' is refused ({str(error.args[0]).split('. ')[0]}), expected {expected}: "
                "correct it on the command line, in the launch file or in the parameter file"
            ) from error
        if is_list and node.get_parameter_or(item.name).type_ == Parameter.Type.NOT_SET:
            # As long as one parameter has no value, ROS answers a question for all of them with nothing.
            node.set_parameters([Parameter(item.name, Parameter.Type.STRING_ARRAY, [])])
        values[item.name] = _plain(node.get_parameter(item.name).value)
    _warn_of_unknown(node, values)
    return kind(**values)


def _warn_of_unknown(node: Node, known: Iterable[str]) -> None:
    """Warn of what the user set and ROS would pass over in silence; a QoS is known once its topic is subscribed to."""
    for name in node._parameter_overrides:
        if not node.has_parameter(name) and not name.startswith("qos_overrides."):
            near = difflib.get_close_matches(name, known, n=1) or ["one that `ros2 param list` shows"]
            node.get_logger().warning(f"there is no parameter '{name}', expected {near[0]}: it is ignored, correct it")


def _descriptor(metadata: Any, default: Any) -> ParameterDescriptor:
    between, choices, changes = metadata["between"], metadata["choices"], metadata["changes"]
    constraints = [_either(choices)] if choices else []
    constraints.append(f"changes {changes.value}")
    descriptor = ParameterDescriptor(
        description=metadata["description"],
        additional_constraints="; ".join(constraints),
        read_only=changes is Changes.NEVER,
    )
    if between and isinstance(default, int):
        descriptor.integer_range = [IntegerRange(from_value=int(between[0]), to_value=int(between[1]), step=1)]
    elif between:
        descriptor.floating_point_range = [FloatingPointRange(from_value=float(between[0]), to_value=float(between[1]))]
    return descriptor


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _either(choices: tuple[str, ...]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"
