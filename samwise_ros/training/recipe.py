"""A training recipe: one YAML file, checked strictly. Called by `training.loop`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from samwise_ros.config import preset
from samwise_ros.data.synthetic import EXPRESSION_KINDS
from samwise_ros.errors import ConfigError

T = TypeVar("T")

LOSSES = ("focal", "dice", "score", "cme", "auxiliary")
"""Names of what is minimised; see `training.losses`."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the training with clips of one size.

    Attributes:
        side_px: side of the square pictures; a multiple of 64.
        frames: length of a clip.
        batch: clips per step, of all processes together.
        steps: optimizer steps.
    """

    side_px: int
    frames: int
    batch: int
    steps: int

    @property
    def pixels_per_step(self) -> int:
        """Pixels that a step looks at."""
        return self.batch * self.frames * self.side_px**2


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what a training makes.

    Attributes:
        model: preset to train.
        start_from: weights file to start from, whose tokenizer is kept; null for fresh weights.
        seed: of the initial weights.
        first_world: number of the first synthetic world; see `training.source`.
        learning_rate: at its peak; one cosine down to zero over all stages, see `progress`.
        weight_decay: of AdamW.
        warmup_steps: steps over which the learning rate rises to its peak.
        ema_decay: what a step leaves of the averaged weights, 0 to below 1; see `training.ema`.
        bf16_on_cpu: bfloat16 arithmetic on CPUs too; on CUDA it is always on.
        loss_weights: of each of `LOSSES`.
        expression_weights: how often each kind of expression is drawn.
        stages: one after the other.
        save_every_s: seconds between two saves of the resumable state.
        validate_every: steps between two validations.
        validation_clips: held-out clips in a validation.
    """

    model: str
    start_from: str | None
    seed: int
    first_world: int
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    ema_decay: float
    bf16_on_cpu: bool
    loss_weights: dict[str, float]
    expression_weights: dict[str, float]
    stages: tuple[Stage, ...]
    save_every_s: float
    validate_every: int
    validation_clips: int

    @property
    def steps(self) -> int:
        """Optimizer steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def progress(self, step: int) -> float:
        """Share of the training that is done before a step.

        Args:
            step: 0 .. `steps`.

        Returns:
            0..1, counted in pixels, so that a stage of large clips has its share of the learning rate's cosine.
        """
        done = 0
        for stage in self.stages:
            done += max(0, min(step, stage.steps)) * stage.pixels_per_step
            step -= stage.steps
        return done / sum(stage.steps * stage.pixels_per_step for stage in self.stages)

    def stage_at(self, step: int) -> tuple[Stage, int]:
        """The stage that a step belongs to.

        Args:
            step: 0 .. `steps` - 1.

        Returns:
            The stage and how many steps of it are left, this one included.
        """
        for stage in self.stages:
            if step < stage.steps:
                return stage, stage.steps - step
            step -= stage.steps
        raise IndexError(f"step is {step} past the last stage")


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
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"recipe {path} cannot be read ({error}), expected a YAML file: check the path") from error
    if not isinstance(values, dict) or not isinstance(values.get("stages"), list):
        raise ConfigError(f"recipe {path} has no list of stages, expected keys {_keys(Recipe)}: add them")
    stages = tuple(_fill(Stage, stage, f"a stage of {path}") for stage in values["stages"])
    recipe = _fill(Recipe, {**values, "stages": stages}, f"recipe {path}")
    preset(recipe.model)
    _check_numbers(recipe, path)
    unknown = set(recipe.expression_weights) - set(EXPRESSION_KINDS)
    if unknown:
        raise ConfigError(
            f"recipe {path} weighs expressions of kind {', '.join(sorted(unknown))}, "
            f"expected {', '.join(EXPRESSION_KINDS)}: correct expression_weights"
        )
    for stage in stages:
        if stage.side_px % 64 or min(stage.side_px, stage.frames, stage.batch, stage.steps) < 1:
            raise ConfigError(f"{stage} in {path} cannot be, expected positive numbers and a side that 64 divides")
    return recipe


def _check_numbers(recipe: Recipe, path: Path) -> None:
    """Refuse a number that is none or out of range."""
    least = {
        "seed": 0,
        "first_world": 0,
        "learning_rate": 0,
        "weight_decay": 0,
        "warmup_steps": 1,
        "ema_decay": 0,
        "save_every_s": 0,
        "validate_every": 1,
        "validation_clips": 1,
    }
    for name, smallest in least.items():
        value = getattr(recipe, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < smallest:
            raise ConfigError(
                f"recipe {path} has {name} {value!r}, expected a number of at least {smallest}: correct it (YAML takes "
                "1e-3 for a word, and 1.0e-3 for a number)"
            )
    if recipe.ema_decay >= 1:
        raise ConfigError(f"recipe {path} has ema_decay {recipe.ema_decay}, expected 0 to below 1: take 0.999")
    if set(recipe.loss_weights) != set(LOSSES):
        raise ConfigError(
            f"recipe {path} weighs losses {', '.join(recipe.loss_weights)}, expected exactly {', '.join(LOSSES)}: "
            "correct loss_weights, with 0 for a loss to be left out"
        )


def _keys(kind: type) -> str:
    return ", ".join(field.name for field in fields(kind))


def _fill(kind: type[T], values: Any, what: str) -> T:
    """Build a dataclass of exactly its keys."""
    wanted = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(values, dict) or values.keys() != wanted:
        came = ", ".join(map(str, values)) if isinstance(values, dict) else repr(values)
        raise ConfigError(f"{what} has keys {came}, expected exactly {_keys(kind)}: add or remove keys")
    return kind(**values)
