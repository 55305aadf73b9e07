"""A training recipe: one YAML file, checked strictly. Called by `training.loop`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import yaml

from samwise_ros.config import OPTIONAL_PARTS, REFSAM_PARTS, RefSamConfig, preset
from samwise_ros.data.vocabulary import EXPRESSION_KINDS
from samwise_ros.errors import ConfigError

T = TypeVar("T")

LOSSES = ("focal", "dice", "score", "cme", "choice", "auxiliary")
"""Names of what is minimised; see `training.losses`."""

SAMWISE_LOSSES = ("score", "cme")
"""Those of parts that RefSAM does not have."""

SYNTHETIC_LOSSES = ("choice", "auxiliary")
"""Those for which all that is in view has to be known; see `training.auxiliary`."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the training with clips of one size.

    Attributes:
        side_px: side of the square pictures; a multiple of 64.
        frames: length of a clip.
        batch: clips per step, of all processes together.
        expressions: asked of each clip; 0 trains the image backbone alone, to name what it sees, and in clips of
            several frames SAMWISE's adapter 0, to name how that moves.
        zoom: the cameras of varied synthetic worlds come up to so much closer than usual, which shows things as large
            as in a larger picture; some are farther away.
        steps: optimizer steps.
    """

    side_px: int
    frames: int
    batch: int
    expressions: int
    zoom: float
    steps: int

    @property
    def pixels_per_step(self) -> int:
        """Pixels that a step looks at, once for each expression."""
        return self.batch * max(1, self.expressions) * self.frames * self.side_px**2


Group: TypeAlias = tuple[Stage, ...]
"""Stages that take turns."""


@dataclass(frozen=True, slots=True)
class Worlds:
    """Train on the synthetic world.

    Attributes:
        first_world: number of the first world; see `training.source`.
        expression_weights: how often each kind of expression is drawn.
        reworded: share of the expressions that are put in other words, 0..1; see `data.wording`. A file without
            this key has 0.
        photographs: folder of photographs that some things and surfaces of varied worlds are; see `data.photographs`.
            A file without this key has none. A resumed run is not told apart by what is in it.
    """

    first_world: int
    expression_weights: dict[str, float]
    reworded: float
    photographs: str | None


@dataclass(frozen=True, slots=True)
class Split:
    """A part of a real data set.

    Attributes:
        dataset: name of the data set; see `training.described.read_split`.
        folder: where it lies.
        split: which part, in the data set's own words.
    """

    dataset: str
    folder: str
    split: str


@dataclass(frozen=True, slots=True)
class Splits:
    """Train on real data sets.

    Attributes:
        train: what to train on, mixed; at least one.
        validate: what to judge the weights on; where it is one of `train`, its last videos are held out.
        augment: mirror half of the clips and change their light.
    """

    train: tuple[Split, ...]
    validate: Split
    augment: bool


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what a training makes.

    Attributes:
        model: preset to train.
        leave_out: optional parts that fresh weights do without, of `config.OPTIONAL_PARTS` or `config.REFSAM_PARTS`.
        start_from: weights file to start from, whose tokenizer is kept; null for fresh weights.
        seed: of the initial weights, and of the order of real clips.
        data: what to train on.
        learning_rate: at its peak; one cosine down to zero over all stages, see `progress`.
        learning_rate_factors: by name of a part of the network, what its learning rate is multiplied with; of all other
            parts it is 1. A file without this key has none.
        muon_learning_rate: at its peak, of the hidden layers' matrices, which Muon then moves; null leaves them to
            AdamW, as the papers do. See `training.optimizers`. A file without this key has null.
        weight_decay: of both.
        warmup_steps: steps over which the learning rate rises to its peak.
        max_gradient: longer gradients of the network are shortened to this norm.
        ema_decay: what a step leaves of the averaged weights, 0 to below 1; see `training.ema`.
        bf16_on_cpu: bfloat16 arithmetic on CPUs too; on CUDA it is always on.
        loss_weights: of each of `LOSSES`; 0 for `SYNTHETIC_LOSSES` where real data are trained on.
        stages: groups, one after the other; the stages of a group take turns, so that none is forgotten over another.
            In a file a list within the list is a group, and what stands alone a group of its own.
        save_every_s: seconds between two saves of the resumable state.
        validate_every: steps between two validations.
        validation_clips: held-out clips in a validation; of real data so many expressions.
    """

    model: str
    leave_out: tuple[str, ...]
    start_from: str | None
    seed: int
    data: Worlds | Splits
    learning_rate: float
    learning_rate_factors: dict[str, float]
    muon_learning_rate: float | None
    weight_decay: float
    warmup_steps: int
    max_gradient: float
    ema_decay: float
    bf16_on_cpu: bool
    loss_weights: dict[str, float]
    stages: tuple[Group, ...]
    save_every_s: float
    validate_every: int
    validation_clips: int

    @property
    def steps(self) -> int:
        """Optimizer steps of all stages."""
        return sum(stage.steps for stage in self.each_stage())

    def each_stage(self) -> Iterator[Stage]:
        """All stages."""
        for group in self.stages:
            yield from group

    def progress(self, step: int) -> float:
        """Share of the training that is done before a step.

        Args:
            step: 0 .. `steps`.

        Returns:
            0..1, counted in pixels, so that a stage of large clips has its share of the learning rate's cosine.
        """
        done = 0
        for group in self.stages:
            order = take_turns(group)
            counts = np.bincount(order[: max(0, step)], minlength=len(group))
            done += sum(int(count) * stage.pixels_per_step for count, stage in zip(counts, group, strict=True))
            step -= len(order)
        return done / sum(stage.steps * stage.pixels_per_step for stage in self.each_stage())

    def stage_at(self, step: int) -> Stage:
        """The stage that a step of 0 .. `steps` - 1 belongs to."""
        group, done = self.group_at(step)
        return group[int(take_turns(group)[done])]

    def group_at(self, step: int) -> tuple[Group, int]:
        """The group that a step belongs to.

        Args:
            step: 0 .. `steps` - 1.

        Returns:
            The stages that take turns then, and how many steps of theirs are before this one.
        """
        for group in self.stages:
            steps = len(take_turns(group))
            if step < steps:
                return group, step
            step -= steps
        raise IndexError(f"step is {step} past the last stage")


@lru_cache(maxsize=8)
def take_turns(group: Group) -> npt.NDArray[np.intp]:
    """Which of a group's stages each of its steps belongs to: (steps,), all stages being ended at once."""
    ends = np.concatenate([(np.arange(stage.steps) + 0.5) / stage.steps for stage in group])
    owners = np.repeat(np.arange(len(group)), [stage.steps for stage in group])
    return owners[np.argsort(ends, kind="stable")]


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Args:
        path: the YAML file.

    Returns:
        The recipe.

    Raises:
        ConfigError: the file is missing or no YAML, a key is missing or unknown, or a value is out of range.
    """
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"recipe {path} cannot be read ({error}), expected a YAML file: check the path") from error
    if not isinstance(values, dict) or not isinstance(values.get("stages"), list):
        raise ConfigError(f"recipe {path} has no list of stages, expected keys {_keys(Recipe)}: add them")
    stages = tuple(_read_group(group, path) for group in values["stages"])
    data = _read_data(values.get("data"), path)
    given = {"learning_rate_factors": {}, "muon_learning_rate": None, **values, "data": data, "stages": stages}
    recipe = _fill(Recipe, given, f"recipe {path}")
    _check_numbers(recipe, path)
    _check_model(recipe, path)
    for stage in recipe.each_stage():
        counts = (stage.side_px, stage.frames, stage.batch, stage.steps, stage.expressions)
        numbers = all(type(count) is int for count in counts) and type(stage.zoom) in (int, float)
        if not numbers or stage.side_px % 64 or min(*counts[:4], stage.zoom) < 1 or stage.expressions < 0:
            raise ConfigError(
                f"{stage} in {path} cannot be, expected positive numbers, all whole but zoom, a side that 64 divides"
            )
        if not stage.expressions and not recipe.loss_weights["auxiliary"]:
            raise ConfigError(
                f"{stage} in {path} asks nothing, expected the auxiliary loss, which is all that is left to learn "
                "from: weigh it, or ask expressions"
            )
    if isinstance(data, Splits):
        _check_real(recipe, path)
    return replace(recipe, leave_out=tuple(recipe.leave_out))


def _read_group(values: Any, path: Path) -> Group:
    """One stage, or a list of those that take turns."""
    if values == []:
        raise ConfigError(f"recipe {path} has an empty list among its stages, expected stages that take turns: fill it")
    group = values if isinstance(values, list) else [values]
    return tuple(_fill(Stage, stage, f"a stage of {path}") for stage in group)


def _read_data(values: Any, path: Path) -> Worlds | Splits:
    """What to train on; which of the two it is, its keys say."""
    what = f"data of recipe {path}"
    if isinstance(values, dict) and values.keys() & {"train", "validate", "augment"}:
        if not isinstance(values.get("train"), list) or not values["train"]:
            raise ConfigError(f"{what} has no list of splits to train on, expected `train` with at least one: add it")
        train = tuple(_fill_split(split, f"a split of train in {path}") for split in values["train"])
        validate = _fill_split(values.get("validate"), f"validate in {path}")
        splits = _fill(Splits, {**values, "train": train, "validate": validate}, what)
        if not isinstance(splits.augment, bool):
            raise ConfigError(f"{what} has augment {splits.augment!r}, expected true or false: correct it")
        return splits
    given = {"reworded": 0.0, "photographs": None, **values} if isinstance(values, dict) else values
    worlds = _fill(Worlds, given, what, f", or {_keys(Splits)}")
    _check_least("first_world", worlds.first_world, 0, path)
    _check_least("reworded", worlds.reworded, 0, path)
    if not isinstance(worlds.expression_weights, dict):
        raise ConfigError(
            f"recipe {path} has expression_weights {worlds.expression_weights!r}, expected a number for each kind: "
            "write them as {colour: 0.1, motion: 0.2}"
        )
    for kind, weight in worlds.expression_weights.items():
        _check_least(f"an expression weight of {kind}", weight, 0, path)
    if worlds.photographs == "" or not isinstance(worlds.photographs, str | None):
        raise ConfigError(
            f"recipe {path} has photographs {worlds.photographs!r}, expected the name of a folder: put it in quotes"
        )
    if worlds.reworded > 1:
        raise ConfigError(f"recipe {path} has reworded {worlds.reworded}, expected a share of 0 to 1: correct it")
    unknown = set(worlds.expression_weights) - set(EXPRESSION_KINDS)
    if unknown:
        raise ConfigError(
            f"recipe {path} weighs expressions of kind {', '.join(sorted(unknown))}, "
            f"expected {', '.join(EXPRESSION_KINDS)}: correct expression_weights"
        )
    return worlds


def _fill_split(values: Any, what: str) -> Split:
    split = _fill(Split, values, what)
    if not all(isinstance(value, str) for value in (split.dataset, split.folder, split.split)):
        raise ConfigError(f"{what} is {values}, expected three words: put them in quotes")
    return split


def _check_model(recipe: Recipe, path: Path) -> None:
    """Refuse what the model does not have, and what it cannot start from."""
    config = preset(recipe.model)
    is_refsam = isinstance(config, RefSamConfig)
    parts = REFSAM_PARTS if is_refsam else OPTIONAL_PARTS
    left_out: Any = recipe.leave_out
    if not isinstance(left_out, list) or not set(left_out) <= set(parts):
        raise ConfigError(
            f"recipe {path} has leave_out {left_out!r}, expected a list of some of {', '.join(parts)}: take [] for the "
            "whole model"
        )
    weighed = [name for name in SAMWISE_LOSSES if recipe.loss_weights[name]]
    if is_refsam and weighed:
        raise ConfigError(
            f"recipe {path} weighs losses {', '.join(weighed)}, expected 0 for {recipe.model}, which has no object "
            "score and no memory check: correct loss_weights"
        )
    if left_out and recipe.start_from is not None:
        raise ConfigError(
            f"recipe {path} leaves out {', '.join(left_out)} and starts from weights, expected one of both: "
            "weights say by their keys what they have"
        )
    if config.frozen and recipe.start_from is None:
        raise ConfigError(
            f"recipe {path} trains {recipe.model} from nothing, whose {' and '.join(config.frozen)} stay as they are, "
            "expected weights to start from: make a file with `samwise convert --text-encoder`, name it in start_from"
        )


def _check_real(recipe: Recipe, path: Path) -> None:
    """Refuse what real data do not have."""
    for name in SYNTHETIC_LOSSES:
        if recipe.loss_weights[name]:
            raise ConfigError(
                f"recipe {path} gives the {name} loss weight {recipe.loss_weights[name]}, expected 0: real data sets "
                "do not name and number all things, from which it learns"
            )
    for stage in recipe.each_stage():
        if stage.expressions != 1 or stage.zoom != 1:
            raise ConfigError(
                f"{stage} in {path} asks {stage.expressions} expressions of a clip and has zoom {stage.zoom}, expected "
                "1 and 1 for real data sets: put more clips into a batch instead"
            )


def _check_numbers(recipe: Recipe, path: Path) -> None:
    """Refuse a number that is none or out of range."""
    least = {
        "seed": 0,
        "learning_rate": 0,
        "weight_decay": 0,
        "warmup_steps": 1,
        "max_gradient": 0,
        "ema_decay": 0,
        "save_every_s": 0,
        "validate_every": 1,
        "validation_clips": 1,
    }
    for name, smallest in least.items():
        _check_least(name, getattr(recipe, name), smallest, path)
    if recipe.max_gradient == 0:
        raise ConfigError(
            f"recipe {path} has max_gradient 0, of which nothing is learnt, expected more: take a large number for "
            "gradients that are not shortened"
        )
    if recipe.muon_learning_rate is not None:
        _check_least("muon_learning_rate", recipe.muon_learning_rate, 0, path)
    factors: Any = recipe.learning_rate_factors
    if not isinstance(factors, dict):
        raise ConfigError(
            f"recipe {path} has learning_rate_factors {factors!r}, expected parts of the network with a number each: "
            "write them as {sam.mask_decoder: 0.01}"
        )
    for part, factor in factors.items():
        _check_least(f"a learning rate factor of {part}", factor, 0, path)
    if recipe.ema_decay >= 1:
        raise ConfigError(f"recipe {path} has ema_decay {recipe.ema_decay}, expected 0 to below 1: take 0.999")
    weights: Any = recipe.loss_weights
    if not isinstance(weights, dict) or set(weights) != set(LOSSES):
        named = ", ".join(map(str, weights)) if isinstance(weights, dict) else weights
        raise ConfigError(
            f"recipe {path} weighs losses {named}, expected exactly {', '.join(LOSSES)}: "
            "correct loss_weights, with 0 for a loss to be left out"
        )
    for loss, weight in recipe.loss_weights.items():
        _check_least(f"a weight of the {loss} loss", weight, 0, path)


def _check_least(name: str, value: Any, smallest: int, path: Path) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < smallest:
        raise ConfigError(
            f"recipe {path} has {name} {value!r}, expected a number of at least {smallest}: correct it (YAML takes "
            "1e-3 for a word, and 1.0e-3 for a number)"
        )


def _keys(kind: type) -> str:
    return ", ".join(field.name for field in fields(kind))


def _fill(kind: type[T], values: Any, what: str, others: str = "") -> T:
    """Build a dataclass of exactly its keys; `others` names what else could have come."""
    wanted = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(values, dict) or values.keys() != wanted:
        came = ", ".join(map(str, values)) if isinstance(values, dict) else repr(values)
        raise ConfigError(f"{what} has keys {came}, expected exactly {_keys(kind)}{others}: add or remove keys")
    return kind(**values)
