"""Signed distances of the world's shapes."""

import pytest
import torch

from samwise_ros.data.solids import SOLIDS, Vector

HALF = {
    "ring": (0.06, 0.06, 0.014),
    "ball": (0.05, 0.05, 0.05),
    "arm": (0.25, 0.085, 0.0625),
    "gripper": (0.25, 0.085, 0.0625),
    "animal": (0.2, 0.09, 0.16),
    "bottle": (0.035, 0.035, 0.1),
}
USUAL = (0.05, 0.05, 0.06)


def extents(name: str, count: int) -> Vector:
    x, y, z = (torch.full((count,), value) for value in HALF.get(name, USUAL))
    return x, y, z


def points(count: int, spread: float) -> torch.Tensor:
    return (torch.rand(count, 3, generator=torch.Generator().manual_seed(0)) - 0.5) * spread


@pytest.mark.parametrize("name", SOLIDS)
def test_a_ray_may_go_as_far_as_the_distance_says(name: str):
    """No distance changes faster than the way: else a ray could step through a surface."""
    at = points(20000, 0.6)
    step = points(20000, 0.02).roll(1, 0)
    half = extents(name, len(at))
    change = (SOLIDS[name](at.unbind(1), half) - SOLIDS[name]((at + step).unbind(1), half)).abs()
    assert (change <= 1.03 * step.norm(dim=1) + 1e-6).float().mean() > 0.999


@pytest.mark.parametrize("name", SOLIDS)
def test_a_solid_fills_its_extents_and_no_more(name: str):
    at = points(200000, 0.7)
    half = extents(name, len(at))
    inside = SOLIDS[name](at.unbind(1), half) < 0
    beyond = torch.stack([axis.abs() > 1.001 * extent for axis, extent in zip(at.unbind(1), half, strict=True)]).any(0)
    assert inside.any()
    assert not (inside & beyond).any()
    reach = at[inside].abs().amax(0) / torch.stack(half, 1)[0]
    assert reach.amax() > 0.9


def test_a_ball_is_a_ball():
    distance = SOLIDS["ball"](torch.tensor([[0.0, 0.03, 0.04], [0.0, 0.0, 0.1]]).unbind(1), extents("ball", 2))
    assert torch.allclose(distance, torch.tensor([0.0, 0.05]), atol=1e-6)


def test_a_cup_and_a_bowl_are_hollow_and_a_ring_has_a_hole():
    for name, height in (("cup", 0.03), ("bowl", 0.04), ("ring", 0.0), ("tumbler", 0.05), ("goblet", 0.05)):
        middle = torch.tensor([[0.0, 0.0, height]])
        assert SOLIDS[name](middle.unbind(1), extents(name, 1)) > 0, name
    for name in ("block", "cylinder", "bottle", "cone", "box"):
        assert SOLIDS[name](torch.zeros(1, 3).unbind(1), extents(name, 1)) < 0, name
