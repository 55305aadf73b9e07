"""What a training starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from samwise_ros.errors import ConfigError
from samwise_ros.training.recipe import read_recipe
from samwise_ros.training.start import start_network

RECIPE = Path(__file__).parents[2] / "config" / "train_compact.yaml"


def test_refsam_is_not_trained_here() -> None:
    recipe = replace(read_recipe(RECIPE), model="refsam_compact", start_from=None)
    with pytest.raises(ConfigError, match="trains refsam_compact, which is not SAMWISE, expected a SAMWISE preset"):
        start_network(recipe)
