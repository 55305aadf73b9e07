"""The synthetic world: pure, exact, and filmed as its seed says."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from samwise_ros.data.colours import COLOUR_HSV
from samwise_ros.data.expressions import Expression
from samwise_ros.data.patterns import PATTERNS
from samwise_ros.data.staging import Stage
from samwise_ros.data.synthetic import World, render_clip
from samwise_ros.data.vocabulary import COLOURS, HELD_OUT_PAIRS, KINDS
from samwise_ros.errors import DatasetError


def test_frame_depends_on_seed_and_number_alone():
    world = World(5, height=48, width=64)
    for t in (3, 0, 250):
        world.frame(t)
    rgb, instances = world.frame(17)
    fresh_rgb, fresh_instances = World(5, height=48, width=64).frame(17)
    assert np.array_equal(rgb, fresh_rgb)
    assert np.array_equal(instances, fresh_instances)
    assert not np.array_equal(rgb, World(6, height=48, width=64).frame(17)[0])


def test_clip_is_the_world_filmed():
    world = World(9, height=48, width=64)
    clip = world.clip(4, 3, stride=2)
    assert clip.rgb.shape == (3, 48, 64, 3)
    assert clip.rgb.dtype == clip.instances.dtype == np.uint8
    for place, t in enumerate((4, 6, 8)):
        rgb, instances = world.frame(t)
        assert np.abs(clip.rgb[place].astype(int) - rgb).max() <= 1
        assert np.array_equal(clip.instances[place], instances)
    assert clip.objects == world.objects
    assert world.expressions(4, 7) == world.clip(4, 3).expressions


def test_a_clip_is_the_same_however_many_frames_are_filmed_at_once(monkeypatch: pytest.MonkeyPatch):
    whole = render_clip(2, frames=5, height=48, width=64)
    monkeypatch.setattr("samwise_ros.data.synthetic.PIXELS_AT_ONCE", 2 * 48 * 64)
    parts = render_clip(2, frames=5, height=48, width=64)
    assert np.array_equal(whole.instances, parts.instances)
    assert whole.expressions == parts.expressions


def test_size_of_picture_changes_nothing_else():
    small, large = World(11, height=96, width=96), World(11, height=192, width=192)
    assert small.objects == large.objects
    assert small.events == large.events
    coarse = large.frame(4)[1][::2, ::2]
    assert (small.frame(4)[1] == coarse).mean() > 0.96


def test_mask_of_an_object_and_of_nothing():
    clip = render_clip(2, frames=3, height=48, width=64)
    for thing in clip.objects:
        mask = clip.mask(Expression("it", "kind", thing.index))
        assert mask.dtype == bool
        assert np.array_equal(mask, clip.instances == thing.index)
        late = clip.mask(Expression("it", "late", thing.index, since=2))
        assert not late[:2].any()
        assert np.array_equal(late[2], mask[2])
    assert not clip.mask(Expression("nothing", "absent", 0)).any()


def test_colours_look_as_they_are_called():
    """In the median over worlds, whose light is tinted and whose cameras err."""
    off: dict[str, list[float]] = {}
    for seed in range(40):
        world = World(seed, height=96, width=128)
        rgb, instances = world.frame(0)
        for thing in world.objects:
            core = cv2.erode((instances == thing.index).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
            (low, high), (_, saturation), _ = COLOUR_HSV[thing.colour]
            if core.sum() < 60 or thing.material != "plain":
                continue
            hue, seen_saturation, value = colorsys.rgb_to_hsv(*np.median(rgb[core], axis=0) / 255)
            if saturation >= 0.3:
                turn = (hue * 360 - (low + high) / 2 + 180) % 360 - 180
                off.setdefault(thing.colour, []).append(max(0.0, abs(turn) - (high - low) / 2))
            elif thing.colour == "black":
                off.setdefault("black", []).append(value)
            else:
                off.setdefault(thing.colour, []).append(seen_saturation)
    assert set(off) == set(COLOURS)
    for colour, errors in off.items():
        assert np.median(errors) < (8 if COLOUR_HSV[colour][1][1] >= 0.3 else 0.35), (colour, errors)


def test_events_are_starts_and_arrivals():
    """Every thing that has moved or come in since the frame before an event was not doing so two frames before."""
    checked = 0
    for seed in range(30):
        world = World(seed, height=48, width=64)
        assert list(world.events) == sorted(set(world.events))
        stage = Stage(seed)
        t = np.arange(0.0, 82.0)
        for prop in stage.props[: len(stage.objects)]:
            moves = np.abs(np.diff(prop.route.at(t), axis=0)).max(1) > 1e-5
            start = int(moves.argmax())
            if moves.any() and 0 < start < 79:
                assert start in world.events, (seed, start, world.events)
                checked += 1
    assert checked > 20


def test_held_out_worlds_alone_show_held_out_pairs_and_patterns():
    last = {name: max(i for i, other in enumerate(PATTERNS) if other == name) for name in PATTERNS}
    pairs = []
    for seed in range(20):
        usual, held_out = Stage(seed), Stage(seed, held_out=True)
        assert not {(thing.colour, thing.kind) for thing in usual.objects} & HELD_OUT_PAIRS
        assert not {prop.pattern for prop in usual.props if prop.thing} & set(last.values())
        assert {prop.pattern for prop in held_out.props if prop.thing} <= set(last.values())
        pairs += [(thing.colour, thing.kind) for thing in held_out.objects]
    assert 0.3 < np.mean([pair in HELD_OUT_PAIRS for pair in pairs]) < 0.75
    assert {kind for _, kind in HELD_OUT_PAIRS} == set(KINDS)


@pytest.mark.parametrize(("height", "width"), [(31, 64), (64, 8)])
def test_tiny_picture_is_refused(height: int, width: int):
    with pytest.raises(DatasetError, match=f"picture is {width} x {height} pixels, expected at least 32 x 32"):
        World(0, height=height, width=width)


def test_other_bad_arguments_are_refused():
    with pytest.raises(
        DatasetError, match="a clip of 0 frames at stride 1 from frame 0 on was asked for, expected 1 or"
    ):
        render_clip(0, frames=0, height=64, width=64)
    with pytest.raises(DatasetError, match="seed is -1, expected 0 or more"):
        World(-1, height=64, width=64)
    with pytest.raises(DatasetError, match=r"speed_m is 0\.5, expected above 0 and at most 0\.1"):
        World(0, height=64, width=64, speed_m=0.5)
    with pytest.raises(DatasetError, match=r"zoom is 0, expected 0\.5 or more"):
        World(0, height=64, width=64, zoom=0)
    world = World(0, height=64, width=64)
    with pytest.raises(DatasetError, match="frame -1 was asked for, expected 0 or more"):
        world.frame(-1)
    with pytest.raises(DatasetError, match="a clip of 0 frames"):
        world.expressions(5, 5)


def test_a_closer_camera_shows_things_larger():
    """Measured at the largest thing in view, since a closer camera sees fewer of them."""
    larger = []
    for seed in range(16):
        far, near = (
            np.bincount(World(seed, height=48, width=64, zoom=zoom).film(np.array([30.0]))[1].ravel(), minlength=2)[1:]
            for zoom in (1.0, 2.0)
        )
        larger.append(near.max() / max(1, far.max()))
    assert np.median(larger) > 1.5
    assert World(3, height=48, width=64, zoom=2.0).objects == World(3, height=48, width=64).objects


def test_what_the_picture_s_edge_cuts_off_is_missing(monkeypatch: pytest.MonkeyPatch):
    """Beside the silhouettes of the same things in a picture that goes on at all sides."""
    moments = np.array([0.0])

    def worlds(side_px: int) -> list[World]:
        made = range(1002000, 1002012)
        return [World(seed, height=side_px, width=side_px, zoom=3, varied=True) for seed in made]

    seen = np.concatenate([world._film(moments)[3][0] for world in worlds(64)])
    inside = np.concatenate([world._inside(moments)[0] for world in worlds(64)])
    eyes = Stage.eyes
    monkeypatch.setattr(
        Stage,
        "eyes",
        lambda stage, t, height, width, device: replace(eyes(stage, t, 64, 64, device), height=height, width=width),
    )
    whole = np.concatenate([world._film(moments)[3][0] for world in worlds(5 * 64)])
    shown = seen / np.maximum(whole, 1)
    assert ((shown > 0) & (shown < 0.25)).sum() >= 5
    assert np.corrcoef(shown, inside)[0, 1] > 0.95
    assert np.abs(shown - inside).mean() < 0.08


def test_varied_worlds_deny_things_of_the_rooms_colours():
    denied = []
    for seed in range(24):
        room = Stage(seed, varied=True).room_colours
        said = World(seed, height=32, width=48, varied=True).expressions(0, 1)
        denied += [one.noun.colour in room for one in said if room and not one.object_index and one.noun]
    assert len(denied) > 20
    assert np.mean(denied) > 0.5
