"""Nodes as processes of their own, ended for certain. `demo` and `bench` start them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

NODE_MODULE, CAMERA_MODULE = "samwise_ros.ros.node", "samwise_ros.ros.synthetic_camera"
_EXIT_TIMEOUT_S = 15.0


@contextmanager
def child_node(module: str, params: Mapping[str, object]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a node's module as a process.

    Args:
        module: its full name.
        params: ROS parameters by name.

    Yields:
        The process, which is ended afterwards.
    """
    command = [sys.executable, "-m", module, "--ros-args"]
    for name, value in params.items():
        command += ["-p", f"{name}:={json.dumps(value, ensure_ascii=False)}"]
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
