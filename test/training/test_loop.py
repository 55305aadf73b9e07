"""A few steps of training."""

import csv
from pathlib import Path

import pytest
import torch
import yaml

from samwise_ros.errors import CheckpointError, ConfigError
from samwise_ros.model.build import build_segmenter
from samwise_ros.training import loop, samples
from samwise_ros.training.loop import Trainer, train
from samwise_ros.training.recipe import read_recipe

SHIPPED = Path(__file__).parents[2] / "config" / "train_compact.yaml"
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(samples, "BUFFER_SIZE", 4)
    monkeypatch.setattr(loop, "CORPUS_WORLDS", 3)


@pytest.fixture
def recipe_path(tmp_path: Path) -> Path:
    stages = [
        {"side_px": 64, "frames": 1, "batch": 4, "steps": 2},
        {"side_px": 64, "frames": 6, "batch": 1, "steps": 1},
    ]
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(SHIPPED.read_text()) | {"stages": stages}))
    return path


def test_a_run_leaves_weights_that_the_package_loads(recipe_path: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    train(recipe_path, tmp_path / "out", device="cpu")
    segmenter = build_segmenter("compact", weights=tmp_path / "out" / "compact.safetensors", device="cpu")
    assert segmenter.encode_text("the red ball").tokens.shape[0] == 1
    rows = list(csv.DictReader((tmp_path / "out" / "log.csv").open()))
    assert [row["frames"] for row in rows] == ["1", "1", "6"]
    assert rows[2]["cme"], "a clip of six frames trains the Conditional Memory Encoder"


def test_an_earlier_run_is_not_overwritten(recipe_path: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "state.pt").write_bytes(b"x")
    with pytest.raises(ConfigError, match="holds an earlier run, expected an empty folder: pass --resume"):
        train(recipe_path, tmp_path / "out")
    with pytest.raises(CheckpointError, match=r"state\.pt cannot be resumed .* start anew"):
        train(recipe_path, tmp_path / "out", resume=True, device="cpu")


def test_a_resumed_run_is_where_it_stopped(recipe_path: Path, tmp_path: Path):
    trainer = Trainer(read_recipe(recipe_path), tmp_path, CPU)
    batch = next(trainer._batches(trainer.recipe.stages[0], 1))
    trainer.network.set_image_side(64)
    trainer.train_step(batch)
    trainer.save()
    resumed = Trainer(trainer.recipe, tmp_path, CPU)
    resumed.resume()
    resumed.network.set_image_side(64)
    assert (resumed.step, resumed.worlds_seen) == (1, trainer.worlds_seen)
    assert resumed.train_step(batch) == pytest.approx(trainer.train_step(batch), rel=1e-4)
    for ours, theirs in zip(resumed.network.parameters(), trainer.network.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_one_batch_is_learnt_and_every_part_learns(recipe_path: Path, tmp_path: Path):
    trainer = Trainer(read_recipe(recipe_path), tmp_path, CPU)
    trainer.network.set_image_side(64)
    before = {name: value.clone() for name, value in trainer.network.named_parameters()}
    batch = next(trainer._batches(trainer.recipe.stages[0], 1))
    first = trainer.train_step(batch)
    # The schedule ends after three steps; here the learning rate stays.
    trainer.schedule.step = lambda: None
    for group in trainer.optimizer.param_groups:
        group["lr"] = 1e-3
    for _ in range(15):
        last = trainer.train_step(batch)
    assert last["mask"] < 0.9 * first["mask"]
    assert last["auxiliary"] < 0.7 * first["auxiliary"]
    learnt = {
        name.split(".")[0] + "." + name.split(".")[1]
        for name, value in trainer.network.named_parameters()
        if not torch.equal(value, before[name])
    }
    assert {"adapters.0", "adapters.1", "adapters.2", "sam.image_encoder", "sam.sam_mask_decoder"} <= learnt
    assert {"text_encoder.roberta", "project_text.0", "project_text.2", "project_text.4"} <= learnt
