"""Other views of a filmed picture."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from samwise_ros.data.synthetic import NORMAL_UNIT, Clip, World
from samwise_ros.engine.preprocess import normalise
from samwise_ros.training import vary as module
from samwise_ros.training.samples import pad_clip
from samwise_ros.training.vary import can_swap_sides, retone, squash, swap_sides, vary

PARTS = ("rgb", "instances", "normals")


@pytest.fixture
def clip() -> Clip:
    return pad_clip(World(5, height=48, width=64).stills(np.array([0.0]))[0], 64)


def test_views_differ_and_repeat(clip: Clip):
    one, again, other = (vary(clip, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(one.rgb, again.rgb)
    assert not np.array_equal(one.rgb, other.rgb)
    assert one.rgb.shape == clip.rgb.shape
    assert one.objects == clip.objects
    assert set(np.unique(one.instances)) <= set(np.unique(clip.instances))


def test_normals_stay_where_the_things_are_and_of_one_length(clip: Clip):
    view = vary(clip, np.random.default_rng(3))
    there = view.instances > 0
    assert there.any()
    length = np.linalg.norm(view.normals.astype(float), axis=-1)
    assert np.allclose(length[there], NORMAL_UNIT, atol=2)
    assert not length[~there].any()


def fix(monkeypatch: pytest.MonkeyPatch, **ranges: float) -> None:
    """Let everything be as it was, but for some changes of a fixed size."""
    for name in ("SCALES", "ASPECTS", "GAINS"):
        monkeypatch.setattr(module, name, (1.0, 1.0))
    for name in ("TURNS_RAD", "SHIFTS", "OFFSETS"):
        monkeypatch.setattr(module, name, (0.0, 0.0))
    for name, value in ranges.items():
        monkeypatch.setattr(module, name, (value, value))


class Coin:
    """A generator that always mirrors, or never."""

    def __init__(self, across: float) -> None:
        self._across = across

    def choice(self, _sides: object) -> float:
        return self._across

    def uniform(self, low: float, _high: float, size: int | None = None) -> object:
        return low if size is None else np.full(size, low)


def test_nothing_changed_is_the_same_picture(clip: Clip, monkeypatch: pytest.MonkeyPatch):
    fix(monkeypatch)
    same = vary(clip, Coin(1.0))
    for ours, theirs in ((same.rgb, clip.rgb), (same.instances, clip.instances), (same.normals, clip.normals)):
        assert np.array_equal(ours, theirs)


def test_a_mirrored_surface_is_turned_to_the_other_side(clip: Clip, monkeypatch: pytest.MonkeyPatch):
    fix(monkeypatch)
    mirrored = vary(clip, Coin(-1.0))
    assert np.array_equal(mirrored.instances, clip.instances[:, :, ::-1])
    assert np.array_equal(mirrored.normals, clip.normals[:, :, ::-1] * np.array([-1, 1, 1]))


def test_all_frames_are_changed_alike_and_only_a_mirror_changes_motions():
    clip = pad_clip(World(5, height=48, width=64).clip(20, 5), 64)
    clip = replace(clip, motions=("moving left", "moving away", "")[: len(clip.objects)])
    # The last frame is the first one again: it has to look alike afterwards.
    again = replace(
        clip, **{name: np.concatenate((getattr(clip, name)[:-1], getattr(clip, name)[:1])) for name in PARTS}
    )
    view = vary(again, np.random.default_rng(2))
    for name in PARTS:
        assert np.array_equal(getattr(view, name)[0], getattr(view, name)[-1])
        assert not np.array_equal(getattr(view, name)[0], getattr(view, name)[2])
    assert vary(clip, Coin(1.0)).motions == clip.motions
    assert vary(clip, Coin(-1.0)).motions == ("moving right", "moving away", "")[: len(clip.objects)]


def test_a_turned_surface_is_turned_with_the_picture(monkeypatch: pytest.MonkeyPatch):
    """A quarter turn: what was to the right is above, and what faced right faces up."""
    fix(monkeypatch, TURNS_RAD=np.pi / 2)
    instances = np.zeros((1, 65, 65), np.uint8)
    instances[0, 30:35, 55:60] = 1
    normals = np.zeros((1, 65, 65, 3), np.int8)
    normals[instances > 0] = (NORMAL_UNIT, 0, 0)
    turned = vary(Clip(np.zeros((1, 65, 65, 3), np.uint8), instances, (), (), normals), Coin(1.0))
    rows, columns = np.nonzero(turned.instances[0])
    assert rows.mean() == pytest.approx(64 - 57, abs=1.5)
    assert columns.mean() == pytest.approx(32, abs=1.5)
    assert turned.normals[turned.instances > 0].tolist() == [[0, -NORMAL_UNIT, 0]] * len(rows)


def test_beside_the_picture_there_is_nothing(clip: Clip, monkeypatch: pytest.MonkeyPatch):
    fix(monkeypatch, SHIFTS=0.5)
    moved = vary(clip, Coin(1.0))
    assert not moved.instances[:, :, 40:].any()
    assert normalise(torch.from_numpy(moved.rgb))[..., 40:].abs().max() < 0.02


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("leftmost cat right of the car", "rightmost cat left of the car"),
        ("bright upright thing on the right-hand side", "bright upright thing on the left-hand side"),
        ("righthand leftover pizza, rightside up", "lefthand leftover pizza, leftside up"),
    ],
)
def test_sides_are_swapped_in_words_that_begin_with_them(text: str, swapped: str):
    assert swap_sides(text) == swapped
    assert swap_sides(swapped) == text


@pytest.mark.parametrize(
    "text",
    [
        "the bird that left the branch",
        "man right behind the dog",
        "the bag left behind",
        "lady on far rt",
        "lft zebra",
        "guy r",
        "man at 3 oclock",
    ],
)
def test_left_and_right_are_not_always_sides(text: str):
    assert not can_swap_sides(text)


@pytest.mark.parametrize(
    "text", ["the cat", "the man who is left of her", "the right one", "cup on the left", "is leftmost", "car"]
)
def test_left_and_right_are_sides_most_often(text: str):
    assert can_swap_sides(text)


def test_a_squashed_clip_shows_the_same_in_another_shape():
    clip = World(5, height=96, width=128).clip(20, 3)
    wide = squash(clip, 64, 128)
    assert wide.rgb.shape == wide.normals.shape == (3, 64, 128, 3)
    assert wide.rgb.dtype == wide.instances.dtype == np.uint8
    assert wide.normals.dtype == np.int8
    assert wide.expressions == clip.expressions
    for index in np.unique(clip.instances):
        share, ours = (np.mean(one.instances == index) for one in (clip, wide))
        assert ours == pytest.approx(share, abs=0.01)
    assert np.array_equal(wide.instances > 0, wide.normals.any(-1)), "normals stay on their things"


def test_masks_are_squashed_with_their_pictures():
    clip = World(5, height=48, width=64).clip(0, 2)
    rng = np.random.default_rng(0)
    blobs = (cv2.blur(rng.random((2, 48, 64)).transpose(1, 2, 0), (9, 9)).transpose(2, 0, 1) > 0.5).astype(np.uint8)
    drawn = replace(clip, instances=blobs, rgb=np.repeat(255 * blobs[..., None], 3, -1))
    for height_px, width_px in ((48, 38), (30, 64), (31, 43)):
        small = squash(drawn, height_px, width_px)
        white = small.rgb[..., 0] / 255.0
        # Where the masks lay beside their picture, more of it would be on the wrong side.
        moved = [np.abs(white - np.roll(small.instances, step, axis)).mean() for axis in (1, 2) for step in (-1, 1)]
        here = np.abs(white - small.instances).mean()
        ahead, behind = moved[:2], moved[2:]
        assert here < 0.5 * min(moved)
        assert max(ahead) < 1.15 * min(ahead)
        assert max(behind) < 1.15 * min(behind)


def test_squashed_to_its_own_size_a_clip_is_the_same():
    clip = World(5, height=48, width=64).clip(0, 2)
    same = squash(clip, 48, 64)
    for name in PARTS:
        assert np.array_equal(getattr(same, name), getattr(clip, name))


def fix_tones(monkeypatch: pytest.MonkeyPatch, cast: float = 0.0, gamma: float = 1.0, saturation: float = 1.0) -> None:
    monkeypatch.setattr(module, "CASTS", cast)
    monkeypatch.setattr(module, "GAMMAS", (gamma, gamma))
    monkeypatch.setattr(module, "SATURATIONS", (saturation, saturation))


def test_tones_that_change_nothing(clip: Clip, monkeypatch: pytest.MonkeyPatch):
    fix_tones(monkeypatch)
    assert np.array_equal(retone(clip.rgb, np.random.default_rng(0)), clip.rgb)


def test_each_tone_does_what_it_says(monkeypatch: pytest.MonkeyPatch):
    rgb = np.array([[200, 100, 50], [128, 128, 128], [0, 0, 0]], np.uint8)
    rng = np.random.default_rng(0)
    fix_tones(monkeypatch, saturation=0.0)
    assert (np.ptp(retone(rgb, rng), axis=1) == 0).all(), "without saturation all is grey"
    fix_tones(monkeypatch, saturation=1.3)
    strong = retone(rgb, rng).astype(int)
    assert strong[0, 0] > 200
    assert strong[0, 2] < 50
    assert np.array_equal(strong[1:], rgb[1:]), "grey stays grey"
    fix_tones(monkeypatch, gamma=0.8)
    assert (retone(rgb, rng)[:2] > rgb[:2]).all()
    fix_tones(monkeypatch, cast=0.06)
    tinted = retone(rgb, rng).astype(int)
    assert np.ptp(tinted[1]) > 3
    assert not tinted[2].any()


def test_tones_differ_and_repeat(clip: Clip):
    one, again, other = (retone(clip.rgb, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert one.shape == clip.rgb.shape
    assert one.dtype == np.uint8
