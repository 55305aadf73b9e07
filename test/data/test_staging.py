"""Stages: what is on the table, and how it moves."""

from dataclasses import fields, replace

import numpy as np
import torch

from samwise_ros.data.decor import PAINTS
from samwise_ros.data.filming import film
from samwise_ros.data.staging import PAINTED, Stage

CPU = torch.device("cpu")


def test_a_stage_is_a_function_of_its_seed():
    moments = np.array([0.0, 7.0])
    first, again, other = (Stage(seed).film(moments, 48, 64, CPU) for seed in (3, 3, 4))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1].owner, again[1].owner)
    assert not torch.equal(first[0], other[0])


def test_a_moment_is_the_same_whatever_else_is_filmed():
    stage = Stage(5)
    alone, together = stage.film(np.array([9.0]), 48, 64, CPU), stage.film(np.array([2.0, 9.0, 30.0]), 48, 64, CPU)
    assert torch.equal(alone[1].owner[0], together[1].owner[1])
    assert (alone[0][0].int() - together[0][1].int()).abs().max() <= 1


def test_pictures_show_the_objects_and_arms_come_last():
    pictures, share = [], []
    for seed in range(12):
        stage = Stage(seed)
        rgb, filmed = stage.film(np.array([0.0, 12.0]), 64, 64, CPU)
        assert rgb.dtype == filmed.owner.dtype == torch.uint8
        assert 3 <= len(stage.objects) <= 8
        assert [thing.index for thing in stage.objects] == list(range(1, len(stage.objects) + 1))
        assert filmed.owner.max() <= len(stage.props)
        pictures.append(rgb.float().mean().item())
        share.append(((filmed.owner > 0) & (filmed.owner <= len(stage.objects))).float().mean().item())
    assert 0.03 < np.mean(share) < 0.4
    assert 70 < np.mean(pictures) < 190, "exposed neither too dark nor too bright"
    assert any(prop.thing is None for seed in range(12) for prop in Stage(seed).props)


def test_rooms_of_varied_stages_have_colours_that_no_thing_need_have():
    stages = [Stage(seed, varied=True) for seed in range(80)]
    assert {colour for stage in stages for colour in stage.room_colours} == set(PAINTS)
    assert 0.04 < np.mean([not stage.room_colours for stage in stages]) < 0.2
    for stage, plain in zip(stages, (Stage(seed) for seed in range(80)), strict=True):
        assert plain.room_colours == ()
        rooms = [one.scene(np.array([0.0]), CPU) for one in (plain, stage)]
        usual, varied = (room.walls.first[0] for room in rooms)
        assert len(usual) == 4
        assert len(varied) == rooms[1].planes.place.shape[1] == len(rooms[1].walls.gloss[0])
        painted = int((usual != varied[:4]).any(1).sum())
        assert stage.room_colours or not (painted or len(varied) > 4)
        assert torch.equal(rooms[0].planes.place, rooms[1].planes.place[:, :4]), "the room itself is the same"


def test_some_surfaces_and_arms_of_varied_stages_are_painted():
    pairs = [(Stage(seed), Stage(seed, varied=True)) for seed in range(120)]
    walls = [[one.scene(np.array([0.0]), CPU).walls.first[0, :4] for one in pair] for pair in pairs]
    share = np.mean([(usual != varied).any(1).float().mean().item() for usual, varied in walls])
    assert 0.7 * PAINTED < share < 1.3 * PAINTED
    arms = [
        (mine.first, other.first)
        for usual, varied in pairs
        for mine, other in zip(usual.props, varied.props, strict=True)
        if mine.thing is None and other.kind == "arm"
    ]
    assert 0.3 * PAINTED < np.mean([(mine != other).any() for mine, other in arms]) < 2.5 * PAINTED


def test_patches_are_seen_on_what_they_lie_on():
    changed = []
    for seed in range(20):
        stage, moment = Stage(seed, varied=True), np.array([0.0])
        scene, eyes = stage.scene(moment, CPU), stage.eyes(moment, 60, 80, CPU)
        planes, walls = (
            type(part)(*(getattr(part, field.name)[:, :4] for field in fields(part)))
            for part in (scene.planes, scene.walls)
        )
        bare = replace(scene, planes=planes, walls=walls)
        light, without = (film(one, eyes).light for one in (scene, bare))
        changed.append((light != without).any(-1).float().mean().item())
    assert sum(share > 0.005 for share in changed) >= 4
