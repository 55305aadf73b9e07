"""Captured steps: same answers, and nothing in a step that could not be captured. CUDA's part is tested on a GPU."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import fields, replace
from typing import TypeAlias

import numpy as np
import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from samwise_ros.engine.tracker import Tracker
from samwise_ros.model.graphs import GRAPHED_TARGETS, GraphedSegmenter
from samwise_ros.model.refsam_segmenter import RefSamSegmenter
from samwise_ros.model.samwise_segmenter import SamwiseSegmenter
from samwise_ros.model.segmenter import Past, Prediction
from samwise_ros.types import Frame, FrameResult

Plain: TypeAlias = SamwiseSegmenter | RefSamSegmenter

REPLAYS = {SamwiseSegmenter: [5, 1, 0, 0], RefSamSegmenter: [19, 15, 0, 0]}
"""How many of `follow`'s steps find a full memory, of 15 frames or of one, with 1, 2, 3 and 4 targets."""


class Replayed:
    """What a CUDA graph does, by running the step again: reads the same inputs, fills the same outputs."""

    def __init__(self, run: Callable[[], Prediction], fits: int) -> None:
        self.run, self.outputs, self.replays = run, run(), 0
        if len(self.outputs.mask_logits) > fits:
            raise torch.OutOfMemoryError

    def replay(self) -> None:
        self.replays += 1
        again = self.run()
        self.outputs.mask_logits.copy_(again.mask_logits)
        self.outputs.score_logits.copy_(again.score_logits)
        for name, tensor in self.outputs.remember.items():
            tensor.copy_(again.remember[name])


class Capture:
    """Keeps the steps that it captures; up to `fits` targets find room."""

    def __init__(self, fits: int = GRAPHED_TARGETS) -> None:
        self.fits = fits
        self.steps: list[Replayed] = []

    @torch.inference_mode()
    def __call__(self, run: Callable[[], Prediction]) -> tuple[Replayed, Prediction]:
        self.steps.append(Replayed(run, self.fits))
        return self.steps[-1], self.steps[-1].outputs

    @property
    def replays(self) -> list[int]:
        return [step.replays for step in self.steps[: self.fits]]


def follow(tracker: Tracker, frames: list[Frame]) -> list[FrameResult]:
    """One target for 20 frames, then a second one, whose memory needs 15 to fill up."""
    tracker.add("the red ball")
    results = [tracker.step(frame) for frame in frames[:20]]
    tracker.add("the mug on the left of the second ball")
    return results + [tracker.step(frame) for frame in frames[20:]]


def assert_equal(ours: list[FrameResult], expected: list[FrameResult]) -> None:
    for one, other in zip(ours, expected, strict=True):
        assert [found.score for found in one.objects] == pytest.approx(
            [found.score for found in other.objects], abs=1e-4
        )
        assert np.mean(one.labels != other.labels) < 1e-3


def test_usual_steps_are_replayed_and_answer_the_same(plain: Plain, frames: list[Frame]):
    capture = Capture()
    graphed = GraphedSegmenter(plain, capture)
    assert_equal(follow(Tracker(graphed), frames), follow(Tracker(plain), frames))
    assert capture.replays == REPLAYS[type(plain)]


def test_an_answer_outlives_the_next_replay(plain: Plain):
    # Of two cameras that share the model, one may still read its answer while the other one's step runs.
    graphed = GraphedSegmenter(plain, Capture())
    past = Past(
        (15,), {name: torch.randn_like(ring.float()).to(ring.dtype) for name, ring in graphed._rows(1).past.items()}
    )
    text, side = [graphed.encode_text("the red ball")], plain.image_side_px
    first = graphed.fuse(torch.randn(1, 3, side, side), text, past)
    answer = first.mask_logits, first.score_logits, *first.remember.values()
    kept = [tensor.clone() for tensor in answer]
    second = graphed.fuse(torch.randn(1, 3, side, side), text, past)
    assert not torch.equal(second.mask_logits, kept[0])
    assert all(torch.equal(now, before) for now, before in zip(answer, kept, strict=True))


def test_long_expressions_run_as_they_are(plain: Plain, frames: list[Frame]):
    capture = Capture()
    tracker = Tracker(GraphedSegmenter(plain, capture))
    tracker.add("the ball " * 20)
    for frame in frames[:17]:
        tracker.step(frame)
    assert sum(capture.replays) == 0


def test_what_finds_no_room_runs_as_it_is(plain: Plain, frames: list[Frame], caplog):
    capture = Capture(fits=1)
    with caplog.at_level("INFO"):
        graphed = GraphedSegmenter(plain, capture)
    assert "graphs of up to 1 targets" in caplog.text
    assert_equal(follow(Tracker(graphed), frames), follow(Tracker(plain), frames))
    assert capture.replays == REPLAYS[type(plain)][:1]


def test_a_step_looks_at_no_value_and_uploads_none(plain: Plain):
    graphed = GraphedSegmenter(plain, Capture())
    inputs = graphed._rows(2)
    words = [field.name for field in fields(inputs.text)]

    def step(images: torch.Tensor, *tensors: torch.Tensor):
        text = replace(inputs.text, **dict(zip(words, tensors, strict=False)))
        past = dict(zip(inputs.past, tensors[len(words) :], strict=True))
        prediction = graphed._run(images, text, past, 2)
        return prediction.mask_logits, prediction.score_logits, *prediction.remember.values()

    arguments = inputs.images, *(getattr(inputs.text, name) for name in words), *inputs.past.values()
    # Tensors without values: a branch on one, or `.item()`, fails. Numbers that come from Python become constants.
    traced = make_fx(step, tracing_mode="fake", _allow_non_fake_inputs=True)(*arguments)
    called = {str(node.target) for node in traced.graph.nodes if node.op == "call_function"}
    assert len(called) > 30
    assert not [name for name in called if "lift_fresh" in name or "scalar_dense" in name or "nonzero" in name]


@pytest.fixture
def on_gpu(plain: Plain, monkeypatch: pytest.MonkeyPatch) -> tuple[Plain, GraphedSegmenter]:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA GPU")
    # With it each of cuDNN's algorithms rounds differently, and a graph may be given another one.
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    segmenter = type(plain)(deepcopy(plain.network).cuda(), plain.tokenizer)
    return segmenter, GraphedSegmenter(segmenter)


@pytest.mark.gpu
def test_cuda_graphs_answer_the_same(on_gpu, frames: list[Frame]):
    plain, graphed = on_gpu
    assert len(graphed._graphs) == GRAPHED_TARGETS
    assert_equal(follow(Tracker(graphed), frames), follow(Tracker(plain), frames))


@pytest.mark.gpu
def test_memory_on_the_gpu_stays_the_same(on_gpu, frames: list[Frame]):
    tracker = Tracker(on_gpu[1])
    tracker.add("the red ball")
    held = []
    for _ in range(6):
        for frame in frames:
            tracker.step(frame)
        held.append(torch.cuda.memory_allocated())
    assert len(set(held[1:])) == 1


@pytest.mark.gpu
def test_two_cameras_share_the_graphs(on_gpu, frames: list[Frame]):
    plain, graphed = on_gpu
    with ThreadPoolExecutor(2) as cameras:
        ours = [cameras.submit(follow, Tracker(graphed), part) for part in (frames, frames[::-1])]
    for answers, part in zip(ours, (frames, frames[::-1]), strict=True):
        assert_equal(answers.result(), follow(Tracker(plain), part))
