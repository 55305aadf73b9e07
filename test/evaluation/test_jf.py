"""Agreement of two masks, by hand."""

import numpy as np
import pytest

from samwise_ros.errors import ShapeError
from samwise_ros.evaluation.jf import region_similarity


def mask(*pixels: tuple[int, int]) -> np.ndarray:
    made = np.zeros((2, 3), bool)
    for row, column in pixels:
        made[row, column] = True
    return made


def test_intersection_over_union():
    assert region_similarity(mask((0, 0), (0, 1)), mask((0, 1), (1, 1))) == pytest.approx(1 / 3)
    assert region_similarity(mask((0, 0)), mask((0, 0))) == 1
    assert region_similarity(mask((0, 0)), mask((1, 0))) == 0


def test_empty_masks():
    assert region_similarity(mask(), mask()) == 1
    assert region_similarity(mask((0, 0)), mask()) == 0
    assert region_similarity(mask(), mask((0, 0))) == 0


def test_masks_of_different_frames():
    with pytest.raises(ShapeError, match=r"bool \(2, 3\) and uint8 \(2, 3\), expected bool of one shape"):
        region_similarity(mask(), mask().astype(np.uint8))
