"""Runs nodes from start to end as the main program of their process. `node` and `synthetic_camera` use it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from samwise_ros.errors import ConfigError, SamwiseError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_WAKE_S = 0.25
_AGAIN_S = 0.5
"""What is raised within a destructor or an import of compiled code may go no further: it is raised again after this."""


def run_nodes(name: str, make_nodes: Callable[[], Sequence[Node]], arguments: Sequence[str] | None = None) -> int:
    """Make nodes and serve them in one thread until Ctrl-C, SIGTERM or their own end (one shuts the context down).

    Signals raise SystemExit, also while the nodes are being made. ROS's own handlers would shut the context down under
    a thread that still publishes; after a KeyboardInterrupt in the middle of an import, Python may exit as killed.

    Args:
        name: what the log calls the program when there is no node yet.
        make_nodes: makes the nodes; their `destroy_node` ends what each has started.
        arguments: the command line without the program's name; None for the process's own.

    Returns:
        The exit code: 0, or 1 after an error; a SamwiseError is logged as fatal. Where a thread of ours is still at a
        model, the process ends here: nothing can stop the thread, and it would abort with the interpreter.
    """

    def end(*_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S, _AGAIN_S)
        sys.exit(0)

    for number in (*_SIGNALS, signal.SIGALRM):
        signal.signal(number, end)
    nodes: Sequence[Node] = ()
    code = 0
    try:
        _init_ros(arguments)
        nodes = make_nodes()
        executor = SingleThreadedExecutor()
        for node in nodes:
            executor.add_node(node)
            node.get_logger().info("ready")
        while rclpy.ok():
            executor.spin_once(timeout_sec=_WAKE_S)
    except (SystemExit, ExternalShutdownException):
        pass
    except ParameterException as error:  # of rclpy's own parameters
        get_logger(name).fatal(
            f"{error.args[0]}: correct it on the command line, in the launch file or in the parameter file"
        )
        code = 1
    except SamwiseError as error:
        get_logger(name).fatal(str(error))
        code = 1
    except Exception:
        traceback.print_exc()
        code = 1
    finally:
        for number in (*_SIGNALS, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
        if any(thread.daemon and thread.name.startswith("samwise_") for thread in threading.enumerate()):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return code


def _init_ros(arguments: Sequence[str] | None) -> None:
    try:
        rclpy.init(args=None if arguments is None else list(arguments), signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        reason = str(error).split(", at /")[0]
        raise ConfigError(f"ROS refuses the command line ({reason}): correct the part after --ros-args") from error
