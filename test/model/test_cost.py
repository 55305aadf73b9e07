"""What a preset costs."""

from dataclasses import replace

import pytest

from samwise_ros.config import preset
from samwise_ros.model.cost import count_cost


def test_published_size_needs_the_arithmetic_that_is_known_of_it():
    """B+ at 1024 px needs about 1.24 TFLOP per frame without the memory check, which decodes once more."""
    cost = count_cost(replace(preset("base_plus"), memory_check=False))
    assert (cost.image_flop + cost.target_flop) / 1e12 == pytest.approx(1.24, rel=0.05)


def test_refsam_remembers_one_token_and_shares_the_image():
    cost = count_cost(preset("refsam_compact"))
    assert (cost.target_bytes, cost.stream_bytes) == (4 * 64, 0)
    assert (cost.image_flop + cost.target_flop) / 1e9 == pytest.approx(4.06, rel=0.05)
    assert cost.target_flop < cost.image_flop / 15


def test_memory_is_what_the_rings_hold():
    cost = count_cost(preset("tiny"))
    side = 1024 // 16
    maps, pointers = 6 * 64 * side * side, 15 * 256
    windows = 7 * 256 * (side * side + (side // 2) ** 2)
    assert cost.target_bytes == 4 * (maps + pointers + windows) + 2  # one byte for each of the two switches
    assert cost.stream_bytes == 4 * 7 * 256 * (2 * side) ** 2
