"""Training recipes."""

from pathlib import Path

import pytest
import yaml

from samwise_ros.data import refcoco
from samwise_ros.data.vocabulary import EXPRESSION_KINDS
from samwise_ros.errors import ConfigError
from samwise_ros.training.described import VIDEO_SETS
from samwise_ros.training.recipe import Split, Splits, Stage, Worlds, read_recipe

CONFIG = Path(__file__).parents[2] / "config"
RECIPES = sorted(CONFIG.glob("train_*.yaml"))
COMPACT, VIDEO = CONFIG / "train_compact.yaml", CONFIG / "train_video.yaml"
REFSAM = CONFIG / "train_refsam_compact.yaml"
YTVOS = {"dataset": "ref-ytvos", "folder": "a", "split": "train"}


def written(tmp_path: Path, base: Path = COMPACT, **changes: object) -> Path:
    values = yaml.safe_load(base.read_text()) | changes
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in values.items() if value != "left out"}))
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_shipped_recipes_are_read(path: Path):
    recipe = read_recipe(path)
    assert recipe.steps == sum(stage.steps for stage in recipe.each_stage())
    if isinstance(recipe.data, Splits):
        known = {*VIDEO_SETS, *refcoco.SPLITS}
        assert {split.dataset for split in (*recipe.data.train, recipe.data.validate)} <= known


def test_there_is_a_recipe_for_each_way_to_train():
    assert {path.stem: read_recipe(path).model for path in RECIPES} == {
        "train_compact": "compact",
        "train_compact_further": "compact",
        "train_pretrain": "base_plus",
        "train_mevis": "base_plus",
        "train_video": "base_plus",
        "train_refsam_compact": "refsam_compact",
        "train_refsam_pretrain": "refsam_b",
        "train_refsam_video": "refsam_b",
    }
    for data in (read_recipe(COMPACT).data, read_recipe(REFSAM).data):
        assert isinstance(data, Worlds)
        assert all(data.expression_weights[kind] > 0 for kind in EXPRESSION_KINDS)
    ytvos = Split("ref-ytvos", "data/ref-youtube-vos", "train")
    assert read_recipe(VIDEO).data == Splits((ytvos,), ytvos, False)


def test_the_stage_of_a_step(tmp_path):
    stages = [
        {"side_px": 64, "frames": 1, "batch": 1, "expressions": 2, "zoom": 1, "steps": 3},
        {"side_px": 128, "frames": 4, "batch": 1, "expressions": 1, "zoom": 1, "steps": 2},
    ]
    recipe = read_recipe(written(tmp_path, stages=stages))
    small, large = Stage(64, 1, 1, 2, 1, 3), Stage(128, 4, 1, 1, 1, 2)
    assert [recipe.stage_at(step) for step in range(5)] == [small] * 3 + [large] * 2
    assert [recipe.group_at(step) for step in (0, 2, 4)] == [((small,), 0), ((small,), 2), ((large,), 1)]
    with pytest.raises(IndexError):
        recipe.stage_at(5)
    # 3 steps of a picture with 2 expressions at 64 px, then 2 of 4 at 128 px, which has four times the pixels.
    assert [recipe.progress(step) for step in (0, 3, 4, 5)] == pytest.approx([0, 6 / 38, 22 / 38, 1])


def test_stages_that_take_turns(tmp_path):
    alone, often, seldom = (
        {"side_px": side_px, "frames": 1, "batch": 1, "expressions": 1, "zoom": 1, "steps": steps}
        for side_px, steps in ((64, 2), (64, 6), (128, 2))
    )
    recipe = read_recipe(written(tmp_path, stages=[alone, [often, seldom]]))
    assert recipe.steps == 10
    assert [recipe.stage_at(step).side_px for step in range(10)] == [64] * 4 + [128] + [64] * 3 + [128, 64]
    assert recipe.group_at(9)[1] == 7
    # Pictures of 64 px have one part, those of 128 px four.
    assert [recipe.progress(step) for step in (0, 4, 5, 10)] == pytest.approx([0, 4 / 16, 8 / 16, 1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "huge"}, "model preset is 'huge', expected one of compact"),
        (
            {"seed": "left out"},
            "has keys .*, expected exactly model, leave_out, start_from, seed, .*: add or remove keys",
        ),
        ({"sead": 1}, "has keys .*sead.*, expected exactly"),
        ({"stages": "left out"}, "has no list of stages"),
        ({"stages": [[]]}, "has an empty list among its stages, expected stages that take turns: fill it"),
        ({"stages": [[{"side_px": 64}]]}, "a stage of .* has keys side_px, expected exactly side_px, frames"),
        ({"stages": [3]}, "a stage of .* has keys 3, expected exactly side_px, frames"),
        ({"stages": [{"side_px": 64}]}, "a stage of .* has keys side_px, expected exactly side_px, frames"),
        (
            {"stages": [{"side_px": 100, "frames": 1, "batch": 1, "expressions": 1, "zoom": 1, "steps": 1}]},
            "a side that 64 divides",
        ),
        (
            {"stages": [{"side_px": 64, "frames": 1, "batch": 1, "expressions": 1, "zoom": 0.5, "steps": 1}]},
            "expected positive numbers",
        ),
        (
            {"stages": [{"side_px": 64, "frames": 1, "batch": 1, "expressions": 1, "zoom": "1e0", "steps": 1}]},
            "zoom='1e0', steps=1.* expected positive numbers, all whole but zoom",
        ),
        (
            {"stages": [{"side_px": 64, "frames": 1.5, "batch": 1, "expressions": 1, "zoom": 1, "steps": 1}]},
            "frames=1.5, .* expected positive numbers, all whole but zoom",
        ),
        (
            {"loss_weights": {"focal": "1e1", "dice": 1, "score": 1, "cme": 1, "choice": 1, "auxiliary": 1}},
            "has a weight of the focal loss '1e1', expected a number of at least 0",
        ),
        (
            {"data": {"first_world": 0, "expression_weights": ["colour"]}},
            r"has expression_weights \['colour'\], expected a number for each kind",
        ),
        (
            {"data": {"first_world": 0, "expression_weights": {"colour": "1e1"}}},
            "has an expression weight of colour '1e1', expected a number of at least 0",
        ),
        (
            {
                "stages": [{"side_px": 64, "frames": 2, "batch": 1, "expressions": 0, "zoom": 1, "steps": 1}],
                "loss_weights": {"focal": 1, "dice": 1, "score": 1, "cme": 1, "choice": 1, "auxiliary": 0},
            },
            "asks nothing, expected the auxiliary loss, which is all that is left to learn from: weigh it",
        ),
        ({"leave_out": ["everything"]}, r"has leave_out \['everything'\], expected a list of some of vision_to_text"),
        ({"leave_out": None}, "has leave_out None, expected a list"),
        (
            {"leave_out": ["memory_check"], "start_from": "w.safetensors"},
            "leaves out memory_check and starts from weights, expected one of both",
        ),
        ({"warmup_steps": 0}, "has warmup_steps 0, expected a number of at least 1: correct it"),
        ({"learning_rate": "1e-3"}, "has learning_rate '1e-3', expected a number .* takes 1e-3 for a word"),
        ({"ema_decay": 1.0}, "has ema_decay 1.0, expected 0 to below 1"),
        (
            {"loss_weights": None},
            "weighs losses None, expected exactly",
        ),
        (
            {"model": []},
            r"model preset is \[\], expected one of compact",
        ),
        (
            {"loss_weights": {"focal": 1.0}},
            "weighs losses focal, expected exactly focal, dice, score, cme, choice, auxiliary",
        ),
        (
            {"learning_rate_factors": [0.1]},
            r"has learning_rate_factors \[0\.1\], expected parts .* \{sam.mask_decoder: 0",
        ),
        (
            {"learning_rate_factors": {"sam": "0,1"}},
            "has a learning rate factor of sam '0,1', expected a number of at least 0",
        ),
        ({"max_gradient": -1}, "has max_gradient -1, expected a number of at least 0"),
        ({"max_gradient": 0}, "has max_gradient 0, of which nothing is learnt, expected more"),
        (
            {"model": "base_plus"},
            "base_plus from nothing, whose text_encoder and sam stay .* `samwise convert --text-encoder`",
        ),
        (
            {"data": "left out"},
            "data of recipe .* has keys None, expected exactly first_world, .*, or train, validate, aug",
        ),
        (
            {"data": {"first_world": -1, "expression_weights": {}}},
            "has first_world -1, expected a number of at least 0",
        ),
        (
            {"data": {"first_world": 0, "expression_weights": {}, "reworded": 1.5}},
            r"has reworded 1\.5, expected a share of 0 to 1: correct it",
        ),
        (
            {"data": {"first_world": 0, "expression_weights": {}, "reworded": "half"}},
            "has reworded 'half', expected a number of at least 0",
        ),
        (
            {"data": {"first_world": 0, "expression_weights": {}, "photographs": ["a", "b"]}},
            r"has photographs \['a', 'b'\], expected the name of a folder: put it in quotes",
        ),
        (
            {"data": {"first_world": 0, "expression_weights": {}, "photographs": ""}},
            "has photographs '', expected the name of a folder: put it in quotes",
        ),
        (
            {"data": {"first_world": 0, "expression_weights": {"taste": 1}}},
            "weighs expressions of kind taste, expected colour, kind, .*: correct expression_weights",
        ),
    ],
)
def test_wrong_recipes(tmp_path, changes: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=message):
        read_recipe(written(tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"leave_out": ["memory_check"]},
            "expected a list of some of dense_attention, hierarchical_attention, tracking, pyramid: take",
        ),
        (
            {"loss_weights": {"focal": 1.0, "dice": 1.0, "score": 0.1, "cme": 1.0, "choice": 0.0, "auxiliary": 0.0}},
            "weighs losses score, cme, expected 0 for refsam_compact, which has no object score and no memory check",
        ),
    ],
)
def test_what_refsam_does_not_have(tmp_path, changes: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=message):
        read_recipe(written(tmp_path, REFSAM, **changes))
    assert read_recipe(written(tmp_path, REFSAM, leave_out=["tracking"])).leave_out == ("tracking",)


def test_parts_that_learn_at_a_rate_of_their_own(tmp_path):
    assert read_recipe(COMPACT).learning_rate_factors == {"pyramid": 1.6}
    factors = {"sam.mask_decoder": 0.01}
    assert read_recipe(CONFIG / "train_refsam_video.yaml").learning_rate_factors == factors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": []}, "has no list of splits to train on, expected `train` with at least one: add it"),
        (
            {"train": [{"dataset": "mevis"}]},
            "a split of train in .* has keys dataset, expected exactly dataset, folder",
        ),
        ({"validate": {**YTVOS, "split": 1}}, "validate in .* expected three words: put them in quotes"),
        ({"validate": None}, "validate in .* has keys None, expected exactly dataset, folder, split"),
        ({"augment": "yes please"}, "has augment 'yes please', expected true or false"),
        ({"more": 1}, "data of recipe .* has keys .*more.*, expected exactly train, validate, augment: add or remove"),
    ],
)
def test_wrong_real_data(tmp_path, changes: dict[str, object], message: str):
    data = {"train": [YTVOS], "validate": YTVOS, "augment": False} | changes
    with pytest.raises(ConfigError, match=message):
        read_recipe(written(tmp_path, VIDEO, data=data))


def test_what_real_data_do_not_have(tmp_path):
    losses = {"focal": 1.0, "dice": 1.0, "score": 0.0, "cme": 1.0, "choice": 0.0, "auxiliary": 0.0}
    for name in ("choice", "auxiliary"):
        message = rf"the {name} loss weight 0\.5, expected 0: real data sets do not name and number all things"
        with pytest.raises(ConfigError, match=message):
            read_recipe(written(tmp_path, VIDEO, loss_weights=losses | {name: 0.5}))
    stages = [{"side_px": 64, "frames": 1, "batch": 1, "expressions": 2, "zoom": 1, "steps": 1}]
    with pytest.raises(
        ConfigError, match="asks 2 expressions of a clip and has zoom 1, expected 1 and 1 for real data sets: put more"
    ):
        read_recipe(written(tmp_path, VIDEO, stages=stages))


def test_missing_recipe(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read .*, expected a YAML file"):
        read_recipe(tmp_path / "none.yaml")
