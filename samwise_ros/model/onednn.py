"""Linear layers by oneDNN where the model runs on a CPU. Called by `model.build` and what multiplies by itself.

PyTorch multiplies float32 matrices with MKL, which on AMD's processors does without AVX-512; oneDNN, which PyTorch also
brings and uses for convolutions, was 1.8 times as fast there (docs/log.md).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")

WORTH_IT = 1_000_000
"""Multiplications from which on oneDNN's longer way to its kernel pays."""


class OneDnnLinear(nn.Linear):
    """A linear layer that computes the same, with the same weights under the same names."""

    def forward(self, input: Tensor) -> Tensor:
        """(…, in_features) → (…, out_features), like `nn.Linear`."""
        return linear(input, self.weight, self.bias)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> Tensor:
    """`F.linear` by the faster of two libraries.

    Args:
        input: (…, in_features).
        weight: (out_features, in_features).
        bias: (out_features,), or None.
        gelu: apply `F.gelu`, too, which oneDNN does while a result is still in its cache.

    Returns:
        (…, out_features).
    """
    if not is_worth_onednn(input, weight):
        plain = F.linear(input, weight, bias)
        return F.gelu(plain) if gelu else plain
    # What torch.compile makes of a linear layer on a CPU; there is no public name for it. A trace cannot take its call
    # from Python, whose empty list has no type, but from TorchScript.
    after = "gelu" if gelu else "none"
    if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
        traced: Tensor = _script(after).call(input, weight, bias)
        return traced
    result: Tensor = torch.ops.mkldnn._linear_pointwise(input, weight, bias, after, [], "none")
    return result


def is_worth_onednn(input: Tensor, weight: Tensor) -> bool:
    """Whether `linear` takes oneDNN for these."""
    return (
        HAS_ONEDNN
        and input.device.type == "cpu"
        and input.dtype == weight.dtype == torch.float32
        and not torch.is_grad_enabled()
        and input.numel() * len(weight) >= WORTH_IT
        and not torch.is_autocast_enabled("cpu")
    )


@cache
def _script(after: str) -> Any:
    return torch.jit.CompilationUnit(
        f"""
        def call(input: Tensor, weight: Tensor, bias: Optional[Tensor]) -> Tensor:
            return torch.ops.mkldnn._linear_pointwise(input, weight, bias, "{after}", [], "none")
        """
    )


def use_onednn(network: nn.Module) -> None:
    """Let a network's linear layers use oneDNN where this PyTorch has it; changed in place."""
    if not HAS_ONEDNN:
        return
    for module in network.modules():
        if type(module) is nn.Linear:
            module.__class__ = OneDnnLinear
