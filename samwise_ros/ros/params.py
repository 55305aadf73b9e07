"""The nodes' parameters: each a frozen dataclass, each field one ROS parameter of that name. `declare_params` fills it.

`config/samwise.yaml` lists those of the node `samwise` with a comment each.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from samwise_ros.errors import ConfigError

P = TypeVar("P")


def param(default: Any, description: str, between: tuple[float, float] | None = None) -> Any:
    """Say what a dataclass field is as a ROS parameter.

    Args:
        default: its value where the user gives none; its type is the parameter's.
        description: what `ros2 param describe` shows, with the unit.
        between: smallest and largest value, both allowed.

    Returns:
        A dataclass field.
    """
    return field(default=default, metadata={"description": description, "between": between})


@dataclass(frozen=True)
class NodeParams:
    """Parameters of the node `samwise`. All are read once, at the start.

    Attributes:
        model: a preset of `samwise_ros.config`.
        weights: path of a weights file; empty for those that ship with the package or lie in the cache.
        cache_dir: folder of `samwise download`; empty for the usual one.
        device: "auto", "cpu", "cuda" or "cuda:N".
        max_targets: how many targets are followed at most.
        targets: referring expressions to follow from the start.
    """

    model: str = param("compact", "Model preset: compact, tiny, base_plus or large.")
    weights: str = param("", "Path of a weights file; empty for those in the package or in the cache.")
    cache_dir: str = param("", "Folder of samwise download; empty for SAMWISE_CACHE_DIR or ~/.cache/samwise_ros.")
    device: str = param("auto", "Where the model runs: auto (CUDA where there is one), cpu, cuda or cuda:N.")
    max_targets: int = param(8, "How many targets are followed at most.", (1, 255))
    targets: tuple[str, ...] = param((), "Referring expressions to follow from the start.")


def declare_params(node: Node, kind: type[P]) -> P:
    """Declare a dataclass's fields as a node's read-only parameters, and read them.

    Args:
        node: the node to declare them on.
        kind: a dataclass whose fields were made by `param`.

    Returns:
        The values that the user gave, defaults for the others.

    Raises:
        ConfigError: a value has the wrong type or is out of range.
    """
    values: dict[str, Any] = {}
    for item in fields(kind):  # type: ignore[arg-type]
        between = item.metadata["between"]
        is_list = isinstance(item.default, tuple)
        # ROS cannot tell an empty list's type from its value, so that it is declared by its type alone.
        default = Parameter.Type.STRING_ARRAY if is_list else item.default
        try:
            node.declare_parameter(item.name, default, _descriptor(item.metadata["description"], item.default, between))
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            expected = "a list of texts" if is_list else type(item.default).__name__
            expected += f" from {between[0]} to {between[1]}" if between else ""
            raise ConfigError(
                f"parameter '{item.name}' is refused ({str(error.args[0]).split('. ')[0]}), expected {expected}: "
                "correct it on the command line, in the launch file or in the parameter file"
            ) from error
        values[item.name] = (
            tuple(node.get_parameter_or(item.name, Parameter(item.name, Parameter.Type.STRING_ARRAY, [])).value)
            if is_list
            else node.get_parameter(item.name).value
        )
    return kind(**values)


def _descriptor(description: str, default: Any, between: tuple[float, float] | None) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=description, read_only=True)
    if between and isinstance(default, int):
        descriptor.integer_range = [IntegerRange(from_value=int(between[0]), to_value=int(between[1]), step=1)]
    elif between:
        descriptor.floating_point_range = [FloatingPointRange(from_value=float(between[0]), to_value=float(between[1]))]
    return descriptor
