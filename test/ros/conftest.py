"""A ROS graph for one test: a domain of its own, nodes in this process, and waiting for conditions instead of time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

TEST_DIR = Path(__file__).parent.parent
TIMEOUT_S = 60.0


class Graph:
    """Nodes of one domain, served by the test's own thread."""

    def __init__(self, domain_id: int) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=domain_id)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._nodes = []

    def add(self, node):
        """Serve a node until the end of the test."""
        self._executor.add_node(node)
        self._nodes.append(node)
        return node

    def probe(self):
        """Make a plain node to speak and listen with."""
        from rclpy.node import Node

        return self.add(Node(f"probe_{len(self._nodes)}", context=self.context))

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Serve all nodes until a condition holds."""
        give_up_s = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < give_up_s, "timed out"
            self._executor.spin_once(timeout_sec=0.02)

    def close(self) -> None:
        for node in reversed(self._nodes):
            node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def domain_id() -> Iterator[int]:
    """A free domain, also for the processes that the test starts."""
    from samwise_ros.ros.domain import reserve_domain_id, stay_here

    path = os.pathsep.join([*map(str, (TEST_DIR, TEST_DIR.parent)), os.environ.get("PYTHONPATH", "")])
    with reserve_domain_id() as free_id, patch.dict(os.environ, ROS_DOMAIN_ID=str(free_id), PYTHONPATH=path):
        stay_here()
        yield free_id


@pytest.fixture
def graph(domain_id: int) -> Iterator[Graph]:
    """A graph in this process."""
    made = Graph(domain_id)
    yield made
    made.close()


@pytest.fixture
def start(domain_id: int) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a Python program in a process of its own; what still runs at the end is killed."""
    processes = []

    def start_program(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, *arguments]
        processes.append(
            subprocess.Popen(command, cwd=TEST_DIR.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
        return processes[-1]

    yield start_program
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
