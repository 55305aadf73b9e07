"""The bounded memory of one target."""

import pytest
import torch

from samwise_ros.engine.memory import MemoryBank
from samwise_ros.errors import ShapeError


def test_first_frame_reads_nothing():
    past = MemoryBank({"map": 2}).read()
    assert past.frames == 0
    assert not past.tensors


def test_each_ring_keeps_its_own_number_of_frames_oldest_first():
    bank = MemoryBank({"map": 2, "pointer": 3})
    for frame in range(5):
        bank.write({"map": torch.full((1,), frame), "pointer": torch.full((2,), 10 * frame)})
    past = bank.read()
    assert past.frames == 5
    assert past.tensors["map"].tolist() == [[3], [4]]
    assert past.tensors["pointer"][:, 0].tolist() == [20, 30, 40]


def test_a_name_that_the_spec_does_not_have():
    with pytest.raises(ShapeError, match="a frame leaves map, other, expected map"):
        MemoryBank({"map": 2}).write({"map": torch.zeros(1), "other": torch.zeros(1)})
