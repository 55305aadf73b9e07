"""The values that pass between the layers."""

import subprocess
import sys

import numpy as np
import pytest

from samwise_ros.errors import ShapeError
from samwise_ros.types import Frame, text_key


@pytest.mark.parametrize(
    "rgb",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_a_frame_is_8_bit_rgb(rgb: np.ndarray):
    with pytest.raises(ShapeError, match=r"expected uint8 \(H, W, 3\) with H, W >= 1: convert the image"):
        Frame(rgb)


def test_expressions_of_the_same_words_are_the_same():
    assert text_key("  The RED\tmug ") == text_key("the red mug")
    assert text_key("the red mug") != text_key("the red mugs")


def test_engine_and_model_import_where_ros_is_not_installed():
    blocked = "import sys; sys.modules.update(dict.fromkeys(('rclpy', 'sensor_msgs', 'std_msgs', 'cv_bridge')))"
    done = subprocess.run(
        [sys.executable, "-c", f"{blocked}; import samwise_ros.engine, samwise_ros.model, samwise_ros.cli.main"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
