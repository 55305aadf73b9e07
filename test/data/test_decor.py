"""What a room has that nobody means."""

import math

import numpy as np
import pytest

from samwise_ros.data.colours import COLOUR_HSV, FRINGES_HSV
from samwise_ros.data.decor import ABOVE_M, FAR_SCALE, MOST_PATCHES, PAINTS, PATCH_HALF_M, choose_paint, choose_patches
from samwise_ros.data.vocabulary import COLOURS


def test_paints_have_the_colours_of_things():
    paints = [choose_paint(np.random.default_rng(seed)) for seed in range(300)]
    assert {paint.name for paint in paints} == set(PAINTS) < set(COLOURS)
    for paint in paints:
        assert (paint.first >= 0).all()
        assert (paint.first <= 1).all()
        highest = max(value for *_, (_, value) in (COLOUR_HSV[paint.name], *FRINGES_HSV[paint.name]))
        assert (paint.first.max() * 12.92 if paint.first.max() <= 0.0031 else paint.first.max() ** (1 / 2.4)) <= highest
        assert np.argmax(paint.second) == np.argmax(paint.first), "a shade of the same colour"


@pytest.mark.parametrize("table", [(0.4, 0.6), (math.inf, math.inf)])
def test_patches_lie_on_the_table_and_on_the_floor_and_hang_on_the_wall(table: tuple[float, float]):
    rooms = [choose_patches(np.random.default_rng(seed), table, -0.74, 1.2) for seed in range(400)]
    assert {len(patches) for patches in rooms} == set(range(MOST_PATCHES + 1))
    patches = [patch for room in rooms for patch in room]
    facing = np.array([np.cross(patch.across, patch.along) for patch in patches])
    on_wall = np.abs(facing - [0, -1, 0]).max(1) < 1e-6
    assert np.allclose(facing[~on_wall], [0, 0, 1]), "the others face up"
    place = np.array([patch.place for patch in patches])
    assert np.allclose(place[on_wall, 1], 1.2 - ABOVE_M)
    floor = 0.0 if math.isinf(table[0]) else -0.74
    assert set(place[~on_wall, 2].round(6)) == {ABOVE_M, round(floor + ABOVE_M, 6)}
    assert 0.25 < on_wall.mean() < 0.35
    half = np.array([patch.half_m for patch in patches])
    assert half.max() <= FAR_SCALE * PATCH_HALF_M[1]
    assert 0.1 < (half[:, 1] < PATCH_HALF_M[0]).mean() < 0.4, "strips"


def test_patches_on_a_table_do_not_stick_out():
    patches = [
        patch for seed in range(400) for patch in choose_patches(np.random.default_rng(seed), (0.4, 0.6), -0.74, 1.2)
    ]
    corners = [
        patch.place + x * patch.half_m[0] * patch.across + y * patch.half_m[1] * patch.along
        for patch in patches
        if patch.place[2] == ABOVE_M
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    assert len(corners) > 1000
    assert (np.abs(np.array(corners)[:, :2]) <= [0.4 + 1e-9, 0.6 + 1e-9]).all()
