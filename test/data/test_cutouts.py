"""Things that are photographs."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from photo_folder import make_photographs

from samwise_ros.data.cutouts import GAINS, OWN_COLOUR, SHADES, SHARE, VARIES, albedo_of, cut_out, stand, without
from samwise_ros.data.decor import PAINTS
from samwise_ros.data.filming import film
from samwise_ros.data.photographs import Photographs, load_photographs
from samwise_ros.data.props import SIZES, Prop
from samwise_ros.data.raycaster import Eyes, Things, look
from samwise_ros.data.solids import SOLIDS
from samwise_ros.data.staging import Stage
from samwise_ros.data.vocabulary import COLOURS, HELD_OUT_PAIRS

CPU = torch.device("cpu")
FLAG, DISC = 0, 1
SIDE = 80


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Photographs:
    return load_photographs(make_photographs(tmp_path_factory.mktemp("photographs")), CPU)


@pytest.fixture(scope="module")
def pairs(photographs: Photographs) -> list[tuple[Prop, Prop]]:
    """The things of varied stages, and what becomes of them."""
    props = [prop for seed in range(150) for prop in Stage(seed, varied=True).props if prop.thing]
    return [(prop, cut_out(np.random.default_rng([index, 1]), prop, photographs)) for index, prop in enumerate(props)]


def test_some_things_become_photographs(pairs: list[tuple[Prop, Prop]]):
    cut = [(before, after) for before, after in pairs if after.photograph >= 0]
    assert abs(len(cut) / len(pairs) - SHARE) < 0.05
    assert all(after is before for before, after in pairs if after.photograph < 0)
    assert {after.photograph for _, after in cut} == {FLAG, DISC}
    for before, after in cut:
        assert after.thing.odd
        assert after.thing.material == ""
        assert (after.thing.index, after.thing.size, after.thing.kind) == (
            before.thing.index,
            before.thing.size,
            before.thing.kind,
        )
        assert after.can_be_seen_to_spin is False
        assert (after.route.rolls, after.route.tilt) == (False, 0.0)
        assert (after.route.place, after.route.reach) == (before.route.place, before.route.reach)


def test_photographs_have_their_own_colour_or_the_thing_s(pairs: list[tuple[Prop, Prop]]):
    cut = [(before, after) for before, after in pairs if after.photograph >= 0]
    own = [after for _, after in cut if not after.tinted]
    assert abs(len(own) / len(cut) - OWN_COLOUR) < 0.07
    for after in own:
        assert after.photograph == DISC, "the other one has no colour's name"
        assert after.thing.colour == "green"
        assert ("green", after.thing.kind) not in HELD_OUT_PAIRS
        assert GAINS[0] <= after.first[0] == after.first[2] <= GAINS[1]
    tinted = [(before, after) for before, after in cut if after.tinted]
    assert all(after.thing.colour == before.thing.colour for before, after in tinted)
    assert all((after.first == before.first).all() for before, after in tinted)
    assert {after.thing.colour for _, after in tinted} == set(COLOURS)


def test_a_photograph_keeps_its_shape(pairs: list[tuple[Prop, Prop]]):
    for _, after in pairs:
        if after.photograph >= 0:
            wide, _, high = after.half_m
            assert wide / high == pytest.approx(1.0 if after.photograph == FLAG else 81 / 41)
            assert VARIES[0] <= math.sqrt(wide * high) / (0.052 * SIZES[after.thing.size]) <= VARIES[1]


@pytest.fixture
def things() -> Things:
    """A photograph in the middle, a ball before it on the left and a block behind it, seen from the front."""
    kind = torch.tensor([[list(SOLIDS).index(name) for name in ("cylinder", "ball", "block")]])
    half = torch.tensor([[[0.2, 0.2, 0.2], [0.08] * 3, [0.3] * 3]])
    place = torch.tensor([[[0.0, 0.0, 0.0], [-0.15, -0.4, 0.0], [0.0, 0.5, 0.0]]])
    return Things(kind, half, place, torch.eye(3).expand(1, 3, 3, 3))


@pytest.fixture
def eyes() -> Eyes:
    turn = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]])
    return Eyes(torch.tensor([[0.0, -2.0, 0.0]]), turn, torch.tensor([120.0]), SIDE, SIDE)


def test_a_photograph_stands_behind_what_is_nearer_and_before_what_is_not(
    photographs: Photographs, things: Things, eyes: Eyes
):
    which, rays = torch.tensor([[FLAG, -1, -1]]), eyes.rays()
    solids = look(without(things, which), eyes, rays)
    assert set(solids.thing.unique().tolist()) == {-1, 1, 2}, "the solid in its place is not seen"
    sight = stand(photographs, which, things, eyes, rays, solids)
    half_px = 120 * 0.2 / 2.0
    assert sight.thing[0, 36, [36, 44]].tolist() == [0, 0], "the upper half"
    assert sight.thing[0, 44, 44] == 2, "what is cut out on the lower right"
    assert sight.depth[0, 36, 40] == pytest.approx(2.0, rel=0.01)
    assert (sight.thing[solids.thing == 1] == 1).all(), "the ball hides part of it"
    hidden = int((solids.thing == 1)[0, 28:52, 28:40].sum())
    assert hidden > 20
    assert sight.silhouette[0, 0] == pytest.approx(3 * half_px**2, rel=0.06)
    assert int((sight.thing == 0).sum()) == int(sight.silhouette[0, 0]) - hidden
    beyond = (solids.thing == 2) & (sight.thing != 0)
    assert (sight.thing[beyond] == 2).all()
    assert torch.equal(sight.depth[beyond], solids.depth[beyond])


def test_what_is_behind_shows_where_a_thing_was_cut_out(photographs: Photographs, things: Things, eyes: Eyes):
    which, rays = torch.tensor([[DISC, -1, -1]]), eyes.rays()
    sight = stand(photographs, which, things, eyes, rays, look(without(things, which), eyes, rays))
    area = math.pi * (120 * 0.2 / 2.0) ** 2
    assert sight.silhouette[0, 0] == pytest.approx(area, rel=0.06), "a disc, not its square"
    assert sight.thing[0, 30, 50] == 2, "a corner of the square"


def test_a_photograph_faces_the_camera_from_wherever_it_is_seen(photographs: Photographs, things: Things, eyes: Eyes):
    which = torch.tensor([[FLAG, -1, -1]])
    alone = replace(things, half=things.half * torch.tensor([1.0, 0.0, 0.0])[:, None])
    shown = []
    for angle, above in ((0.0, 0.0), (1.0, 0.0), (2.5, 0.0), (0.0, 1.0), (1.0, 0.6)):
        around = torch.tensor(
            [[math.cos(angle), -math.sin(angle), 0.0], [math.sin(angle), math.cos(angle), 0.0], [0.0, 0.0, 1.0]]
        )
        over = torch.tensor(
            [[1.0, 0.0, 0.0], [0.0, math.cos(above), math.sin(above)], [0.0, -math.sin(above), math.cos(above)]]
        )
        turned = around @ over
        seen_from = Eyes(eyes.place @ turned.T, turned @ eyes.turn, eyes.focal_px, SIDE, SIDE)
        rays = seen_from.rays()
        sight = stand(photographs, which, alone, seen_from, rays, look(without(alone, which), seen_from, rays))
        shown.append(sight.thing)
    assert (shown[0] == 0).sum() > 300
    assert all((one != shown[0]).float().mean() < 0.01 for one in shown)


def test_its_shades_are_its_own_and_its_colour_is_the_thing_s(photographs: Photographs):
    which = torch.tensor([FLAG, FLAG, DISC, DISC])
    places = torch.tensor([-0.5, -0.5, 0.0, 0.0]), torch.tensor([0.5, -0.5, 0.0, 0.0])
    colour = torch.tensor([[0.4, 0.0, 0.0]] * 2 + [[0.4, 0.0, 0.0], [0.5, 0.5, 0.5]])
    seen = albedo_of(photographs, which, places, colour, torch.tensor([True, True, True, False]))
    bright, dark, tinted, own = seen.tolist()
    assert bright == pytest.approx([0.4 * 1.5, 0, 0], abs=0.02), "half as bright again as its mean"
    assert dark == pytest.approx([0.4 * SHADES[0], 0, 0], abs=0.02)
    assert tinted == pytest.approx([0.4, 0, 0], abs=0.02)
    assert own == pytest.approx([0, 0.5, 0], abs=0.02)


def test_photographed_things_are_lit_and_cast_shadows(photographs: Photographs):
    for seed in range(40):
        stage = Stage(seed, varied=True, photographs=photographs)
        props = [index for index, prop in enumerate(stage.props) if prop.photograph == DISC and not prop.tinted]
        moment = np.array([0.0])
        scene, eyes = stage.scene(moment, CPU), stage.eyes(moment, 60, 80, CPU)
        filmed = film(scene, eyes)
        shown = [index for index in props if (filmed.owner == index + 1).sum() > 60]
        if not shown:
            continue
        index = shown[0]
        own = filmed.owner == index + 1
        light = filmed.light[own]
        assert (light[:, 1] > 2 * light[:, [0, 2]].amax(1)).all(), "green"
        assert not filmed.normal[own].any(), "nobody knows"
        half = scene.things.half.clone()
        half[:, index] = 0
        bare = film(replace(scene, things=replace(scene.things, half=half)), eyes)
        both = (filmed.owner == 0) & (bare.owner == 0)
        if (filmed.light[both] < 0.98 * bare.light[both]).all(-1).sum() > 5:
            return
    pytest.fail("no green disc had a shadow to be seen")


def test_stages_are_the_same_but_for_what_is_photographed(photographs: Photographs):
    moment = np.array([3.0])
    for seed in range(4):
        usual, pictured = Stage(seed), Stage(seed, photographs=photographs)
        assert torch.equal(usual.film(moment, 48, 64, CPU)[0], pictured.film(moment, 48, 64, CPU)[0]), "not varied"
    shares = []
    for seed in range(60):
        usual, pictured = Stage(seed, varied=True), Stage(seed, varied=True, photographs=photographs)
        kept = [index for index, prop in enumerate(pictured.props) if prop.photograph < 0]
        assert all(repr(pictured.props[index]) == repr(usual.props[index]) for index in kept)
        walls, before = (stage.scene(moment, CPU).walls for stage in (pictured, usual))
        shown = walls.photograph >= 0
        assert torch.equal(walls.first[~shown], before.first[~shown])
        assert (walls.first[shown][:, 1] == 0).all(), "the mean of red and blue, to which the camera exposes"
        assert pictured.room_colours == (PAINTS if shown.any() else usual.room_colours)
        shares.append(shown[0, :4].float().mean().item())
    assert 0.4 < np.mean(shares) < 0.65


def test_photographed_surfaces_are_seen(photographs: Photographs):
    """The only surface there is has red and blue alone."""
    shares = []
    for seed in range(12):
        stage, moment = Stage(seed, varied=True, photographs=photographs), np.array([0.0])
        scene, eyes = stage.scene(moment, CPU), stage.eyes(moment, 48, 64, CPU)
        everywhere = replace(scene, walls=replace(scene.walls, photograph=torch.zeros_like(scene.walls.photograph)))
        filmed = film(everywhere, eyes)
        room = filmed.light[filmed.owner == 0]
        shares.append((room[:, 1] < 0.3 * room[:, [0, 2]].amax(1)).float().mean().item())
    assert np.mean(shares) > 0.9
