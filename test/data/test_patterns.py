"""Patterns of surfaces."""

import pytest
import torch

from samwise_ros.data.patterns import PATTERNS, SIDE_PX, look_up, pattern_bank

CPU = torch.device("cpu")


def test_the_bank_has_every_pattern_between_0_and_1_and_no_two_alike():
    bank = pattern_bank(CPU)
    assert bank.shape == (len(PATTERNS), SIDE_PX, SIDE_PX)
    assert bank.min() >= 0
    assert bank.max() <= 1
    assert len({tuple(pattern[::16, ::16].flatten().tolist()) for pattern in bank}) >= len(PATTERNS) - 8


@pytest.mark.parametrize("name", ["plain", "wood", "gravel", "foliage", "cloth"])
def test_a_pattern_tiles(name: str):
    """Where it meets itself it changes no more than elsewhere."""
    pattern = pattern_bank(CPU)[PATTERNS.index(name)]
    for values in (pattern, pattern.T):
        inside = (values[1:] - values[:-1]).abs().mean(1)
        assert (values[0] - values[-1]).abs().mean() <= 1.5 * inside.max(), name


def test_look_up_repeats_and_blends_between_pixels():
    bank = torch.zeros(2, 4, 4)
    bank[1, 0, 1] = 1.0
    pattern = torch.ones(4, dtype=torch.long)
    u = torch.tensor([0.25, 0.125, 1.25, -0.75])
    assert look_up(bank, pattern, u, torch.zeros(4)).tolist() == [1.0, 0.5, 1.0, 1.0]
    assert look_up(bank, 0 * pattern, u, torch.zeros(4)).tolist() == [0.0] * 4
