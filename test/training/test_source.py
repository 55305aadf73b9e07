"""The synthetic world and real data sets as sources of batches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from dataset_folders import FRAMES, KnowingSegmenter, object_masks, write_mevis, write_ref_ytvos, write_refcoco
from photo_folder import make_photographs
from PIL import Image

from samwise_ros.data.photographs import load_photographs
from samwise_ros.errors import ConfigError, DatasetError
from samwise_ros.training import samples, source
from samwise_ros.training.recipe import read_recipe
from samwise_ros.training.source import open_source


def test_samples_do_not_depend_on_where_a_run_was_resumed(write_recipe, small_run, monkeypatch):
    monkeypatch.setattr(source, "PART_STEPS", 3)
    made = open_source(read_recipe(write_recipe()))
    whole = [batch for step in (0, 3, 4) for batch in made.batches(step, 1)]
    assert len(whole) == 6
    for step in (1, 2, 5):
        batch = next(made.batches(step, 1))
        assert torch.equal(batch.rgb, whole[step].rgb)
        assert batch.texts == whole[step].texts
    assert not any(torch.equal(whole[a].rgb[0], whole[b].rgb[0]) for a in range(4) for b in range(a))


def test_a_recipe_that_no_world_fits_is_told_in_one_sentence(write_recipe, monkeypatch):
    monkeypatch.setattr(samples, "MAX_USELESS", 3)
    weights = {"first_world": 0, "expression_weights": {"motion": 1.0}}
    stage = {"side_px": 64, "frames": 1, "batch": 1, "expressions": 1, "zoom": 1.0, "steps": 2}
    made = open_source(read_recipe(write_recipe(data=weights, stages=[stage])))
    with pytest.raises(DatasetError, match=r"^of 3 worlds none has 1 expressions that can be asked .* need four\)$"):
        next(made.batches(0, 1))


def test_photographs_are_read_before_anything_is_made(write_recipe, tmp_path: Path):
    """A wrong folder is told at once, and the processes that make samples share what was read."""
    data = {"first_world": 0, "expression_weights": {"colour": 1.0}, "photographs": str(tmp_path / "photographs")}
    recipe = read_recipe(write_recipe(data=data))
    with pytest.raises(DatasetError, match=r"folder of photographs '.*photographs/surfaces' has no .* files: collect"):
        open_source(recipe)
    make_photographs(tmp_path / "photographs")
    made = open_source(recipe)
    before = load_photographs.cache_info().misses
    load_photographs(tmp_path / "photographs", torch.device("cpu"))
    assert load_photographs.cache_info().misses == before
    assert next(made.batches(0, 1)).texts


def test_stages_that_take_turns_have_worlds_of_their_own(write_recipe, small_run, monkeypatch):
    monkeypatch.setattr(source, "PART_STEPS", 4)
    stage = {"side_px": 64, "frames": 1, "batch": 1, "expressions": 1, "zoom": 1, "steps": 4}
    made = open_source(read_recipe(write_recipe(stages=[[stage, {**stage, "batch": 2, "steps": 2}]])))
    whole = [batch for step in (0, 4) for batch in made.batches(step, 1)]
    assert [len(batch.rgb) for batch in whole] == [1, 2, 1, 1, 2, 1]
    for step in (1, 2, 5):
        assert torch.equal(next(made.batches(step, 1)).rgb, whole[step].rgb), "as without a stop"
    pictures = [picture for batch in whole for picture in batch.rgb]
    assert not any(torch.equal(pictures[a], pictures[b]) for a in range(8) for b in range(a))


REAL_LOSSES = {"focal": 1.0, "dice": 1.0, "score": 0.0, "cme": 1.0, "choice": 0.0, "auxiliary": 0.0}
REAL_STAGES = [
    {"side_px": 64, "frames": 2, "batch": 2, "expressions": 1, "zoom": 1, "steps": 6},
    {"side_px": 128, "frames": 1, "batch": 3, "expressions": 1, "zoom": 1, "steps": 2},
]


def split(dataset: str, folder: Path, part: str) -> dict[str, str]:
    return {"dataset": dataset, "folder": str(folder), "split": part}


def open_real(write_recipe, train: list, validate: dict, **changes: object) -> source.Source:
    data = {"train": train, "validate": validate, "augment": True}
    return open_source(read_recipe(write_recipe(data=data, stages=REAL_STAGES, loss_weights=REAL_LOSSES, **changes)))


def answers() -> dict[str, list[np.ndarray]]:
    """What a model that knows the second video of `write_ref_ytvos` says."""
    return {"cats thing 1, text 0": object_masks(1), "cats thing 2, text 1": object_masks(2)}


def test_real_batches_depend_on_the_step_alone(write_recipe, tmp_path: Path):
    write_ref_ytvos(tmp_path)
    ytvos = split("ref-ytvos", tmp_path, "train")
    made = open_real(write_recipe, [ytvos], ytvos)
    first, second = list(made.batches(0, 1)), list(made.batches(6, 1))
    assert [len(first), len(second)] == [6, 2]
    assert first[0].rgb.shape == (2, 2, 64, 64, 3)
    assert first[0].mask.shape == (4, 64, 64)
    assert first[0].shown.shape == (4, 0, 0, 0)
    assert second[0].rgb.shape == (3, 1, 128, 128, 3)
    for step, workers in ((2, 2), (5, 1), (7, 2)):
        batch = next(made.batches(step, workers))
        whole = (first + second)[step]
        assert torch.equal(batch.rgb, whole.rgb)
        assert torch.equal(batch.mask, whole.mask)
        assert batch.texts == whole.texts


def test_real_stages_take_turns(write_recipe, tmp_path: Path):
    write_ref_ytvos(tmp_path)
    ytvos = split("ref-ytvos", tmp_path, "train")
    data = {"train": [ytvos], "validate": ytvos, "augment": True}
    made = open_source(read_recipe(write_recipe(data=data, stages=[REAL_STAGES], loss_weights=REAL_LOSSES)))
    whole = list(made.batches(0, 1))
    assert [batch.rgb.shape[2] for batch in whole] == [64, 64, 128, 64, 64, 64, 128, 64]
    for step in (2, 3, 6):
        assert torch.equal(next(made.batches(step, 1)).rgb, whole[step].rgb)


def test_the_last_videos_are_held_out(write_recipe, tmp_path: Path):
    write_ref_ytvos(tmp_path)
    ytvos = split("ref-ytvos", tmp_path, "train")
    made = open_real(write_recipe, [ytvos], ytvos, validation_clips=1)
    texts = {text for step in (0, 6) for batch in made.batches(step, 1) for text in batch.texts}
    assert texts == set(made.texts()) == {"boats thing 1, text 0", "boats thing 2, text 1"}
    segmenter = KnowingSegmenter(answers())
    assert made.validate(segmenter, tmp_path / "a" / "0.png") == {"J": 1.0, "F": 1.0, "all": 1.0}
    assert max(segmenter.batches) == 1, "one expression was asked for"
    with pytest.raises(
        ConfigError, match=r"takes all pictures, of 4 expressions, expected some .* lower validation_clips"
    ):
        open_real(write_recipe, [ytvos], ytvos, validation_clips=3)


def test_the_picture_of_a_validation_on_video(write_recipe, small_run, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(source, "VALIDATION_FRAMES", 12)
    write_ref_ytvos(tmp_path)
    ytvos = split("ref-ytvos", tmp_path, "train")
    wrong = KnowingSegmenter({"cats thing 1, text 0": object_masks(1)})
    scores = open_real(write_recipe, [ytvos], ytvos, validation_clips=2).validate(wrong, tmp_path / "0.png")
    # Of the second object a mask without pixels is right in the last of three frames.
    assert scores["J"] == pytest.approx((1 + 1 / 3) / 2)
    picture = np.asarray(Image.open(tmp_path / "0.png"))
    assert picture.shape == (48, 2 * 72, 3), "two frames of 24 x 16 px, three times as large"
    coloured = np.ptp(picture.astype(int), axis=2) > 40
    assert coloured[:, :72].any()
    assert coloured[:, 72:].any()


def test_photographs_are_judged_by_iou_and_never_trained_on(write_recipe, small_run, tmp_path: Path):
    write_refcoco(tmp_path, split="train")
    images = tmp_path / "refcoco"
    contents = json.loads((images / "instances_refcoco_train.json").read_text())
    contents["images"] = contents["images"][2:]  # the photograph `b`
    (images / "instances_refcoco_val.json").write_text(json.dumps(contents))
    train, validate = (split("refcoco", tmp_path, part) for part in ("train", "val"))
    made = open_real(write_recipe, [train], validate, validation_clips=10)
    assert list(made.texts()) == ["first", "second"], "photograph `b` is judged on"
    mask = np.zeros((16, 24), bool)
    mask[:, 2:3] = True
    assert made.validate(KnowingSegmenter({"third": [mask]}), tmp_path / "0.png") == {"oIoU": 1, "mIoU": 1, "all": 1}
    half = np.zeros((16, 24), bool)
    half[:8, 2:3] = True
    assert made.validate(KnowingSegmenter({"third": [half]}), tmp_path / "0.png")["all"] == 0.5


def test_a_broken_file_is_told_in_one_sentence(write_recipe, tmp_path: Path):
    write_ref_ytvos(tmp_path)
    ytvos = split("ref-ytvos", tmp_path, "train")
    made = open_real(write_recipe, [ytvos], ytvos)
    for path in tmp_path.glob("train/JPEGImages/boats/*.jpg"):
        path.unlink()
    with pytest.raises(
        DatasetError, match=r"^image '\S+jpg' is missing or broken: extract the data set's archive again$"
    ):
        next(made.batches(0, 1))


def test_data_sets_are_mixed(write_recipe, tmp_path: Path):
    write_ref_ytvos(tmp_path / "ytvos")
    write_mevis(tmp_path / "mevis")
    ytvos, mevis = split("ref-ytvos", tmp_path / "ytvos", "train"), split("mevis", tmp_path / "mevis", "valid_u")
    made = open_real(write_recipe, [ytvos, mevis], mevis, validation_clips=2)
    texts = [text for batch in made.batches(0, 1) for text in batch.texts]
    assert {text.split()[1] for text in texts} >= {"thing", "both"}
    assert not any(text.startswith("cats both") for text in texts)
    assert {clip.frame_paths[0].name for clip, _ in made._clips} == {f"{FRAMES[0]}.jpg"}
    assert [whole for _, whole in made._clips] == [False] * 4 + [True] * 2
