"""What moves the weights: AdamW, and Muon for the matrices where a recipe says so. Called by `training.loop`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from samwise_ros.errors import ConfigError
from samwise_ros.model.adapter import FrameChange
from samwise_ros.model.pyramid import ConvPyramid
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
        optimizers.append(FlatMuon(groups_of_muon, muon_rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
    return optimizers


class FlatMuon(Muon):
    """Muon, to which a convolution is a matrix with a row for each channel that goes out."""

    def __init__(self, groups: list[dict[str, Any]], *args: Any, **options: Any) -> None:
        with _as_matrices([parameter for group in groups for parameter in group["params"]]):
            super().__init__(groups, *args, **options)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move the weights."""
        with _as_matrices([parameter for group in self.param_groups for parameter in group["params"]]):
            loss: float | None = super().step(closure)  # type: ignore[no-untyped-call]
        return loss


@contextmanager
def _as_matrices(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Let parameters and their gradients, of a row for each first index, be matrices for a while."""
    shapes = [(parameter, parameter.shape) for parameter in parameters]

    def reshape(parameter: nn.Parameter, shape: tuple[int, ...]) -> None:
        gradient, parameter.grad = parameter.grad, None  # which has to have its parameter's shape at all times
        parameter.data = parameter.data.reshape(shape)
        parameter.grad = None if gradient is None else gradient.reshape(shape)

    for parameter, shape in shapes:
        reshape(parameter, (shape[0], -1))
    try:
        yield
    finally:
        for parameter, shape in shapes:
            reshape(parameter, shape)


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
