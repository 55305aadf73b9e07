"""Training recipes."""

from pathlib import Path

import pytest
import yaml

from samwise_ros.errors import ConfigError
from samwise_ros.training.recipe import Stage, read_recipe

SHIPPED = Path(__file__).parents[2] / "config" / "train_compact.yaml"


def written(tmp_path: Path, **changes: object) -> Path:
    values = yaml.safe_load(SHIPPED.read_text()) | changes
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in values.items() if value != "left out"}))
    return path


def test_the_shipped_recipe_is_read():
    recipe = read_recipe(SHIPPED)
    assert recipe.model == "compact"
    assert recipe.steps == sum(stage.steps for stage in recipe.stages)


def test_the_stage_of_a_step(tmp_path):
    stages = [
        {"side_px": 64, "frames": 1, "batch": 2, "steps": 3},
        {"side_px": 128, "frames": 4, "batch": 1, "steps": 2},
    ]
    recipe = read_recipe(written(tmp_path, stages=stages))
    assert recipe.stage_at(0) == (Stage(64, 1, 2, 3), 3)
    assert recipe.stage_at(2) == (Stage(64, 1, 2, 3), 1)
    assert recipe.stage_at(4) == (Stage(128, 4, 1, 2), 1)
    with pytest.raises(IndexError):
        recipe.stage_at(5)
    # 3 steps of 2 pictures at 64 px, then 2 of 4 at 128 px, which has four times the pixels.
    assert [recipe.progress(step) for step in (0, 3, 4, 5)] == pytest.approx([0, 6 / 38, 22 / 38, 1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "huge"}, "model preset is 'huge', expected one of compact"),
        ({"seed": "left out"}, "has keys .*, expected exactly model, start_from, seed, .*: add or remove keys"),
        ({"sead": 1}, "has keys .*sead.*, expected exactly"),
        ({"stages": "left out"}, "has no list of stages"),
        ({"stages": [{"side_px": 64}]}, "a stage of .* has keys side_px, expected exactly side_px, frames"),
        ({"stages": [{"side_px": 100, "frames": 1, "batch": 1, "steps": 1}]}, "a side that 64 divides"),
        ({"stages": [{"side_px": 64, "frames": 0, "batch": 1, "steps": 1}]}, "expected positive numbers"),
        ({"warmup_steps": 0}, "has warmup_steps 0, expected a number of at least 1: correct it"),
        ({"learning_rate": "1e-3"}, "has learning_rate '1e-3', expected a number .* takes 1e-3 for a word"),
        ({"ema_decay": 1.0}, "has ema_decay 1.0, expected 0 to below 1"),
        ({"loss_weights": {"focal": 1.0}}, "weighs losses focal, expected exactly focal, dice, score, cme, auxiliary"),
        ({"expression_weights": {"taste": 1}}, "weighs expressions of kind taste, expected colour, shape"),
    ],
)
def test_wrong_recipes(tmp_path, changes: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=message):
        read_recipe(written(tmp_path, **changes))


def test_missing_recipe(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read .*, expected a YAML file"):
        read_recipe(tmp_path / "none.yaml")
