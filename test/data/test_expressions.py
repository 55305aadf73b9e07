"""The language: every sentence is true of one object alone, judged anew from the masks."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

from samwise_ros.data.expressions import (
    COLOURS,
    EXPRESSION_KINDS,
    MAX_PER_KIND,
    MIN_PLACE_GAP,
    MIN_VISIBLE_SHARE,
    NOUNS,
    Expression,
    SceneObject,
    Tracks,
    describe,
)
from samwise_ros.data.synthetic import Clip, render_clip

SEEDS = range(50)
SIDE_PX = 96
FRAMES = 6
KIND_OF_NOUN = {noun: kind for kind, nouns in NOUNS.items() for noun in nouns}
CUES = {
    "small": {"small", "smallest", "little", "smaller"},
    "large": {"large", "largest", "big", "biggest", "bigger"},
    "middle": {"middle", "centre"},
    "top": {"top", "back", "farthest"},
    "bottom": {"bottom", "front", "nearest", "closest"},
    "moving up": {"up", "away"},
    "moving down": {"down", "closer"},
    "left": {"left", "leftmost"},
    "right": {"right", "rightmost"},
    "still": {"still", "not"},
    "moving": {"moving", "moves"},
}


@cache
def clip_of(seed: int) -> Clip:
    """The clip of one seed."""
    return render_clip(seed, frames=FRAMES, height=SIDE_PX, width=SIDE_PX)


def read(text: str) -> tuple[str, str, str]:
    """Understand a sentence: kind and colour of the noun (empty: any) and the property (empty: none)."""
    words = text.split()
    kind = next((KIND_OF_NOUN[word] for word in words if word in KIND_OF_NOUN), "")
    colour = next((word for word in words if word in COLOURS), "")
    cue = next((name for name, cues in CUES.items() if cues & set(words)), "")
    if cue in ("left", "right") and {"moving", "going"} & set(words):
        cue = f"moving {cue}"
    return kind, colour, cue


def fitting(clip: Clip, text: str) -> list[SceneObject]:
    """The objects in view that the sentence's noun fits."""
    kind, colour, _ = read(text)
    return [
        thing
        for thing in clip.objects
        if kind in ("", thing.kind) and colour in ("", thing.colour) and (clip.instances == thing.index).any()
    ]


def centres(clip: Clip, index: int) -> np.ndarray:
    """Centroid (x, y) of an object's visible pixels in every frame, 0..1; NaN where there are none."""
    found = [np.argwhere(frame == index) for frame in clip.instances]
    return np.array([(at[:, ::-1].mean(axis=0) + 0.5) / SIDE_PX if len(at) else (np.nan, np.nan) for at in found])


def area(clip: Clip, index: int) -> np.ndarray:
    """Visible pixels of an object in every frame."""
    return (clip.instances == index).sum(axis=(1, 2))


def sentences(*kinds: str, absent: bool = False) -> list[tuple[Clip, Expression]]:
    """All sentences of some kinds over all seeds."""
    return [
        (clip_of(seed), expression)
        for seed in SEEDS
        for expression in clip_of(seed).expressions
        if expression.kind in kinds and (expression.object_index == 0) == absent
    ]


def test_every_kind_is_frequent() -> None:
    clips_with = Counter(
        kind for seed in SEEDS for kind in {e.kind for e in clip_of(seed).expressions if e.object_index > 0}
    )
    for kind in EXPRESSION_KINDS:
        assert clips_with[kind] >= 0.6 * len(SEEDS), (kind, clips_with[kind])
    everything = [expression for seed in SEEDS for expression in clip_of(seed).expressions]
    assert 0.05 < sum(expression.object_index == 0 for expression in everything) / len(everything) < 0.16
    assert len({expression.text for expression in everything}) > 300


def test_sentences_are_short_and_plain() -> None:
    for seed in SEEDS:
        expressions = clip_of(seed).expressions
        assert len(set(expressions)) == len(expressions)
        for expression in expressions:
            assert expression.text == " ".join(expression.text.lower().split())
            assert len(expression.text.split()) <= 9
            assert 0 <= expression.object_index <= len(clip_of(seed).objects)


def test_named_objects_are_well_in_view_and_fit_the_noun() -> None:
    for clip, expression in sentences(*EXPRESSION_KINDS):
        assert expression.object_index in [thing.index for thing in fitting(clip, expression.text)], expression
        shown = area(clip, expression.object_index) >= MIN_VISIBLE_SHARE * SIDE_PX**2
        assert shown.mean() >= 0.5, expression
        assert expression.kind not in ("size", "place") or shown.all(), expression


def test_colour_and_shape_fit_one_object_alone() -> None:
    for clip, expression in sentences("colour", "shape"):
        assert [thing.index for thing in fitting(clip, expression.text)] == [expression.object_index], expression
        kind, colour, cue = read(expression.text)
        assert not cue
        same_colour = [thing for thing in fitting(clip, f"the {colour} thing")]
        if expression.kind == "shape":
            assert kind
            assert not colour or len(same_colour) > 1
        else:
            assert len(same_colour) == 1


def test_size_holds_of_one_object_alone() -> None:
    for clip, expression in sentences("size"):
        mine = area(clip, expression.object_index).max()
        rivals = [thing.index for thing in fitting(clip, expression.text) if thing.index != expression.object_index]
        assert rivals
        for other in rivals:
            ratio = np.sqrt(area(clip, other).max() / mine)
            cue = read(expression.text)[2]
            assert ratio > 1.08 if cue == "small" else cue == "large" and ratio < 1 / 1.08, (expression, ratio)


def test_place_holds_of_one_object_alone_in_every_frame() -> None:
    margin = MIN_PLACE_GAP - 0.011
    for clip, expression in sentences("place"):
        me = centres(clip, expression.object_index)
        rivals = [thing.index for thing in fitting(clip, expression.text) if thing.index != expression.object_index]
        assert rivals
        cue = read(expression.text)[2]
        for other in rivals:
            gap = centres(clip, other) - me
            if cue == "middle":
                inward = np.abs(centres(clip, other)[:, 0] - 0.5) - np.abs(me[:, 0] - 0.5)
                assert np.nanmin(inward, initial=1) >= margin, expression
            else:
                axis, sign = {"left": (0, 1), "right": (0, -1), "top": (1, 1), "bottom": (1, -1)}[cue]
                assert np.nanmin(sign * gap[:, axis], initial=1) >= margin, expression


def motion_seen(clip: Clip, index: int) -> str:
    """An object's motion, judged by its centroids; empty where it is partly hidden or hardly moves."""
    size, at = area(clip, index), centres(clip, index)
    edge = clip.instances[:, [0, -1], :].reshape(FRAMES, -1), clip.instances[:, :, [0, -1]].reshape(FRAMES, -1)
    if size.min() < 0.8 * size.max() or any((side == index).any() for side in edge):
        return ""
    way = at[-1] - at[0]
    if np.ptp(at, axis=0).max() < 0.012:
        return "still"
    if np.abs(way).max() < 0.025:
        return ""
    axis = int(np.abs(way).argmax())
    return (("moving left", "moving right"), ("moving up", "moving down"))[axis][int(way[axis] > 0)]


def test_motion_holds_of_one_object_alone() -> None:
    judged = 0
    for clip, expression in sentences("motion"):
        cue, mine = read(expression.text)[2], motion_seen(clip, expression.object_index)
        rivals = [thing.index for thing in fitting(clip, expression.text) if thing.index != expression.object_index]
        theirs = [motion_seen(clip, other) for other in rivals]
        assert rivals
        if cue == "moving":
            assert mine != "still", expression
            assert set(theirs) <= {"", "still"}, expression
        elif cue == "still":
            assert mine in ("", "still"), expression
            assert "still" not in theirs, expression
        else:
            assert mine in ("", cue), expression
            assert cue not in theirs, expression
        judged += mine != ""
    assert judged > 50


def test_absent_things_are_absent() -> None:
    found = sentences(*EXPRESSION_KINDS, absent=True)
    assert len(found) >= len(SEEDS)
    assert {expression.kind for _, expression in found} == set(EXPRESSION_KINDS)
    for clip, expression in found:
        cue = read(expression.text)[2]
        for thing in fitting(clip, expression.text):
            assert expression.kind == "motion", (expression, thing)
            seen = motion_seen(clip, thing.index)
            assert seen in ("", "still") if cue == "moving" else seen != cue, (expression, thing)


def still_tracks(*xs: float, sizes: tuple[float, ...] = (), way: float = 0.0, frames: int = 4) -> Tracks:
    """Red balls side by side, in full view; the first one goes `way` to the left."""
    count = len(xs)
    x = np.tile(np.array(xs), (frames, 1))
    x[:, 0] -= np.linspace(0, way, frames)
    size = np.tile(np.array(sizes or (0.1,) * count), (frames, 1))
    flat = np.full((frames, count), 0.5)
    place = np.stack([x, flat], axis=2)
    return Tracks(
        objects=tuple(SceneObject(i + 1, "ball", "red", "small") for i in range(count)),
        leaves=np.zeros(count, bool),
        share=np.full((frames, count), 0.01),
        whole=np.ones((frames, count)),
        x=x,
        y=flat,
        foot_y=flat,
        size=size,
        extent=size,
        way=place,
        own_way=place,
    )


def cues_of(tracks: Tracks) -> dict[str, int]:
    """Properties said to hold of something, and of which object."""
    expressions = describe(tracks, np.random.default_rng(0))
    return {read(e.text)[2]: e.object_index for e in expressions if e.object_index > 0}


def test_places_need_a_clear_gap() -> None:
    assert cues_of(still_tracks(0.3, 0.7)) == {"left": 1, "right": 2}
    assert cues_of(still_tracks(0.47, 0.57)) == {}
    assert cues_of(still_tracks(0.2, 0.5, 0.8))["middle"] == 2


def test_sizes_need_a_clear_ratio() -> None:
    assert cues_of(still_tracks(0.47, 0.53, sizes=(0.1, 0.14))) == {"small": 1, "large": 2}
    assert cues_of(still_tracks(0.47, 0.53, sizes=(0.1, 0.13))) == {}


@pytest.mark.parametrize(
    ("way", "frames", "expected"),
    [(0.05, 4, {"moving left", "moving", "still"}), (0.02, 4, set()), (0.05, 3, set())],
)
def test_motion_needs_a_clear_way_and_enough_frames(way: float, frames: int, expected: set[str]) -> None:
    tracks = still_tracks(0.5, 0.54, way=way, frames=frames)
    cues = set()
    for seed in range(20):
        expressions = describe(tracks, np.random.default_rng(seed))
        true_ones = [e for e in expressions if e.kind == "motion" and e.object_index > 0]
        assert len(true_ones) <= MAX_PER_KIND
        cues |= {read(expression.text)[2] for expression in true_ones}
    assert cues == expected
