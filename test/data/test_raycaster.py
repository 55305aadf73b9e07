"""Rays cast at solids."""

import math

import pytest
import torch

from samwise_ros.data.raycaster import Eyes, Things, light_reaches, look, meet, normals, to_local, to_world
from samwise_ros.data.solids import SOLIDS

KINDS = list(SOLIDS)
SIDE = 96


def make_things(*frames: list[tuple[str, tuple[float, float, float], float]]) -> Things:
    """Things as (kind, place, half extent) for each frame, none of them turned."""
    kind = torch.tensor([[KINDS.index(name) for name, _, _ in frame] for frame in frames])
    place = torch.tensor([[at for _, at, _ in frame] for frame in frames])
    half = torch.tensor([[[size] * 3 for _, _, size in frame] for frame in frames])
    return Things(kind, half, place, torch.eye(3).expand(*kind.shape, 3, 3))


def ahead(frames: int = 1) -> Eyes:
    """Cameras at the origin that look along +y, z up, 100 px focal length."""
    turn = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    return Eyes(torch.zeros(frames, 3), turn.expand(frames, 3, 3), torch.full((frames,), 100.0), SIDE, SIDE)


def test_a_ball_is_a_disk_in_the_middle_at_its_distance():
    eyes = ahead()
    sight = look(make_things([("ball", (0.0, 1.0, 0.0), 0.2)]), eyes, eyes.rays())
    radius_px = 100 * 0.2 / math.sqrt(1 - 0.2**2)
    rows, columns = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    disk = torch.hypot(rows - SIDE / 2, columns - SIDE / 2) < radius_px
    assert ((sight.thing[0] == 0) != disk).sum() <= 4
    assert sight.depth[0, SIDE // 2, SIDE // 2].item() == pytest.approx(0.8, abs=2e-3)
    assert torch.isinf(sight.depth[sight.thing < 0]).all()


def test_rays_meet_planes_before_and_behind_the_camera():
    eyes = ahead()
    rays = eyes.rays()
    place = torch.tensor([[[0.5, 2.0, 0.0], [0.0, -3.0, 0.0]]])
    across, along = torch.tensor([1.0, 0.0, 0.0]).expand(1, 2, 3), torch.tensor([0.0, 0.0, 1.0]).expand(1, 2, 3)
    way, u, v = meet(place, across, along, eyes, rays)
    assert way.shape == u.shape == v.shape == (1, 2, SIDE, SIDE)
    points = way[..., None] * rays[:, None]
    assert torch.allclose(points[0, 0, ..., 1], torch.tensor(2.0), atol=1e-4)
    assert torch.allclose(u[0, 0], points[0, 0, ..., 0] - 0.5, atol=1e-4)
    assert torch.allclose(v[0, 0], points[0, 0, ..., 2], atol=1e-4)
    assert (way[0, 1] < 0).all(), "behind"


def test_right_is_right_and_up_is_up():
    eyes = ahead()
    sight = look(make_things([("ball", (0.3, 1.0, 0.2), 0.05)]), eyes, eyes.rays())
    _, row, column = torch.nonzero(sight.thing == 0).float().mean(0)
    assert column.item() == pytest.approx(SIDE / 2 + 30, abs=1)
    assert row.item() == pytest.approx(SIDE / 2 - 20, abs=1)


def test_the_nearer_thing_hides_the_farther_one():
    eyes = ahead()
    both = make_things([("ball", (0.0, 2.0, 0.0), 0.5), ("block", (0.0, 1.0, 0.0), 0.1)])
    sight = look(both, eyes, eyes.rays())
    assert sight.thing[0, SIDE // 2, SIDE // 2] == 1
    assert (sight.thing == 0).sum() > 500


def test_frames_of_a_batch_do_not_touch_each_other():
    first, second = [("cup", (0.0, 1.0, 0.1), 0.2)], [("ball", (0.2, 1.0, 0.0), 0.1)]
    eyes = ahead(2)
    both = look(make_things(first, second), eyes, eyes.rays())
    for index, frame in enumerate((first, second)):
        alone = look(make_things(frame), ahead(), ahead().rays())
        assert torch.equal(both.thing[index], alone.thing[0])
        assert torch.allclose(both.depth[index], alone.depth[0])


def test_things_behind_or_not_there_are_not_seen():
    eyes = ahead()
    things = make_things([("ball", (0.0, -1.0, 0.0), 0.2), ("ball", (0.0, 1.0, 0.0), 0.0)])
    assert (look(things, eyes, eyes.rays()).thing == -1).all()


def test_a_camera_beside_a_thing_still_sees_it():
    eyes = ahead()
    things = make_things([("box", (0.0, 0.3, -0.4), 0.35)])
    sight = look(things, eyes, eyes.rays())
    assert (sight.thing[0, -10:] == 0).all()


def test_normals_of_a_ball_point_away_from_its_middle():
    things = make_things([("ball", (0.1, 1.0, 0.0), 0.2)])
    outward = torch.nn.functional.normalize(torch.randn(50, 3), dim=1)
    x, y, z = 0.2 * outward.T
    found = torch.stack(normals(things, torch.zeros(50, dtype=torch.long), (x, y, z)), 1)
    assert torch.allclose(found, outward, atol=1e-3)


def test_a_turned_things_coordinates():
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # its x is the world's y
    box = make_things([("box", (0.0, 0.0, 0.0), 0.1)])
    things = Things(box.kind, torch.tensor([[[0.1, 0.2, 0.3]]]), box.place, quarter[None, None])
    which, side = torch.zeros(1, dtype=torch.long), (torch.zeros(1), torch.tensor([0.1]), torch.zeros(1))
    local = to_local(things, which, side)
    assert torch.stack(local, 1).tolist() == [pytest.approx([0.1, 0.0, 0.0])]
    assert torch.stack(to_world(things, which, local), 1).tolist() == [pytest.approx([0.0, 0.1, 0.0])]
    normal = to_world(things, which, normals(things, which, local))
    assert torch.stack(normal, 1).tolist() == [pytest.approx([0.0, 1.0, 0.0], abs=1e-2)]


def test_a_shadow_lies_opposite_the_light_and_is_soft_at_its_edge():
    things = make_things([("ball", (0.0, 0.0, 0.5), 0.1)])
    light = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0, 1.0]]), dim=1)
    x = torch.linspace(-1.5, 0.5, 201)
    points = torch.stack((x, torch.zeros_like(x), torch.zeros_like(x)), 1)
    lit = light_reaches(things, torch.zeros(201, dtype=torch.long), points, light, torch.tensor([0.05]))
    assert lit[100].item() == pytest.approx(0, abs=0.05), "the light comes from +x, so the shadow lies at -x"
    assert lit[0] == lit[-1] == 1
    assert ((lit > 0.1) & (lit < 0.9)).sum() >= 3
    assert 20 <= (lit < 0.1).sum() <= 32, "a ball of 0.2 m across throws a shadow of 0.28 m at 45 degrees"
    sharp = light_reaches(things, torch.zeros(201, dtype=torch.long), points, light, torch.tensor([0.005]))
    assert ((sharp > 0.1) & (sharp < 0.9)).sum() < ((lit > 0.1) & (lit < 0.9)).sum()


def test_a_frame_without_things():
    eyes = ahead()
    things = make_things([("ball", (0.0, 1.0, 0.0), 0.0)])
    assert (look(things, eyes, eyes.rays()).thing == -1).all()
    index, up = torch.zeros(3, dtype=torch.long), torch.tensor([[0.0, 0.0, 1.0]])
    assert (light_reaches(things, index, torch.randn(3, 3), up, torch.tensor([0.1])) == 1).all()


def test_a_point_is_projected_to_the_pixel_that_shows_it():
    eyes = ahead()
    sight = look(make_things([("ball", (0.3, 1.0, 0.2), 0.02)]), eyes, eyes.rays())
    column, row = eyes.project(torch.tensor([[[0.3, 1.0, 0.2]]]))[0, 0].tolist()
    assert (column, row) == pytest.approx((SIDE / 2 + 30, SIDE / 2 - 20), abs=0.1)
    assert sight.thing[0, int(row), int(column)] == 0
