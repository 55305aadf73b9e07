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
from samwise_ros.training.optimizers import StackedMuon, build_optimizers, orthogonalise
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
    assert [type(optimizer) for optimizer in optimizers] == [AdamW, StackedMuon]
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
    ours = ("network.pyramid.", "network.adapters.0.change.") if model == "compact" else ("network.pyramid.",)
    assert {next(part for part in ours if name.startswith(part)) for name in tables} == set(ours)


def test_stacked_muon_moves_as_torchs_own_and_a_convolution_as_the_matrix_of_its_rows():
    torch.manual_seed(0)
    shapes = [(40, 24), (24, 40), (40, 24), (20, 4, 3, 3)]
    ours = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [nn.Parameter(weight.detach().flatten(1).clone()) for weight in ours]
    before = [weight.detach().clone() for weight in theirs]
    optimizers = [
        StackedMuon([{"params": ours}], 0.02, 0.1),
        Muon(theirs, 0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    ]
    for _ in range(3):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.flatten(1).clone()
        for optimizer in optimizers:
            optimizer.step()
    for mine, other, start in zip(ours, theirs, before, strict=True):
        assert (mine.flatten(1) - other).abs().max() < 0.02 * (other - start).abs().max()  # as bfloat16 rounds


def test_muon_leaves_alone_what_has_no_gradient():
    idle, moved = nn.Parameter(torch.ones(16, 16)), nn.Parameter(torch.ones(16, 16))
    optimizer = StackedMuon([{"params": [idle, moved]}], 0.1, 0.1)
    optimizer.step()
    assert torch.equal(moved, torch.ones(16, 16))
    moved.grad = torch.ones(16, 16)
    optimizer.step()
    assert torch.equal(idle, torch.ones(16, 16))
    assert not torch.equal(moved, torch.ones(16, 16))


def test_orthogonalised_matrices_have_singular_values_of_about_one():
    torch.manual_seed(0)
    for shape in ((3, 32, 16), (3, 16, 32), (1, 64, 64)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)).float())
        assert values.median() > 0.6
        assert values.max() < 1.3


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
