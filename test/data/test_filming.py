"""Scenes on film."""

import math
from dataclasses import replace

import pytest
import torch

from samwise_ros.data.filming import Lamp, Materials, Planes, Scene, film
from samwise_ros.data.patterns import PATTERNS
from samwise_ros.data.raycaster import Eyes, Things
from samwise_ros.data.solids import SOLIDS

SIDE = 64
KINDS = list(SOLIDS)


def paint(*colours: tuple[float, float, float]) -> Materials:
    first = torch.tensor([colours])
    count = len(colours)
    none = torch.full((1, count), -1)
    return Materials(
        first,
        first,
        torch.zeros(1, count, dtype=torch.long),
        torch.ones(1, count),
        torch.zeros(1, count),
        none,
        none >= 0,
    )


@pytest.fixture
def scene() -> Scene:
    """A red ball, and a green block behind it, on a grey floor before a blue wall; light from the upper left."""
    kind = torch.tensor([[KINDS.index("ball"), KINDS.index("block")]])
    half = torch.tensor([[[0.1] * 3, [0.15] * 3]])
    place = torch.tensor([[[0.0, 0.0, 0.1], [0.2, 0.4, 0.15]]])
    things = Things(kind, half, place, torch.eye(3).expand(1, 2, 3, 3))
    planes = Planes(
        torch.tensor([[[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]]]),
        torch.tensor([[[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]]),
        torch.tensor([[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]]),
        torch.full((1, 2, 2), math.inf),
    )
    direction = torch.nn.functional.normalize(torch.tensor([[-1.0, 0.0, 1.0]]), dim=1)
    lamp = Lamp(direction, torch.full((1, 3), 0.8), torch.full((1, 3), 0.2), torch.tensor([0.05]))
    return Scene(things, paint((0.8, 0.0, 0.0), (0.0, 0.8, 0.0)), planes, paint((0.5,) * 3, (0.0, 0.0, 0.8)), lamp)


@pytest.fixture
def eyes() -> Eyes:
    """A camera a metre in front of the ball that looks slightly down."""
    tilt = 0.3
    turn = torch.tensor(
        [[1.0, 0.0, 0.0], [0.0, -math.sin(tilt), math.cos(tilt)], [0.0, -math.cos(tilt), -math.sin(tilt)]]
    )
    return Eyes(torch.tensor([[0.0, -1.0, 0.45]]), turn[None], torch.tensor([70.0]), SIDE, SIDE)


def test_things_have_their_colours_and_their_pixels(scene: Scene, eyes: Eyes):
    film_of = film(scene, eyes)
    light, owner = film_of.light, film_of.owner
    assert light.shape == (1, SIDE, SIDE, 3)
    assert owner.dtype == torch.uint8
    assert set(owner.unique().tolist()) == {0, 1, 2}
    for index, channel in ((1, 0), (2, 1)):
        colours = light[owner == index]
        assert (colours[:, channel] > 0.05).all()
        assert colours[:, [other for other in range(3) if other != channel]].max() < 1e-6
    wall = light[0, 0, 0]
    assert wall[2] > 0.1
    assert wall[0] < 1e-6


def test_light_comes_from_the_left(scene: Scene, eyes: Eyes):
    film_of = film(scene, eyes)
    light, owner = film_of.light, film_of.owner
    ball = torch.nonzero(owner[0] == 1)
    middle = ball.float().mean(0)
    row = ball[ball[:, 0] == int(middle[0])]
    left, right = row[1], row[-2]
    assert light[0, left[0], left[1], 0] > 2 * light[0, right[0], right[1], 0]


@pytest.mark.parametrize("side", [SIDE, SIDE - 1])
def test_shadows_are_looked_for_wherever_they_show(scene: Scene, eyes: Eyes, side: int, monkeypatch):
    eyes = replace(eyes, height=side, width=side + 2)
    some = film(scene, eyes).light
    monkeypatch.setattr(
        "samwise_ros.data.filming.F.max_pool2d", lambda x, *_, ceil_mode: torch.ones_like(x)[..., ::2, ::2]
    )
    everywhere = film(scene, eyes).light
    assert torch.equal(some, everywhere)


def test_the_ball_throws_a_shadow_on_the_floor_to_its_right(scene: Scene, eyes: Eyes):
    film_of = film(scene, eyes)
    light, owner = film_of.light, film_of.owner
    gone = replace(scene, things=replace(scene.things, half=torch.zeros(1, 2, 3)))
    empty = film(gone, eyes)
    assert (empty.owner == 0).all()
    darker = (owner[0] == 0) & (light[0, ..., 0] < 0.6 * empty.light[0, ..., 0])
    ball_column = torch.nonzero(owner[0] == 1)[:, 1].float().mean()
    assert darker.sum() > 20
    assert torch.nonzero(darker)[:, 1].float().mean() > ball_column


def test_a_table_keeps_the_light_from_the_floor(scene: Scene, eyes: Eyes):
    place = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, -0.7]]])
    flat = scene.planes.along[:, :1].expand(1, 2, 3)
    half = torch.tensor([[[0.3, 0.3], [math.inf, math.inf]]])
    room = replace(scene, planes=Planes(place, scene.planes.across, flat, half), walls=paint((0.5,) * 3, (0.5,) * 3))
    above = replace(room.lamp, direction=torch.tensor([[0.0, 0.0, 1.0]]))
    under = replace(eyes, place=torch.tensor([[0.0, -1.2, -0.3]]))
    floor = film(replace(room, lamp=above), under).light[0, 34:, :, 0]
    assert floor.min() == pytest.approx(0.1, abs=0.02), "only what comes from everywhere reaches the floor below it"
    assert floor.max() == pytest.approx(0.5, abs=0.05)


def test_a_pattern_mixes_two_colours(scene: Scene, eyes: Eyes):
    skins = scene.skins
    checks = torch.full((1, 2), PATTERNS.index("stripes"))
    striped = replace(
        skins, second=torch.tensor([[[0.0, 0.0, 0.9]] * 2]), pattern=checks, sides_per_m=6 * skins.sides_per_m
    )
    result = film(replace(scene, skins=striped), eyes)
    ball = result.light[result.owner == 1]
    assert (ball[:, 0] > 5 * ball[:, 2]).float().mean() > 0.2
    assert (ball[:, 2] > 5 * ball[:, 0]).float().mean() > 0.2


def test_a_silhouette_counts_what_is_hidden_too(scene: Scene, eyes: Eyes):
    both = film(scene, eyes)
    alone = film(
        replace(scene, things=replace(scene.things, half=scene.things.half * torch.tensor([[[0.0], [1.0]]]))), eyes
    )
    hidden = int((alone.owner == 2).sum() - (both.owner == 2).sum())
    assert hidden > 10
    assert both.silhouette[0, 1] == alone.silhouette[0, 1]
    assert abs(int(both.silhouette[0, 1]) - int((alone.owner == 2).sum())) <= 4
