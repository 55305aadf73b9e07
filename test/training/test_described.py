"""Samples of real data sets, from small folders of their layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_folders import BRIGHTNESS, FRAMES, HEIGHT, WIDTH, object_masks, write_mevis, write_ref_ytvos, write_refcoco
from PIL import Image

from samwise_ros.errors import ConfigError, DatasetError
from samwise_ros.training.described import (
    DescribedSamples,
    change_light,
    choose_frames,
    fit_masks,
    fit_pictures,
    last_videos,
    read_split,
)
from samwise_ros.training.recipe import Split
from samwise_ros.training.samples import Sample

SIDE = 96
"""Four times the pictures' width: a pixel of a mask becomes a square of 4 x 4."""


def samples_of(folder: Path, frames: int = 2, augment: bool = False, seed: int = 0) -> DescribedSamples:
    clips = [(clip, False) for clip in read_split(Split("ref-ytvos", str(folder), "train"))]
    return DescribedSamples(clips, side_px=SIDE, frames=frames, augment=augment, seed=(seed, 0))


def same(one: Sample, other: Sample) -> bool:
    return np.array_equal(one.rgb, other.rgb) and np.array_equal(one.masks, other.masks) and one.texts == other.texts


def enlarged(mask: np.ndarray) -> np.ndarray:
    """A mask as it has to be in a sample."""
    big = mask.repeat(SIDE // WIDTH, 0).repeat(SIDE // WIDTH, 1)
    return np.pad(big, ((0, SIDE - HEIGHT * SIDE // WIDTH), (0, 0)))


def indices_of(sample: Sample) -> list[int]:
    """Which frames of the video these are, by their brightness."""
    return [BRIGHTNESS.index(min(BRIGHTNESS, key=lambda level: abs(level - int(rgb[5, 5, 0])))) for rgb in sample.rgb]


def test_a_sample_has_the_frames_and_masks_of_its_expression(tmp_path: Path):
    write_ref_ytvos(tmp_path)
    samples = samples_of(tmp_path)
    for number in range(12):
        sample = samples[number]
        assert sample.rgb.shape == (2, SIDE, SIDE, 3)
        assert sample.masks.shape == (1, 2, SIDE, SIDE)
        assert sample.shown.shape == (2, 0, 0, 0)
        indices = indices_of(sample)
        assert indices == sorted(set(indices))
        thing = 1 if "thing 1" in sample.texts[0] else 2
        assert np.array_equal(sample.masks[0], np.stack([enlarged(object_masks(thing)[t]) for t in indices]))
        assert abs(sample.rgb[:, 64:].astype(int) - (124, 116, 104)).max() == 0, "padded with what normalises to zero"


def test_an_epoch_shows_every_part_once_for_each_expression(tmp_path: Path):
    write_ref_ytvos(tmp_path)
    samples = samples_of(tmp_path, frames=1)
    assert samples.epoch_size == 2 * 2 * 3
    drawn = [(samples[n].texts, *indices_of(samples[n])) for n in range(12)]
    # The second object is gone in the last frame of both videos: others take the places of those two.
    assert len(set(drawn)) == 10
    assert samples_of(tmp_path, frames=2).epoch_size == 2 * 2 * 2
    assert [(samples[n].texts, *indices_of(samples[n])) for n in range(12, 24)] != drawn, "each epoch has its order"


def test_a_sample_depends_on_seed_and_number_alone(tmp_path: Path):
    write_ref_ytvos(tmp_path)
    samples, again = (samples_of(tmp_path, augment=True) for _ in range(2))
    forth = [samples[number] for number in range(20)]
    back = [again[number] for number in reversed(range(20))][::-1]
    assert all(map(same, forth, back))
    others = [samples_of(tmp_path, augment=True, seed=1)[number] for number in range(20)]
    assert not all(map(same, forth, others))


def test_half_of_the_augmented_samples_are_mirrored_with_their_words(tmp_path: Path):
    write_refcoco(tmp_path, split="train")
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:, : WIDTH // 2] = 255
    for name in ("a", "b"):
        Image.fromarray(picture).save(tmp_path / "train2014" / f"{name}.jpg", quality=100)
    path = tmp_path / "refcoco" / "instances_refcoco_train.json"
    path.write_text(path.read_text().replace("first", "Bright LEFT  one").replace("second", "bright left one"))
    clips = [(clip, False) for clip in read_split(Split("refcoco", str(tmp_path), "train"))][:2]
    samples = DescribedSamples(clips, side_px=SIDE, frames=1, augment=True, seed=(0, 0))
    plain = DescribedSamples(clips, side_px=SIDE, frames=1, augment=False, seed=(0, 0))[0]
    assert plain.texts == ("bright left one",)
    mirrored, levels = 0, set()
    for number in range(40):
        sample = samples[number]
        left, right = (int(sample.rgb[0, 20, column, 0]) for column in (4, 92))
        levels.add(max(left, right))
        if right > left:
            mirrored += 1
            assert sample.texts == ("bright right one",)
            assert np.array_equal(sample.masks, plain.masks[..., ::-1])
        else:
            assert sample.texts == ("bright left one",)
            assert np.array_equal(sample.masks, plain.masks)
    assert 10 < mirrored < 30
    path.write_text(path.read_text().replace("Bright LEFT  one", "what is left behind"))
    other = [(clip, False) for clip in read_split(Split("refcoco", str(tmp_path), "train"))][:1]
    samples = DescribedSamples(other, side_px=SIDE, frames=1, augment=True, seed=(0, 0))
    assert {samples[number].texts for number in range(20)} == {("what is left behind",)}, "no side is meant"
    assert len(levels) > 10, "light changes too"


def test_a_photograph_is_repeated_where_a_clip_is_asked(tmp_path: Path):
    write_refcoco(tmp_path, "refcoco+", "train")
    clips = [(clip, False) for clip in read_split(Split("refcoco+", str(tmp_path), "train"))]
    sample = DescribedSamples(clips, side_px=SIDE, frames=3, augment=False, seed=(0, 0))[0]
    assert np.array_equal(sample.rgb[0], sample.rgb[2])
    assert sample.masks[0, 0].any()


def test_mevis_masks_are_the_union_of_what_is_described(tmp_path: Path):
    write_mevis(tmp_path)
    clips = [(clip, True) for clip in read_split(Split("mevis", str(tmp_path), "valid_u"))]
    samples = DescribedSamples(clips, side_px=SIDE, frames=3, augment=False, seed=(0, 0))
    both = next(samples[number] for number in range(8) if "both" in samples[number].texts[0])
    assert indices_of(both) == [0, 1, 2]
    assert np.array_equal(both.masks[0, 0], enlarged(object_masks(1)[0] | object_masks(2)[0]))


def test_frames_near_the_centre():
    rng = np.random.default_rng(0)
    reached = set()
    for centre in (0, 3, 20, 39):
        for _ in range(50):
            chosen = choose_frames(40, 8, centre, rng, whole=False)
            assert len(set(chosen)) == 8
            assert chosen == sorted(chosen)
            assert centre in chosen
            assert all(0 <= index < 40 and centre - 8 <= index < centre + 8 for index in chosen)
            reached.update(chosen)
    assert {12, 27, 31, 0} <= reached


def test_frames_from_all_over_a_video():
    rng = np.random.default_rng(0)
    reached = set()
    for _ in range(200):
        chosen = choose_frames(40, 8, 20, rng, whole=True)
        assert len(set(chosen)) == 8
        assert 20 in chosen
        assert {17, 18, 19} & set(chosen)
        assert {21, 22, 23} & set(chosen)
        reached.update(chosen)
    assert reached == set(range(40))
    assert choose_frames(40, 1, 20, rng, whole=True) == [20]
    assert set(choose_frames(3, 8, 1, rng, whole=True)) == {0, 1, 2}
    assert choose_frames(1, 4, 0, rng, whole=False) == [0, 0, 0, 0]


def test_pictures_are_resized_smoothly_and_masks_sharply():
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:, 2:] = 200
    small = fit_pictures([picture], (2, 2))
    assert small.dtype == np.uint8
    assert 0 < small[0, 0, 0, 0] < small[0, 0, 1, 0] < 200
    assert np.array_equal(fit_pictures([picture], (4, 4))[0], picture)
    assert fit_masks([picture[..., 0] > 0], (2, 2)).tolist() == [[[0, 1], [0, 1]]]


def test_light_is_that_of_the_whole_clip_and_stays_in_range():
    rgb = np.array([(0, 0, 0), (120, 110, 90), (255, 255, 255)], np.uint8).reshape(1, 1, 3, 3).repeat(2, 0)
    rng = np.random.default_rng(0)
    changed = [change_light(rgb, rng) for _ in range(20)]
    for clip in changed:
        assert np.array_equal(clip[0], clip[1])
        assert (np.diff(clip[0, 0, :, 0].astype(int)) >= 0).all(), "nothing wraps around"
    middle = np.array([clip[0, 0, 1] for clip in changed], int)
    assert np.ptp(middle.mean(1)) > 30, "brightness"
    assert {0, 255} < {int(value) for clip in changed for value in clip[0, 0, ::2].flat}, "contrast"
    colourful = middle[:, 0] - middle[:, 2]
    assert colourful.min() < 30 < colourful.max(), "saturation"
    assert (middle[:, 0] > middle[:, 1]).all(), "the hue stays"


def test_the_last_videos_are_taken_whole(tmp_path: Path):
    write_ref_ytvos(tmp_path)
    clips = read_split(Split("ref-ytvos", str(tmp_path), "train"))
    assert last_videos(clips, 1) == last_videos(clips, 2) == clips[2:]
    assert last_videos(clips, 3) == last_videos(clips, 99) == clips


def test_splits_that_cannot_be_trained_on(tmp_path: Path):
    write_ref_ytvos(tmp_path)
    with pytest.raises(ConfigError, match="data set is 'coco', expected one of ref-ytvos, mevis, ref-davis, refcoco, "):
        read_split(Split("coco", str(tmp_path), "train"))
    with pytest.raises(ConfigError, match="ref-ytvos valid keeps its masks to itself, expected a split that has them"):
        read_split(Split("ref-ytvos", str(tmp_path), "valid"))
    lists = tmp_path / "meta_expressions" / "train" / "meta_expressions.json"
    lists.write_text('{"videos": {}}')
    with pytest.raises(DatasetError, match=r"ref-ytvos train in .* holds no expression, expected at least one"):
        read_split(Split("ref-ytvos", str(tmp_path), "train"))


def test_data_in_which_nothing_is_to_be_seen(tmp_path: Path):
    write_ref_ytvos(tmp_path)
    clip = read_split(Split("ref-ytvos", str(tmp_path), "train"))[1]
    labels = tmp_path / "train" / "Annotations" / clip.video
    for name in FRAMES:
        Image.new("L", (WIDTH, HEIGHT)).save(labels / f"{name}.png")
    samples = DescribedSamples([(clip, False)], side_px=SIDE, frames=2, augment=False, seed=(0, 0))
    with pytest.raises(
        DatasetError, match=r"100 clips in a row show nothing of what they describe, .* 'boats', expected"
    ):
        samples[0]


def test_masks_of_another_size(tmp_path: Path):
    write_ref_ytvos(tmp_path)
    for path in (tmp_path / "train" / "Annotations").glob("*/*.png"):
        Image.open(path).resize((12, 8), Image.Resampling.NEAREST).save(path)
    with pytest.raises(
        DatasetError, match="has 12x8 px, expected the image's 24x16: take images and annotations of one"
    ):
        samples_of(tmp_path)[0]
