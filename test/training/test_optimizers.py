"""What moves the weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer

from samwise_ros.errors import ConfigError
from samwise_ros.model.build import build_model
from samwise_ros.training.objective import Objective
from samwise_ros.training.optimizers import FlatMuon, build_optimizers
from samwise_ros.training.recipe import Recipe, read_recipe
from samwise_ros.training.source import SyntheticSource


def make_objective(recipe: Recipe) -> Objective:
    return Objective(build_model(recipe.model), recipe.loss_weights, SyntheticSource.classes)


def peaks(optimizers: list[Optimizer]) -> list[dict[int, float]]:
    """The learning rate of each parameter, for each optimizer."""
    return [
        {id(value): group["peak"] for group in optimizer.param_groups for value in group["params"]}
        for optimizer in optimizers
    ]


@pytest.mark.parametrize("model", ["compact", "refsam_compact"])
def test_muon_moves_the_matrices_of_hidden_layers_and_adamw_the_rest(model: str, write_recipe):
    recipe = read_recipe(write_recipe(model, learning_rate=1.0e-3, muon_learning_rate=3.0e-3, learning_rate_factors={}))
    objective = make_objective(recipe)
    optimizers = build_optimizers(objective, recipe)
    assert [type(optimizer) for optimizer in optimizers] == [AdamW, FlatMuon]
    by_adamw, by_muon = peaks(optimizers)
    assert set(by_adamw.values()) == {1e-3}
    assert set(by_muon.values()) == {3e-3}
    assert not by_adamw.keys() & by_muon.keys()
    learning = {id(value): name for name, value in objective.named_parameters() if value.requires_grad}
    assert by_adamw.keys() | by_muon.keys() == learning.keys()
    names = {learning[key] for key in by_muon}
    assert any("text_encoder" in name and name.endswith("query.weight") for name in names)
    assert all(name.endswith("weight") for name in names)
    assert not any("embedding" in name or "heads." in name for name in names)
    tables = {name for name in names if objective.get_parameter(name).ndim != 2}
    ours = ("network.pyramid.", "network.adapters.0.change.") if model == "compact" else ()
    assert {next(part for part in ours if name.startswith(part)) for name in tables} == set(ours)


def test_a_convolution_moves_as_the_matrix_of_its_rows():
    torch.manual_seed(0)
    weight, gradient = torch.randn(4, 3, 3, 3), torch.randn(4, 3, 3, 3)
    convolution, matrix = nn.Parameter(weight.clone()), nn.Parameter(weight.flatten(1).clone())
    optimizers = [FlatMuon([{"params": [convolution]}], 0.1), Muon([matrix], 0.1)]
    for _ in range(2):
        convolution.grad, matrix.grad = gradient.clone(), gradient.flatten(1).clone()
        for optimizer in optimizers:
            optimizer.step()
    assert convolution.shape == convolution.grad.shape == weight.shape
    assert torch.equal(convolution.flatten(1), matrix)
    assert not torch.equal(convolution, weight)


def test_adamw_moves_everything_where_the_recipe_says_nothing_else(write_recipe):
    recipe = read_recipe(write_recipe(muon_learning_rate="left out"))
    objective = make_objective(recipe)
    (moved,) = peaks(build_optimizers(objective, recipe))
    assert moved.keys() == {id(value) for value in objective.parameters() if value.requires_grad}


@pytest.mark.parametrize("part", ["sam.mask_decodr", "sam.mask_dec", "sam.prompt_encoder"])
def test_a_learning_rate_for_nothing(part: str, write_recipe, tmp_path: Path):
    recipe = read_recipe(write_recipe("refsam_compact", learning_rate_factors={"sam.mask_decoder": 0.01, part: 0.1}))
    with pytest.raises(
        ConfigError,
        match=f"learning rate factor for {part}, expected parts of refsam_compact that learn, such as adapters: corr",
    ):
        build_optimizers(make_objective(recipe), recipe)
