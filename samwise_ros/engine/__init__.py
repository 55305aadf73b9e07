"""One video's state: numpy in, numpy out. Called by `ros`, `cli`, `evaluation` and `training`."""

from samwise_ros.engine.overlay import draw_overlay
from samwise_ros.engine.tracker import Tracker

__all__ = ["Tracker", "draw_overlay"]
