"""The bounded memory of one stream's targets."""

import pytest
import torch

from samwise_ros.engine.memory import MemoryBank
from samwise_ros.errors import ShapeError
from samwise_ros.model.segmenter import Ring


def frame(number: int, targets: int) -> dict[str, torch.Tensor]:
    """What frame `number` leaves: 10 * number + row for each target."""
    return {
        "map": torch.stack([torch.full((2,), 10 * number + row) for row in range(targets)]),
        "scene": torch.tensor([number]),
    }


@pytest.fixture
def bank() -> MemoryBank:
    return MemoryBank({"map": Ring(2), "scene": Ring(3, shared=True)})


def test_first_frame_reads_nothing(bank: MemoryBank):
    bank.select(["a", "b"])
    assert bank.read().ages == (0, 0)
    assert not bank.read().tensors


def test_each_ring_keeps_its_own_number_of_frames_newest_last(bank: MemoryBank):
    bank.select(["a", "b"])
    for number in range(5):
        bank.write(frame(number, 2))
    past = bank.read()
    assert past.ages == (5, 5)
    assert past.tensors["map"][..., 0].tolist() == [[30, 40], [31, 41]]
    assert past.tensors["scene"].tolist() == [[2, 3, 4]]


def test_a_young_memory_is_zero_where_there_was_no_frame(bank: MemoryBank):
    bank.select(["a"])
    bank.write(frame(7, 1))
    assert bank.read().tensors["map"][..., 0].tolist() == [[0, 70]]
    assert bank.read().tensors["scene"].tolist() == [[0, 0, 7]]


def test_a_target_that_joins_has_its_own_age_and_an_empty_row(bank: MemoryBank):
    bank.select(["a"])
    bank.write(frame(1, 1))
    bank.select(["new", "a"])
    past = bank.read()
    assert past.ages == (0, 1)
    assert past.tensors["map"][..., 0].tolist() == [[0, 0], [0, 10]]
    assert past.tensors["scene"].tolist() == [[0, 0, 1]]
    bank.write(frame(2, 2))
    assert bank.read().ages == (1, 2)
    assert bank.read().tensors["map"][..., 0].tolist() == [[0, 20], [10, 21]]


def test_a_target_that_leaves_takes_its_row_with_it(bank: MemoryBank):
    bank.select(["a", "b", "c"])
    bank.write(frame(1, 3))
    bank.select(["c", "a"])
    assert bank.read().tensors["map"][..., 1].tolist() == [[0, 12], [0, 10]]
    bank.select(["b"])
    # Nobody who is left has seen the shared frames either.
    assert bank.read().ages == (0,)
    assert not bank.read().tensors


def test_a_name_that_the_spec_does_not_have(bank: MemoryBank):
    bank.select(["a"])
    with pytest.raises(ShapeError, match="a frame leaves map, other, expected map, scene: make the model remember"):
        bank.write({"map": torch.zeros(1), "other": torch.zeros(1)})
