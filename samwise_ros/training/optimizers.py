"""What moves the weights: AdamW, and Muon for the matrices where a recipe says so. Called by `training.loop`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from samwise_ros.errors import ConfigError
from samwise_ros.training.objective import Objective
from samwise_ros.training.recipe import Recipe

MIN_MATRIX_SIDE = 16
"""Smaller matrices, such as the rows that end in one number, stay with AdamW."""


def build_optimizers(objective: Objective, recipe: Recipe) -> list[Optimizer]:
    """Optimizers that together move everything that learns.

    Args:
        objective: network and auxiliary heads, on their device.
        recipe: says learning rates and weight decay.

    Returns:
        AdamW, and where the recipe has a `muon_learning_rate` Muon for `hidden_matrices`. Their groups have a `peak`
        each: the learning rate at the schedule's highest point.

    Raises:
        ConfigError: there is no such part as a learning rate factor is for, or nothing in it learns.

    Source: of Muon, Jordan et al., "Muon: An optimizer for hidden layers in neural networks", with the step's length of
    Liu et al., "Muon is Scalable for LLM Training" (arXiv 2502.16982), which is AdamW's.
    """
    matrices = {id(weight) for weight in hidden_matrices(objective.network)}
    if recipe.muon_learning_rate is None:
        matrices.clear()
    factors = {"": 1.0, **recipe.learning_rate_factors}
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in objective.named_parameters():
        if parameter.requires_grad:
            part = max((part for part in factors if not part or name.startswith(f"network.{part}.")), key=len)
            groups.setdefault((part, id(parameter) in matrices), []).append(parameter)
    idle = factors.keys() - {part for part, _ in groups} - {""}
    if idle:
        raise ConfigError(
            f"the recipe has a learning rate factor for {', '.join(sorted(idle))}, expected parts of "
            f"{objective.network.config.name} that learn, such as adapters: correct learning_rate_factors"
        )

    def grouped(of_matrices: bool, rate: float) -> list[dict[str, Any]]:
        return [
            {"params": parameters, "peak": rate * factors[part]}
            for (part, is_matrix), parameters in groups.items()
            if is_matrix == of_matrices
        ]

    decay, rate = recipe.weight_decay, recipe.learning_rate
    optimizers: list[Optimizer] = [AdamW(grouped(False, rate), rate, betas=(0.9, 0.98), weight_decay=decay)]
    if recipe.muon_learning_rate is not None:
        rate = recipe.muon_learning_rate
        optimizers.append(Muon(grouped(True, rate), rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
    return optimizers


def hidden_matrices(network: nn.Module) -> Iterator[Tensor]:
    """Yield the weights of linear and attention layers: what Muon is made for. Tables and convolutions are not."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            weight: Tensor = module.weight
        elif isinstance(module, nn.MultiheadAttention):
            weight = module.in_proj_weight
        else:
            continue
        if min(weight.shape) >= MIN_MATRIX_SIDE:
            yield weight
