"""What moves the weights: AdamW, and Muon for the matrices where a recipe says so. Called by `training.loop`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from samwise_ros.errors import ConfigError
from samwise_ros.model.adapter import FrameChange
from samwise_ros.model.pyramid import ConvPyramid
from samwise_ros.training.objective import Objective
from samwise_ros.training.recipe import Recipe

MIN_MATRIX_SIDE = 16
"""Smaller matrices, such as the rows that end in one number, stay with AdamW."""

MUON_MOMENTUM = 0.95
NEWTON_SCHULZ_STEPS = 5


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
    rate, muon_rate = recipe.learning_rate, recipe.muon_learning_rate
    matrices = set() if muon_rate is None else {id(weight) for weight in hidden_matrices(objective.network)}
    factors = {"": 1.0, **recipe.learning_rate_factors}
    for_adamw: dict[str, list[nn.Parameter]] = {}
    for_muon: dict[str, list[nn.Parameter]] = {}
    for name, parameter in objective.named_parameters():
        if parameter.requires_grad:
            # The longest name that fits counts; that of everything is empty.
            part = max((part for part in factors if not part or name.startswith(f"network.{part}.")), key=len)
            groups = for_muon if id(parameter) in matrices else for_adamw
            groups.setdefault(part, []).append(parameter)
    idle = recipe.learning_rate_factors.keys() - for_adamw.keys() - for_muon.keys()
    if idle:
        raise ConfigError(
            f"the recipe has a learning rate factor for {', '.join(sorted(idle))}, expected parts of "
            f"{objective.network.config.name} that learn, such as adapters: correct learning_rate_factors"
        )

    def with_peaks(groups: dict[str, list[nn.Parameter]], rate: float) -> list[dict[str, Any]]:
        return [{"params": parameters, "peak": rate * factors[part]} for part, parameters in groups.items()]

    decay = recipe.weight_decay
    optimizers: list[Optimizer] = [AdamW(with_peaks(for_adamw, rate), rate, betas=(0.9, 0.98), weight_decay=decay)]
    if muon_rate is not None:
        groups_of_muon = with_peaks(for_muon, muon_rate)
        optimizers.append(StackedMuon(groups_of_muon, muon_rate, decay))
    return optimizers


class StackedMuon(Optimizer):
    """Muon, which moves a matrix by what its momentum is when all singular values are set to about 1.

    A convolution is a matrix with a row for each channel that goes out.

    Args:
        groups: of parameters of two dimensions or more.
        lr: learning rate.
        weight_decay: share of a weight that a step of learning rate 1 takes away.

    Source: Jordan et al., as `torch.optim.Muon` with `match_rms_adamw`.

    Differs: matrices of one shape are computed in one stack. `compact` has 193 of them, of 38 shapes, most so small
    that a GPU would wait for Python.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, weight_decay: float) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move the weights."""
        assert closure is None
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not moved:
                continue
            gradients = [parameter.grad for parameter in moved]
            for parameter in moved:
                if not self.state[parameter]:
                    self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
            momenta = [self.state[parameter]["momentum_buffer"] for parameter in moved]
            torch._foreach_lerp_(momenta, gradients, 1 - MUON_MOMENTUM)
            ahead = torch._foreach_lerp(gradients, momenta, MUON_MOMENTUM)  # Nesterov's
            torch._foreach_mul_(moved, 1 - group["lr"] * group["weight_decay"])
            for rows in _by_shape(moved):
                stack = torch.stack([ahead[row].flatten(1) for row in rows])
                length = 0.2 * math.sqrt(max(stack.shape[1:]))  # as long as a step of AdamW
                ways = orthogonalise(stack).to(stack.dtype)
                parts = [way.view_as(moved[row]) for way, row in zip(ways, rows, strict=True)]
                torch._foreach_add_([moved[row] for row in rows], parts, alpha=-group["lr"] * length)
        return None


def orthogonalise(stack: Tensor) -> Tensor:
    """Set singular values to about 1 (0.7 to 1.2): N matrices (N, a, b) → (N, a, b) bfloat16.

    Source: Jordan et al., the Newton-Schulz iteration with their coefficients.
    """
    if stack.shape[1] > stack.shape[2]:
        return orthogonalise(stack.mT).mT
    way = stack.bfloat16()
    way = way / way.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = way @ way.mT
        gram = torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        way = torch.baddbmm(way, gram, way, beta=3.4445)
    return way


def _by_shape(parameters: Sequence[Tensor]) -> Iterable[list[int]]:
    """Which parameters are matrices of one shape."""
    rows: dict[tuple[int, int], list[int]] = {}
    for row, parameter in enumerate(parameters):
        rows.setdefault((parameter.shape[0], parameter[0].numel()), []).append(row)
    return rows.values()


def hidden_matrices(network: nn.Module) -> Iterator[Tensor]:
    """Yield the weights of linear and attention layers, what Muon is made for, and of our own convolutions.

    Tables and SAM's convolutions are not among them.
    """
    for module in network.modules():
        if isinstance(module, ConvPyramid | FrameChange):
            yield from (part.weight for part in module.modules() if isinstance(part, nn.Conv2d))
        if isinstance(module, nn.Linear):
            weight: Tensor = module.weight
        elif isinstance(module, nn.MultiheadAttention):
            weight = module.in_proj_weight
        else:
            continue
        if min(weight.shape) >= MIN_MATRIX_SIDE:
            yield weight
