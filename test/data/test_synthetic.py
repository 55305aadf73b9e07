"""The synthetic world: pure, exact, and filmed as its seed says."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
import pytest

from samwise_ros.data.shapes import COLOUR_HSV
from samwise_ros.data.synthetic import COLOURS, KINDS, Expression, World, render_clip
from samwise_ros.errors import DatasetError


def test_frame_depends_on_seed_and_number_alone() -> None:
    world = World(5, height=64, width=80)
    for t in (3, 0, 250):
        world.frame(t)
    rgb, instances = world.frame(17)
    fresh_rgb, fresh_instances = World(5, height=64, width=80).frame(17)
    assert np.array_equal(rgb, fresh_rgb)
    assert np.array_equal(instances, fresh_instances)
    assert not np.array_equal(rgb, World(6, height=64, width=80).frame(17)[0])


def test_clip_is_the_world_filmed() -> None:
    clip, world = render_clip(9, frames=5, height=64, width=64), World(9, height=64, width=64)
    assert clip.rgb.shape == (5, 64, 64, 3)
    assert clip.rgb.dtype == np.uint8
    assert clip.instances.shape == (5, 64, 64)
    assert clip.instances.dtype == np.uint8
    for t in range(5):
        rgb, instances = world.frame(t)
        assert np.array_equal(clip.rgb[t], rgb)
        assert np.array_equal(clip.instances[t], instances)
    assert clip.objects == world.objects
    assert clip.expressions == world.expressions(0, 5)


def test_later_clip_starts_at_its_first_frame() -> None:
    world = World(9, height=64, width=64)
    clip = world.clip(30, 4)
    assert np.array_equal(clip.rgb[0], world.frame(30)[0])
    assert clip.expressions == world.expressions(30, 34)


def test_size_of_picture_changes_nothing_else() -> None:
    small, large = World(11, height=96, width=96), World(11, height=192, width=192)
    assert small.objects == large.objects
    coarse = large.frame(4)[1][::2, ::2]
    assert (small.frame(4)[1] == coarse).mean() > 0.97


def test_mask_of_an_object_and_of_nothing() -> None:
    clip = render_clip(2, frames=2, height=64, width=64)
    for thing in clip.objects:
        mask = clip.mask(Expression("it", "shape", thing.index))
        assert mask.dtype == bool
        assert np.array_equal(mask, clip.instances == thing.index)
    assert not clip.mask(Expression("nothing", "shape", 0)).any()


def test_scenes_have_three_to_seven_objects_many_alike() -> None:
    worlds = [World(seed, height=32, width=32) for seed in range(60)]
    alike = 0
    for world in worlds:
        assert 3 <= len(world.objects) <= 7
        assert [thing.index for thing in world.objects] == list(range(1, len(world.objects) + 1))
        assert {thing.kind for thing in world.objects} <= set(KINDS)
        assert {thing.colour for thing in world.objects} <= set(COLOURS)
        alike += len({thing.kind for thing in world.objects}) < len(world.objects)
    assert alike > 30
    assert {thing.kind for world in worlds for thing in world.objects} == set(KINDS)
    assert {thing.colour for world in worlds for thing in world.objects} == set(COLOURS)


def test_mask_covers_pixels_of_the_objects_colour() -> None:
    checked = 0
    for seed in range(25):
        world = World(seed, height=192, width=192)
        rgb, instances = world.frame(0)
        for thing in world.objects:
            core = cv2.erode((instances == thing.index).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
            (low, high), (saturation, _), _ = COLOUR_HSV[thing.colour]
            if core.sum() < 60:
                continue
            hue, seen_saturation, value = colorsys.rgb_to_hsv(*np.median(rgb[core], axis=0) / 255)
            if saturation > 0.3:
                off = (hue * 360 - (low + high) / 2 + 180) % 360 - 180
                assert abs(off) < (high - low) / 2 + 16, (seed, thing, hue * 360)
            elif thing.colour == "white":
                assert value > 0.5, (seed, thing)
                assert seen_saturation < 0.3, (seed, thing)
            elif thing.colour == "black":
                assert value < 0.25, (seed, thing)
            checked += 1
    assert checked > 60


def test_objects_move_by_max_speed_at_most_and_some_rest() -> None:
    resting = moving = 0
    for seed in range(20):
        world = World(seed, height=128, width=128, max_speed=0.01)
        one, other = world.frame(10)[1], world.frame(11)[1]
        for thing in world.objects:
            before, after = one == thing.index, other == thing.index
            if before.sum() < 40 or after.sum() < 40:
                continue
            way = np.hypot(*(np.argwhere(after).mean(axis=0) - np.argwhere(before).mean(axis=0)))
            assert way < 128 * 0.01 * 2
            resting += way < 0.15
            moving += way > 0.4
    assert resting > 20
    assert moving > 20


@pytest.mark.parametrize(("height", "width"), [(31, 64), (64, 8)])
def test_tiny_picture_is_refused(height: int, width: int) -> None:
    with pytest.raises(DatasetError, match=f"picture is {width} x {height} pixels, expected at least 32 x 32"):
        World(0, height=height, width=width)


def test_other_bad_arguments_are_refused() -> None:
    with pytest.raises(DatasetError, match="a clip of 0 frames from frame 0 on was asked for, expected 1 or more"):
        render_clip(0, frames=0, height=64, width=64)
    with pytest.raises(DatasetError, match="seed is -1, expected 0 or more"):
        World(-1, height=64, width=64)
    with pytest.raises(DatasetError, match=r"max_speed is 0\.5, expected above 0 and at most 0\.1"):
        World(0, height=64, width=64, max_speed=0.5)
    world = World(0, height=64, width=64)
    with pytest.raises(DatasetError, match="frame -1 was asked for, expected 0 or more"):
        world.frame(-1)
    with pytest.raises(DatasetError, match=r"frames 5\.\.4 are not a range"):
        world.expressions(5, 5)
