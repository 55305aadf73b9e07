"""A step of one frame as a CUDA graph: the GPU runs it without waiting for Python. Called by `model.build`.

A small step is over before Python has launched the next one. Once all memories are full every step has the same shapes;
such a step is captured for each small number of targets when the model is built, and replayed from then on. All other
steps (a target's first frames, more targets, very long expressions) run as they are written.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from samwise_ros.model.segmenter import FramesT, ImagesT, Past, Prediction, Ring, Segmenter
from samwise_ros.model.stages import stage

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TextT = TypeVar("TextT", bound="DataclassInstance")
"""Expressions as a segmenter encodes them: a dataclass of tensors."""

GRAPHED_TARGETS = 4
"""Steps of up to so many targets are captured; with more the GPU has enough to do to hide Python."""

GRAPHED_TOKENS = 32
"""Expressions are padded to so many tokens, so that changing one changes no shape; longer ones run uncaptured."""

WARMING_RUNS = 3
"""A step is run so often before it is captured, so that libraries have chosen their kernels."""

_LOG = logging.getLogger(__name__)


class Graph(Protocol):
    """A captured step."""

    def replay(self) -> None:
        """Run it once more, on what its inputs hold now, into the outputs that it had."""


Capture: TypeAlias = Callable[[Callable[[], Prediction]], "tuple[Graph, Prediction]"]
"""Captures a step; gives the graph and the outputs that a replay fills."""


class FixedShapes(Segmenter[ImagesT, TextT, FramesT], Protocol[ImagesT, TextT, FramesT]):
    """A segmenter whose step branches on no tensor's value, and which can make texts of one shape."""

    @property
    def network(self) -> nn.Module:
        """The weights."""

    def pad_texts(self, texts: Sequence[TextT], tokens: int) -> TextT | None:
        """Make one text of several, which `fuse` takes for all of them.

        Args:
            texts: N expressions.
            tokens: how long each is afterwards.

        Returns:
            Tensors of N rows, whose shapes N and `tokens` alone decide; None where an expression is longer.
        """


@dataclass(frozen=True, slots=True)
class Inputs(Generic[TextT]):
    """Where captured steps of N targets read.

    Attributes:
        images: (1, 3, S, S).
        text: N expressions in one.
        past: by name, what the targets remember.
    """

    images: Tensor
    text: TextT
    past: Mapping[str, Tensor]


class GraphedSegmenter(Generic[ImagesT, TextT, FramesT]):
    """A segmenter whose usual steps are captured; answers as the one it is made of, from any thread.

    Args:
        segmenter: of one frame per step, on its device.
        capture: how to capture a step; by CUDA graphs, but for tests.
    """

    def __init__(self, segmenter: FixedShapes[ImagesT, TextT, FramesT], capture: Capture | None = None) -> None:
        self._plain = segmenter
        self.network = segmenter.network
        self._lock = threading.Lock()
        self._full = max((ring.frames for ring in segmenter.memory_spec.values()), default=0)
        capture = capture or CudaCapture()
        self._inputs = self._make_inputs()
        self._graphs: list[tuple[Graph, Prediction]] = []
        for targets in range(1, GRAPHED_TARGETS + 1):
            try:
                self._graphs.append(capture(lambda targets=targets: self._run(self._rows(targets), targets)))  # type: ignore[misc]
            except torch.OutOfMemoryError:
                _LOG.info("the GPU's memory has room for graphs of up to %d targets; more run without", targets - 1)
                break

    @property
    def image_side_px(self) -> int:
        """Side S of the square image that the network sees."""
        return self._plain.image_side_px

    @property
    def image_step_px(self) -> int:
        """S: what is captured has one shape."""
        return self.image_side_px

    @property
    def device(self) -> torch.device:
        """Where the weights live."""
        return self._plain.device

    @property
    def frames_per_step(self) -> int:
        """1: every frame is answered at once."""
        return self._plain.frames_per_step

    @property
    def memory_spec(self) -> Mapping[str, Ring]:
        """What is remembered."""
        return self._plain.memory_spec

    def encode_text(self, text: str) -> TextT:
        """All that can be computed of an expression before any image is seen."""
        return self._plain.encode_text(text)

    def encode_images(self, images: Tensor) -> Tensor:
        """Leave them to the step, whose graph holds the image encoder, too."""
        return images

    @torch.inference_mode()
    def fuse(self, images: Tensor, texts: Sequence[TextT], past: Past) -> FramesT | Prediction:
        """Run a captured step to its end, or one of another shape as far as the masks.

        Args:
            images: (1, 3, S, S) normalised.
            texts: N expressions.
            past: what the N targets' earlier frames left.

        Returns:
            What `decode` needs.
        """
        usual = len(texts) <= len(self._graphs) and min(past.ages) >= self._full
        text = self._plain.pad_texts(texts, GRAPHED_TOKENS) if usual else None
        if text is None:
            return self._plain.fuse(self._plain.encode_images(images), texts, past)
        # Cameras share the model, each with a thread of its own: inputs and outputs belong to one of them at a time.
        with self._lock, stage("graph"):
            inputs, (graph, prediction) = self._rows(len(texts)), self._graphs[len(texts) - 1]
            inputs.images.copy_(images)
            for name, tensor in _tensors(inputs.text).items():
                tensor.copy_(getattr(text, name))
            for name, tensor in inputs.past.items():
                tensor.copy_(past.tensors[name])
            graph.replay()
            remember = {name: tensor.clone() for name, tensor in prediction.remember.items()}
            return Prediction(prediction.mask_logits.clone(), prediction.score_logits.clone(), remember)

    @torch.inference_mode()
    def decode(self, frames: FramesT | Prediction, index: int, past: Past) -> Prediction:
        """Find N targets in the step's frame."""
        return frames if isinstance(frames, Prediction) else self._plain.decode(frames, index, past)

    @torch.inference_mode()
    def _run(self, inputs: Inputs[TextT], targets: int) -> Prediction:
        """The step that is captured."""
        past = Past((self._full,) * targets, inputs.past)
        fused = self._plain.fuse(self._plain.encode_images(inputs.images), [inputs.text], past)
        return self._plain.decode(fused, 0, past)

    @torch.inference_mode()
    def _make_inputs(self) -> Inputs[TextT]:
        """Inputs for GRAPHED_TARGETS, whose shapes a first step tells."""
        side = self.image_side_px
        images = torch.zeros(1, 3, side, side, device=self.device)
        text = self._plain.pad_texts([self.encode_text("something")] * GRAPHED_TARGETS, GRAPHED_TOKENS)
        assert text is not None
        nothing = Past((0,) * GRAPHED_TARGETS, {})
        first = self._plain.decode(self._plain.fuse(self._plain.encode_images(images), [text], nothing), 0, nothing)
        past = {
            name: new.new_zeros((new.shape[0], self.memory_spec[name].frames, *new.shape[1:]))
            for name, new in first.remember.items()
        }
        return Inputs(images, text, past)

    def _rows(self, targets: int) -> Inputs[TextT]:
        """The part of the inputs that a step of so many targets reads."""
        whole, spec = self._inputs, self.memory_spec
        text = replace(whole.text, **{name: tensor[:targets] for name, tensor in _tensors(whole.text).items()})
        past = {name: ring if spec[name].shared else ring[:targets] for name, ring in whole.past.items()}
        return Inputs(whole.images, text, past)


def _tensors(text: DataclassInstance) -> dict[str, Tensor]:
    return {field.name: getattr(text, field.name) for field in fields(text)}


class CudaCapture:
    """Captures steps as CUDA graphs that share their memory, since they never run at once."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Callable[[], Prediction]) -> tuple[Graph, Prediction]:
        """Warm a step up and capture it."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARMING_RUNS):
                run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # Other threads of the process may use the GPU meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            prediction = run()
        return graph, prediction
