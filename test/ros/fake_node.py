"""The node with a tracker that needs no model, as a program: its tests start it as a process of its own.

The engine is replaced too, since torch, which it imports, takes seconds to load.
"""

import sys
import types

from fakes import FakeTracker

from samwise_ros.ros.node import SamwiseNode
from samwise_ros.ros.spin import run_nodes

if __name__ == "__main__":
    sys.modules["samwise_ros.engine"] = types.SimpleNamespace(draw_overlay=lambda result: result.frame.rgb)
    sys.exit(run_nodes("samwise", lambda: [SamwiseNode(FakeTracker())]))
