"""Losses and gradients as a CUDA graph: the GPU runs them without waiting for Python. Called by `training.loop`.

A step of `compact` is more than ten thousand operations, most of which are over before Python has launched the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeAlias

import torch
from torch import Tensor, nn

from samwise_ros.model.graphs import Graph

WARMING_STEPS = 3
"""A shape of batch is met so often before it is captured: libraries choose their kernels meanwhile, and a rare shape is
not worth a graph."""

MAX_GRAPHS = 4
"""Batches of more shapes run as they are written."""

Compute: TypeAlias = Callable[..., Mapping[str, Tensor]]


class Capture(Protocol):
    """How computations are captured."""

    def warm(self, compute: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """Run one as one that is captured afterwards has to."""

    def __call__(self, compute: Callable[[], Mapping[str, Tensor]]) -> tuple[Graph, Mapping[str, Tensor]]:
        """Capture one: a graph and the outputs that a replay fills."""


class GraphedGradients:
    """Losses of batches and their gradients, by a CUDA graph for each shape of batch that is met often.

    Args:
        compute: takes a batch's tensors on the device; adds gradients to the parameters' and gives losses by name,
            which have none themselves. It branches on no tensor's value.
        parameters: what has gradients. These are never replaced, since graphs write to where they are.
        device: of the parameters.
        capture: how to capture; by CUDA graphs, but for tests.
    """

    def __init__(
        self,
        compute: Compute,
        parameters: Iterable[nn.Parameter],
        device: torch.device,
        capture: Capture | None = None,
    ) -> None:
        self._compute, self._parameters, self._device = compute, list(parameters), device
        self._capture = capture or CudaCapture()
        self._met: Counter[tuple[torch.Size, ...]] = Counter()
        self._graphs: dict[tuple[torch.Size, ...], tuple[list[Tensor], Graph, Mapping[str, Tensor]]] = {}
        # Its own: what another stage's batches reach and these do not has no gradient here, so that no optimizer moves
        # it. Graphs write to where they are.
        self._gradients: list[Tensor | None] = [None] * len(self._parameters)

    def __call__(self, batch: Iterable[Tensor]) -> dict[str, Tensor]:
        """Compute the gradients of one batch.

        Args:
            batch: what `compute` takes, on any device.

        Returns:
            The losses by name.
        """
        batch = list(batch)
        shapes = tuple(tensor.shape for tensor in batch)
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        known = [gradient for gradient in self._gradients if gradient is not None]
        if known:
            torch._foreach_zero_(known)
        losses = self._compute_or_replay(batch, shapes)
        self._gradients = [parameter.grad for parameter in self._parameters]
        return losses

    def _compute_or_replay(self, batch: list[Tensor], shapes: tuple[torch.Size, ...]) -> dict[str, Tensor]:
        if shapes not in self._graphs:
            self._met[shapes] += 1
            inputs = [tensor.to(self._device) for tensor in batch]
            if self._met[shapes] <= WARMING_STEPS or len(self._graphs) == MAX_GRAPHS:
                return dict(self._capture.warm(lambda: self._compute(*inputs)))
            self._graphs[shapes] = (inputs, *self._capture(lambda: self._compute(*inputs)))
        inputs, graph, losses = self._graphs[shapes]
        for mine, theirs in zip(inputs, batch, strict=True):
            mine.copy_(theirs)
        graph.replay()
        return {name: loss.clone() for name, loss in losses.items()}


class CudaCapture:
    """Captures computations as CUDA graphs that share their memory, since they never run at once."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream()

    def warm(self, compute: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """Run on the stream of the captures, to which what collects gradients belongs from then on."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            result = compute()
        torch.cuda.current_stream().wait_stream(self._stream)
        return result

    def __call__(self, compute: Callable[[], Mapping[str, Tensor]]) -> tuple[Graph, Mapping[str, Tensor]]:
        """Capture one."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            result = compute()
        return graph, result
