"""A step of one frame as a trace: a CPU runs it without Python between its operations. Called by `model.build`.

A frame of a small preset is some 1800 short operations, and Python takes a third of its time to start them. A step that
comes again and again, of the same shapes, is traced by a thread of its own while it goes on as it is written, or ahead
where `prepare` is told of it. It runs from the trace afterwards: the same operations in the same order, so the same
numbers where texts are padded alike.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.jit import TracerWarning, optimized_execution  # type: ignore[attr-defined]

from samwise_ros.model.captured import CapturedSegmenter, FixedShapes, TextT, text_tensors
from samwise_ros.model.segmenter import FramesT, ImagesT, Past, Prediction
from samwise_ros.model.stages import stage

TRACED_AFTER = 4
"""A step is traced when its shapes have come so often, not for a short clip: tracing takes as long as ten frames."""

KEPT_TRACES = 4
"""So many traces are kept, each of some 20 MB: numbers of targets and cameras have their own. A new one replaces one
that has not been used while its own step came TRACED_AFTER times, or steps that take turns would have none at all."""

KEPT_STEPS = 16
"""So many steps without a trace are counted, those that came last."""

# That shapes become constants is what is wanted: each trace serves one set of them.
warnings.filterwarnings("ignore", category=TracerWarning)

Trace: TypeAlias = Callable[..., tuple[Tensor, ...]]

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Step:
    """A step of some shapes.

    Attributes:
        seen: how often it came since `since`.
        since: number of the step of any shapes from which on it is counted.
        used: number of the step at which it came last.
        trace: takes the step's tensors; None where there is none yet.
    """

    seen: int = 0
    since: int = 0
    used: int = 0
    trace: Trace | None = None


class TracedSegmenter(CapturedSegmenter[ImagesT, TextT, FramesT]):
    """A segmenter whose usual steps are traced; answers as the one it is made of, from any thread.

    Args:
        segmenter: of one frame per step, on a CPU.
    """

    def __init__(self, segmenter: FixedShapes[ImagesT, TextT, FramesT]) -> None:
        super().__init__(segmenter)
        self._lock = threading.Lock()
        self._steps: OrderedDict[tuple[torch.Size, ...], Step] = OrderedDict()
        self._count = 0
        self._worker: threading.Thread | None = None
        self._can_trace = True

    def prepare(self, height_px: int, width_px: int) -> None:
        """See `CapturedSegmenter.prepare`."""
        inputs = self._make_inputs(height_px, width_px, 1)
        past = Past((self._full,), inputs.past)
        with self._lock:
            step = self._find(_shapes(self._arguments(inputs.images, inputs.text, past)))
        if step.trace is None and self._can_trace:
            self._trace(step, inputs.images, inputs.text, past)

    def settle(self) -> None:
        """Wait for the trace that is being made, if one is."""
        if self._worker is not None:
            self._worker.join()

    def _run_whole(self, images: Tensor, text: TextT, past: Past) -> Prediction | None:
        arguments = self._arguments(images, text, past)
        with self._lock:
            step = self._find(_shapes(arguments))
            if step.trace is None:
                busy = self._worker is not None and self._worker.is_alive()
                if self._can_trace and not busy and self._make_room(step):
                    self._worker = threading.Thread(
                        target=self._trace, args=(step, images, text, past), name="samwise_trace"
                    )
                    self._worker.start()
                return None
        with stage("traced step"), optimized_execution(False):  # optimising takes longer than it brings
            mask_logits, score_logits, *remember = step.trace(*arguments)
        return Prediction(mask_logits, score_logits, dict(zip(self.memory_spec, remember, strict=True)))

    def _arguments(self, images: Tensor, text: TextT, past: Past) -> tuple[Tensor, ...]:
        """What a trace takes."""
        return images, *text_tensors(text).values(), *(past.tensors[name] for name in self.memory_spec)

    def _find(self, shapes: tuple[torch.Size, ...]) -> Step:
        """The step of these shapes, which is the last used one from now on."""
        self._count += 1
        step = self._steps.setdefault(shapes, Step(since=self._count))
        step.used = self._count
        step.seen += 1
        self._steps.move_to_end(shapes)
        untraced = [other for other, one in self._steps.items() if one.trace is None]
        if len(untraced) > KEPT_STEPS:
            del self._steps[untraced[0]]
        return step

    def _make_room(self, step: Step) -> bool:
        """Whether a step is to be traced now, since it comes often; the trace that it replaces is gone then."""
        if step.seen < TRACED_AFTER:
            return False
        traced = [shapes for shapes, one in self._steps.items() if one.trace is not None]
        if len(traced) < KEPT_TRACES:
            return True
        if self._steps[traced[0]].used < step.since:
            del self._steps[traced[0]]
            return True
        step.seen, step.since = 0, self._count
        return False

    def _trace(self, step: Step, images: Tensor, text: TextT, past: Past) -> None:
        words = text_tensors(text)

        def run(images: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
            said = replace(text, **dict(zip(words, tensors, strict=False)))
            remembered = dict(zip(self.memory_spec, tensors[len(words) :], strict=True))
            prediction = self._run(images, said, remembered, len(past.ages))
            remember = (prediction.remember[name] for name in self.memory_spec)
            return prediction.mask_logits, prediction.score_logits, *remember

        arguments = self._arguments(images, text, past)
        try:
            with torch.inference_mode(), optimized_execution(False):
                trace = make_trace(run, arguments)
                trace(*arguments)  # the first run takes longer
        except Exception as error:
            # Tracing is deprecated: whatever a newer PyTorch says, steps run as they are written.
            self._can_trace = False
            _LOG.info("this PyTorch does not trace (%s: %s): a step runs as it is written", type(error).__name__, error)
            return
        step.trace = trace


def _shapes(arguments: tuple[Tensor, ...]) -> tuple[torch.Size, ...]:
    return tuple(tensor.shape for tensor in arguments)


class _Written(nn.Module):
    """What is to be traced, as a module without weights: those of the model become constants of the trace."""

    def __init__(self, run: Trace) -> None:
        super().__init__()
        self._run = run

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        return self._run(*arguments)


def make_trace(run: Trace, arguments: tuple[Tensor, ...]) -> Trace:
    """Trace a function of tensors.

    `torch.jit.trace` would put it where nothing is ever removed, with the weights that it uses (docs/decisions/0006).

    Args:
        run: what is traced; its shapes are those of `arguments` from then on.
        arguments: what it is run with.

    Returns:
        The trace, gone when nobody holds it.
    """
    graph, _ = torch.jit._get_trace_graph(_Written(run), arguments, strict=False)  # type: ignore[attr-defined, no-untyped-call]
    # What depends on shapes and weights alone is computed once; a quarter of the nodes are left.
    torch._C._jit_pass_peephole(graph, False)
    torch._C._jit_pass_constant_propagation(graph)
    torch._C._jit_pass_cse(graph)
    trace: Trace = torch._C._create_function_from_graph("step", graph)
    return trace
