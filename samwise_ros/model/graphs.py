"""A step of one frame as a CUDA graph: the GPU runs it without waiting for Python. Called by `model.build`.

A small step is over before Python has launched the next one. Once all memories are full every step has the same shapes;
such a step is captured for each small number of targets when the model is built, and replayed from then on. All other
steps (a target's first frames, more targets, very long expressions) run as they are written.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from samwise_ros.model.captured import CapturedSegmenter, FixedShapes, Inputs, TextT, text_tensors
from samwise_ros.model.segmenter import FramesT, ImagesT, Past, Prediction
from samwise_ros.model.stages import stage

GRAPHED_TARGETS = 4
"""Steps of up to so many targets are captured; with more the GPU has enough to do to hide Python."""

WARMING_RUNS = 3
"""A step is run so often before it is captured, so that libraries have chosen their kernels."""

_LOG = logging.getLogger(__name__)


class Graph(Protocol):
    """A captured step."""

    def replay(self) -> None:
        """Run it once more, on what its inputs hold now, into the outputs that it had."""


Capture: TypeAlias = Callable[[Callable[[], Prediction]], "tuple[Graph, Prediction]"]
"""Captures a step; gives the graph and the outputs that a replay fills."""


class GraphedSegmenter(CapturedSegmenter[ImagesT, TextT, FramesT]):
    """A segmenter whose usual steps are captured; answers as the one it is made of, from any thread.

    Args:
        segmenter: of one frame per step, on its device.
        capture: how to capture a step; by CUDA graphs, but for tests.
    """

    def __init__(self, segmenter: FixedShapes[ImagesT, TextT, FramesT], capture: Capture | None = None) -> None:
        super().__init__(segmenter)
        self._lock = threading.Lock()
        capture = capture or CudaCapture(self.device)
        side = self.image_side_px
        # Where all graphs read, each as many rows as it has targets.
        self._inputs = self._make_inputs(side, side, GRAPHED_TARGETS)
        self._graphs: list[tuple[Graph, Prediction]] = []
        for targets in range(1, GRAPHED_TARGETS + 1):
            try:
                self._graphs.append(capture(lambda targets=targets: self._run_rows(targets)))  # type: ignore[misc]
            except torch.OutOfMemoryError:
                _LOG.info("the GPU's memory has room for graphs of up to %d targets; more run without", targets - 1)
                break

    @property
    def image_step_px(self) -> int:
        """S: what is captured has one shape."""
        return self.image_side_px

    def _run_whole(self, images: Tensor, text: TextT, past: Past) -> Prediction | None:
        targets = len(past.ages)
        if targets > len(self._graphs):
            return None
        # Cameras share the model, each with a thread of its own: inputs and outputs belong to one of them at a time.
        with self._lock, stage("graph"):
            inputs, (graph, prediction) = self._rows(targets), self._graphs[targets - 1]
            inputs.images.copy_(images)
            for name, tensor in text_tensors(inputs.text).items():
                tensor.copy_(getattr(text, name))
            for name, tensor in inputs.past.items():
                tensor.copy_(past.tensors[name])
            graph.replay()
            remember = {name: tensor.clone() for name, tensor in prediction.remember.items()}
            return Prediction(prediction.mask_logits.clone(), prediction.score_logits.clone(), remember)

    def _run_rows(self, targets: int) -> Prediction:
        inputs = self._rows(targets)
        return self._run(inputs.images, inputs.text, inputs.past, targets)

    def _rows(self, targets: int) -> Inputs[TextT]:
        """The part of the inputs that a step of so many targets reads."""
        whole, spec = self._inputs, self.memory_spec
        text = replace(whole.text, **{name: tensor[:targets] for name, tensor in text_tensors(whole.text).items()})
        past = {name: ring if spec[name].shared else ring[:targets] for name, ring in whole.past.items()}
        return Inputs(whole.images, text, past)


class CudaCapture:
    """Captures steps as CUDA graphs that share their memory, since they never run at once.

    Args:
        device: the GPU that the steps run on, whichever is the current one.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # one for all: memory is used again on its own stream alone
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Callable[[], Prediction]) -> tuple[Graph, Prediction]:
        """Warm a step up and capture it."""
        with torch.cuda.device(self._stream.device):
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                for _ in range(WARMING_RUNS):
                    run()
            torch.cuda.current_stream().wait_stream(self._stream)
            graph = torch.cuda.CUDAGraph()
            # Other threads of the process may use the GPU meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                prediction = run()
        return graph, prediction
