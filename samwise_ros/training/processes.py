"""Several processes that train as one. Called all over `training`.

`accelerate` starts them and averages their gradients. What is here makes their step equal that of one process with the
whole batch: one stream of samples for all, counts and batch statistics over all samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, distributed, nn

from samwise_ros.training.samples import Batch


def process_count() -> int:
    """Number of processes that train together, this one included."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of all processes' values; the value itself in a process that trains alone.

    Args:
        value: of one shape in all processes, floating point; no gradient flows through it.

    Returns:
        A tensor of the same shape.
    """
    value = value.detach()
    if process_count() > 1:
        value = value.clone()
        distributed.all_reduce(value)
        value /= process_count()
    return value


class _Sum(torch.autograd.Function):
    """The sum of all processes' values; its gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        """Add up what all processes have."""
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Every process's value is in every process's sum."""
        return _Sum.apply(gradient)  # type: ignore[no-untyped-call]


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of all processes' values, through which gradients flow.

    Args:
        value: of one shape in all processes, which have to be several.

    Returns:
        A tensor of the same shape.
    """
    total: Tensor = _Sum.apply(value)  # type: ignore[no-untyped-call]
    return total


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set in any process; all have to ask."""
    if process_count() == 1:
        return flag
    raised = torch.tensor(float(flag), device=device)
    distributed.all_reduce(raised)
    return bool(raised > 0)


def share_batches(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Give every process its part of the batches that the first one makes.

    Args:
        batches: of B clips, which the number of processes divides; only the first process's are read.

    Yields:
        Batches of B / processes clips.
    """
    count = process_count()
    if count == 1:
        yield from batches
        return
    while True:
        parts: list[Batch | None] | None = None
        if distributed.get_rank() == 0:
            batch = next(batches, None)
            parts = [None if batch is None else take_part(batch, part, count) for part in range(count)]
        received: list[Batch | None] = [None]
        distributed.scatter_object_list(received, parts)
        if received[0] is None:
            return
        yield received[0]


def take_part(batch: Batch, part: int, parts: int) -> Batch:
    """One of several equal parts of a batch.

    Args:
        batch: B clips; a field has B entries or B * T.
        part: which, counted from 0.
        parts: how many; divides B.

    Returns:
        The B / parts clips, in tensors of their own.
    """
    taken: dict[str, Any] = {}
    for field in fields(batch):
        value = getattr(batch, field.name)
        size = len(value) // parts
        cut = value[part * size : (part + 1) * size]
        taken[field.name] = cut.clone() if isinstance(cut, Tensor) else cut
    return replace(batch, **taken)


class GlobalBatchNorm(nn.BatchNorm2d):
    """Batch norm whose statistics in training are those of all processes' samples, on any device.

    PyTorch's `SyncBatchNorm` does the same on GPUs alone.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, h, w) → (N, C, h, w), like `nn.BatchNorm2d`; the result is float32 in training together."""
        if not self.training or process_count() == 1:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        count = input.numel() // input.shape[1] * process_count()
        values = input.float()
        mean = sum_over_processes(values.sum((0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = sum_over_processes(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            assert self.momentum is not None
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        result: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return result


def use_global_batch_norm(network: nn.Module) -> None:
    """Let a network's batch norms take their statistics from all processes; changed in place."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = GlobalBatchNorm
