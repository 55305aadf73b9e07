"""A recipe that takes seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from accelerate.state import AcceleratorState

from samwise_ros.training import records, samples, source

CONFIG = Path(__file__).parents[2] / "config"

STAGES = [
    {"side_px": 64, "frames": 1, "batch": 2, "expressions": 2, "zoom": 1, "steps": 4},
    {"side_px": 64, "frames": 6, "batch": 2, "expressions": 1, "zoom": 1, "steps": 2},
]

WriteRecipe = Callable[..., Path]


@pytest.fixture
def write_recipe(tmp_path: Path) -> WriteRecipe:
    """Write a shipped recipe with short stages and other changes; "left out" takes a key away."""

    def write(base: str = "compact", **changes: object) -> Path:
        values = yaml.safe_load((CONFIG / f"train_{base}.yaml").read_text())
        values |= {"stages": STAGES, "warmup_steps": 2, "validation_clips": 1, **changes}
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump({key: value for key, value in values.items() if value != "left out"}))
        return path

    return write


@pytest.fixture
def small_run(monkeypatch: pytest.MonkeyPatch):
    """Make everything around the steps short."""
    monkeypatch.setattr(samples, "BUFFER_FRAMES", 6)
    monkeypatch.setattr(source, "PART_STEPS", 2)
    monkeypatch.setattr(source, "VALIDATION_FRAMES", 2)
    monkeypatch.setattr(source, "VALIDATION_SIZE_PX", (48, 64))
    monkeypatch.setattr(source, "PICTURED_FRAMES", 2)
    monkeypatch.setattr(records, "LOG_EVERY", 1)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
