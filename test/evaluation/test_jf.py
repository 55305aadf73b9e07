"""Agreement of two masks, by hand."""

import numpy as np
import pytest

from samwise_ros.errors import ShapeError
from samwise_ros.evaluation.jf import JF, contour_accuracy, object_to_mask, overlap_px, region_similarity
from samwise_ros.types import Target, TrackedObject


def mask(*pixels: tuple[int, int]) -> np.ndarray:
    return image(2, 3, *pixels)


def image(height: int, width: int, *pixels: tuple[int, int]) -> np.ndarray:
    made = np.zeros((height, width), bool)
    for row, column in pixels:
        made[row, column] = True
    return made


def square(left: int, top: int = 30) -> np.ndarray:
    """A 20x20 square in 100x100 px, where the tolerance is ceil(0.008 * 141.4) = 2 px."""
    made = np.zeros((100, 100), bool)
    made[top : top + 20, left : left + 20] = True
    return made


def test_intersection_over_union():
    assert region_similarity(mask((0, 0), (0, 1)), mask((0, 1), (1, 1))) == pytest.approx(1 / 3)
    assert region_similarity(mask((0, 0)), mask((0, 0))) == 1
    assert region_similarity(mask((0, 0)), mask((1, 0))) == 0
    assert overlap_px(mask((0, 0), (0, 1)), mask((0, 1), (1, 1))) == (1, 3)


def test_empty_masks():
    for measure in (region_similarity, contour_accuracy):
        assert measure(mask(), mask()) == 1
        assert measure(mask((0, 0)), mask()) == 0
        assert measure(mask(), mask((0, 0))) == 0


def test_contours_agree_up_to_the_tolerance():
    assert contour_accuracy(square(30), square(30)) == 1
    assert contour_accuracy(square(30), square(32)) == 1
    # 2 px to the left and 2 px down: the outer corner pixel and its two neighbours are sqrt(5) px away or more.
    assert contour_accuracy(square(30), square(28, 32)) == pytest.approx(77 / 80)
    # The contour is a ring of 80 px. Of one that is 3 px to the left do not agree: its left side (21 px) and, of the
    # right side, the 15 px that are more than 2 px away from the other ring's top and bottom.
    assert contour_accuracy(square(30), square(33)) == pytest.approx(44 / 80)
    assert contour_accuracy(square(30), square(70)) == 0


def test_precision_and_recall_differ():
    two = square(10) | square(70)
    assert contour_accuracy(two, square(10)) == pytest.approx(2 * 0.5 * 1 / 1.5)
    assert contour_accuracy(square(10), two) == pytest.approx(2 * 0.5 * 1 / 1.5)


def test_tolerance_is_a_disk():
    # A pixel's contour is 2x2 px. Two of them (2, 2) px apart: one corner is 1.4 px from the other's, all else > 2.2.
    assert contour_accuracy(image(100, 100, (10, 10)), image(100, 100, (12, 12))) == pytest.approx(1 / 4)


def test_tolerance_is_rounded_up():
    for height, expected in (
        (75, 0.5),
        (76, 1.0),
    ):  # diagonals of 125 px, where it is 1 px, and 125.6 px, where it is 2
        assert contour_accuracy(image(height, 100, (9, 9)), image(height, 100, (9, 11))) == expected


def test_the_edge_of_the_image_is_no_contour():
    full = np.ones((100, 100), bool)
    left = np.zeros((100, 100), bool)
    left[:, :50] = True
    assert contour_accuracy(full, ~full) == 1
    assert contour_accuracy(left, ~left) == 1
    assert contour_accuracy(left, full) == 0


@pytest.mark.parametrize("measure", [region_similarity, contour_accuracy])
def test_masks_of_different_frames(measure):
    with pytest.raises(ShapeError, match=r"bool \(2, 3\) and uint8 \(2, 3\), expected bool of one shape"):
        measure(mask(), mask().astype(np.uint8))
    with pytest.raises(ShapeError, match=r"bool \(2, 3\) and bool \(3, 2\)"):
        measure(mask(), mask().T)


def test_jf_is_the_mean_of_both():
    assert JF(1, 0.5, 0.7).jf == pytest.approx(0.6)


def test_object_mask_is_put_back_in_place():
    thing = TrackedObject(Target(1, "x"), 1.0, (1, 0, 3, 2), np.array([[True, False], [True, True]]), (1.0, 1.0), 3)
    assert object_to_mask(thing, 3, 4).tolist() == [[0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    hidden = TrackedObject(Target(1, "x"), 0.1, None, np.zeros((0, 0), bool), None, 0)
    assert not object_to_mask(hidden, 3, 4).any()
