"""The things of a stage: how they look and move."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from samwise_ros.data.patterns import PATTERNS
from samwise_ros.data.props import EXTENTS_M, LIKE, ODD, Prop, Route, mechanise
from samwise_ros.data.solids import SOLIDS
from samwise_ros.data.staging import Stage
from samwise_ros.data.tracks import Floats

MOMENTS = np.arange(0.0, 40.0)


def test_a_hand_goes_where_the_thing_goes_that_it_holds():
    for seed in range(20):
        free, stage = Stage(seed), Stage(seed, grip=True)
        *others, hand = stage.props
        assert [prop.route for prop in others] == [prop.route for prop in free.props]
        assert hand.kind == "arm"
        assert hand.thing is None
        # The hand's end is .95 half lengths from its middle, against the way it came from.
        yaw = hand.route.yaw
        end = hand.route.at(MOMENTS) + 0.95 * hand.half_m[0] * np.array([math.cos(yaw), math.sin(yaw), 0])
        things = [prop for prop in others if prop.thing is not None]
        reached = [
            np.linalg.norm((end - prop.route.at(MOMENTS))[:, :2], axis=1).max() < max(prop.half_m[:2])
            for prop in things
        ]
        assert any(reached), "the fingers lie on a thing, wherever it goes"


def test_varied_things_have_other_shapes_and_some_no_name():
    odd, stretched, solids = 0, 0, set()
    for seed in range(80):
        usual, stage = Stage(seed), Stage(seed, varied=True)
        assert not any(thing.odd for thing in usual.objects)
        for before, prop in zip(usual.props, stage.props, strict=True):
            if prop.thing is None:
                continue
            turns = prop.route.spin and not before.route.spin
            as_before = replace(prop.route, tilt=0.0, **({"spin": 0.0, "start": 0.0} if turns else {}))
            assert replace(as_before, rolls=before.route.rolls) == before.route
            assert prop.route.rolls == (before.route.rolls and prop.kind == "ball"), "a star does not roll"
            assert replace(prop.thing, odd=False) == before.thing, "it is called as before"
            odd += prop.thing.odd
            stretched += prop.half_m != before.half_m and not prop.thing.odd
            assert prop.kind in (ODD if prop.thing.odd else {before.kind, *LIKE.get(before.kind, {})})
            solids.add(prop.kind)
            lengthy = ("block", "box", "book", "cross", "cup", "sausage", "animal")
            assert prop.half_m[0] == prop.half_m[1] or prop.kind in lengthy
    assert min(odd, stretched) > 20
    assert set(ODD) | {"tumbler", "goblet"} < solids


def test_varied_things_have_fringe_colours_too():
    before = [prop for seed in range(30) for prop in Stage(seed).props if prop.thing]
    after = [prop for seed in range(30) for prop in Stage(seed, varied=True).props if prop.thing]
    changed = [not np.array_equal(a.first, b.first) for a, b in zip(before, after, strict=True)]
    assert 0.4 < np.mean(changed) < 0.6
    assert all(PATTERNS[a.pattern] == PATTERNS[b.pattern] for a, b in zip(before, after, strict=True))


def test_some_varied_things_lie_or_stand_on_their_heads():
    props = [prop for seed in range(300) for prop in Stage(seed, varied=True).props if prop.thing]
    tilts = {kind: {prop.route.tilt for prop in props if prop.kind == kind} for kind in SOLIDS}
    assert tilts["bottle"] == tilts["cylinder"] == {0.0, math.pi / 2}
    assert tilts["cup"] == tilts["bowl"] == {0.0, math.pi}
    assert tilts["goblet"] == {0.0, math.pi / 2, math.pi}
    assert tilts["ball"] == tilts["box"] == {0.0}
    for prop in props:
        x, y, z = prop.half_m
        assert np.allclose(prop.extents_m, (z, y, x) if prop.route.tilt == math.pi / 2 else (x, y, z))


def test_things_of_varied_stages_turn_around_themselves_more_often():
    def spin(props):
        return np.mean([prop.route.spin != 0 for prop in props if prop.thing])

    usual, varied = ([prop for seed in range(200) for prop in Stage(seed, varied=on).props] for on in (False, True))
    assert 0.05 < spin(usual) < 0.11
    assert 0.22 < spin(varied) < 0.34
    assert not any(prop.route.spin and (prop.route.reach or prop.route.lift) for prop in varied)


def test_a_tipped_thing_touches_the_table():
    """Its lowest corner is at 0, and what lies can be seen to spin."""
    (prop, *_) = Stage(0).props
    lying = replace(prop, kind="bottle", half_m=(0.03, 0.03, 0.1), route=Route((0.0, 0.0), tilt=math.pi / 2, spin=0.1))
    turn = lying.route.turn(np.zeros(1), 0.1)[0]
    corners = np.array([(x, y, z) for x in (-0.03, 0.03) for y in (-0.03, 0.03) for z in (-0.1, 0.1)]) @ turn.T
    assert corners[:, 2].min() == pytest.approx(-lying.extents_m[2])
    assert np.allclose(turn @ [0, 0, 1], [1, 0, 0])
    assert replace(lying, pattern=PATTERNS.index("plain")).can_be_seen_to_spin


def test_what_does_not_roll_rests_with_its_lowest_side_at_its_foot():
    tilts = set()
    for seed in range(30):
        stage = Stage(seed, varied=True)
        things = stage.scene(MOMENTS[:1], torch.device("cpu")).things
        for index, prop in enumerate(stage.props):
            if prop.thing is None or prop.route.rolls:
                continue
            tilts.add(prop.route.tilt)
            reach = things.turn[0, index].abs() @ things.half[0, index]
            foot = prop.route.at(MOMENTS[:1])[0, 2]
            assert float(things.place[0, index, 2] - reach[2]) == pytest.approx(foot, abs=1e-6)
    assert tilts == {0.0, math.pi / 2, math.pi}


def test_half_of_the_arms_are_robots_whose_fingers_are_where_the_hand_was():
    arm = Stage(0, grip=True).props[-1]
    drawn = [mechanise(np.random.default_rng(seed), arm) for seed in range(60)]
    robots = [prop for prop in drawn if prop.kind == "gripper"]
    assert 20 < len(robots) < 40
    assert all(prop is arm for prop in drawn if prop.kind != "gripper")

    def fingers(prop: Prop) -> Floats:
        middle = prop.route.at(MOMENTS) + np.array([0, 0, prop.extents_m[2]])
        return np.asarray(middle + prop.route.turn(MOMENTS, 1.0) @ [0.95 * prop.half_m[0], 0, 0])

    for prop in robots:
        assert np.allclose(fingers(prop)[:, :2], fingers(arm)[:, :2])
        assert (fingers(prop)[:, 2] > 0).all()
        assert prop.first.max() < 1.5 * prop.first.min(), "metal is tinted at most"
    assert "gripper" in {prop.kind for seed in range(5) for prop in Stage(seed, grip=True, varied=True).props}
    assert "gripper" not in {prop.kind for seed in range(20) for prop in Stage(seed, grip=True).props}


def test_what_is_not_round_can_be_seen_to_spin():
    (prop, *_) = Stage(0).props
    spinning = replace(prop, pattern=PATTERNS.index("plain"), route=Route((0.0, 0.0), spin=0.1))
    seen = {kind for kind in SOLIDS if replace(spinning, kind=kind).can_be_seen_to_spin}
    round_ones = {
        "ball",
        "cylinder",
        "bottle",
        "cone",
        "ring",
        "bowl",
        "tumbler",
        "goblet",
        "hourglass",
        "pear",
        "arm",
        "gripper",
    }
    assert seen == set(SOLIDS) - round_ones
    assert all(replace(spinning, kind=kind, pattern=PATTERNS.index("spots")).can_be_seen_to_spin for kind in SOLIDS)
    for pattern in ("cloth", "stripes"):
        unclear = {
            kind
            for kind in SOLIDS
            if replace(spinning, kind=kind, pattern=PATTERNS.index(pattern)).can_be_seen_to_spin is None
        }
        assert unclear == round_ones, pattern


def test_things_often_share_kind_or_colour():
    stages = [Stage(seed).objects for seed in range(40)]
    assert np.mean([len({thing.kind for thing in things}) < len(things) for things in stages]) > 0.6
    assert {thing.kind for things in stages for thing in things} == set(EXTENTS_M)


def test_things_do_not_stand_in_one_another_for_the_most_part():
    clear = []
    for seed in range(30):
        spoken = [prop for prop in Stage(seed).props if prop.thing is not None]
        for index, one in enumerate(spoken):
            for other in spoken[:index]:
                apart = np.linalg.norm(one.route.at(MOMENTS)[:, :2] - other.route.at(MOMENTS)[:, :2], axis=1).min()
                clear.append(apart > 0.8 * max(max(one.half_m[:2]), max(other.half_m[:2])))
    assert np.mean(clear) > 0.9


def test_a_route_goes_back_and_forth_from_its_start_on():
    route = Route((0.1, 0.0), direction=math.pi / 2, reach=0.2, speed=0.05, start=4.0)
    places = route.at(np.arange(14.0))
    assert np.allclose(places[:5], [0.1, 0.0, 0.0])
    assert np.allclose(places[[8, 12]], [[0.1, 0.2, 0.0], [0.1, 0.0, 0.0]])
    assert np.allclose(np.linalg.norm(np.diff(places, axis=0), axis=1)[5:7], 0.05)


def test_an_arrival_comes_from_afar_and_stays():
    places = Route((0.0, 0.1), reach=1.0, speed=0.1, arrives=True).at(np.arange(20.0))
    assert np.allclose(places[0], [1.0, 0.1, 0.0])
    assert np.allclose(places[10:], [0.0, 0.1, 0.0])


def test_a_lift_goes_up_and_down():
    heights = Route((0.0, 0.0), lift=0.1, speed=0.05).at(np.arange(5.0))[:, 2]
    assert np.allclose(heights, [0, 0.05, 0.1, 0.05, 0])


def test_a_rolling_ball_turns_about_the_axis_across_its_way():
    """After a quarter of its circumference what was on top faces forwards."""
    radius = 0.05
    route = Route((0.0, 0.0), direction=math.pi / 2, reach=1.0, speed=radius * math.pi / 2, rolls=True)
    top = route.turn(np.array([1.0]), radius)[0] @ [0, 0, 1]
    assert np.allclose(top, [0, 1, 0], atol=1e-9)


@pytest.mark.parametrize(
    "route", [Route((0, 0), yaw=1.0), Route((0, 0), spin=0.3, start=2.0), Route((0, 0), rolls=True)]
)
def test_turns_are_rotations(route: Route):
    turns = route.turn(MOMENTS, 0.05)
    assert np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3))
    assert np.allclose(np.linalg.det(turns), 1)
