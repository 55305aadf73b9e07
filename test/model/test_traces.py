"""Traced steps: the same numbers as the steps that they were traced from, and no more than a few of them kept."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import TypeAlias

import numpy as np
import pytest
import torch

from samwise_ros.engine.preprocess import padded_size
from samwise_ros.engine.tracker import Tracker
from samwise_ros.model import traces
from samwise_ros.model.captured import CAPTURED_TOKENS
from samwise_ros.model.onednn import HAS_ONEDNN, use_onednn
from samwise_ros.model.refsam_segmenter import RefSamSegmenter
from samwise_ros.model.samwise_segmenter import SamwiseSegmenter
from samwise_ros.model.traces import KEPT_STEPS, KEPT_TRACES, TRACED_AFTER, TracedSegmenter
from samwise_ros.types import Frame, FrameResult

Plain: TypeAlias = SamwiseSegmenter | RefSamSegmenter

FULL = {SamwiseSegmenter: 15, RefSamSegmenter: 1}
"""Frames after which all memories are full."""


@pytest.fixture
def longer(frames: list[Frame]) -> list[Frame]:
    """Enough for two targets one after the other to have a trace each."""
    return [*frames, *frames[:8]]


@pytest.fixture
def padded(plain: Plain, monkeypatch) -> Plain:
    """A segmenter whose texts are as long as those of traced steps, so that its numbers are theirs."""
    own = type(plain)(plain.network, plain.tokenizer)
    monkeypatch.setattr(own, "encode_text", lambda text: plain.pad_texts([plain.encode_text(text)], CAPTURED_TOKENS))
    return own


def follow(tracker: Tracker, frames: list[Frame], settle: TracedSegmenter | None = None) -> list[FrameResult]:
    """One target, and from the middle on a second one; every trace is waited for."""
    results = []
    for index, frame in enumerate(frames):
        if index in (0, len(frames) // 2):
            tracker.add("the red ball" if index == 0 else "the mug on the left of the second ball")
        results.append(tracker.step(frame))
        if settle is not None:
            settle.settle()
    return results


def follow_one(tracker: Tracker, frames: list[Frame]) -> list[FrameResult]:
    tracker.add("the red ball")
    return [tracker.step(frame) for frame in frames]


def assert_same(ours: list[FrameResult], expected: list[FrameResult]) -> None:
    for one, other in zip(ours, expected, strict=True):
        assert [found.score for found in one.objects] == [found.score for found in other.objects]
        assert np.array_equal(one.labels, other.labels)


def made(segmenter: TracedSegmenter) -> int:
    return sum(step.trace is not None for step in segmenter._steps.values())


@pytest.mark.parametrize("onednn", [False, True])
def test_steps_that_come_again_are_traced_and_answer_the_same(padded: Plain, longer: list[Frame], onednn, monkeypatch):
    if onednn:
        if not HAS_ONEDNN:
            pytest.skip("this PyTorch has no oneDNN")
        monkeypatch.setattr("samwise_ros.model.onednn.WORTH_IT", 0)
        padded.network = deepcopy(padded.network)
        use_onednn(padded.network)
    traced = TracedSegmenter(padded)
    runs: list[int] = []
    step = traced._run
    monkeypatch.setattr(traced, "_run", lambda *args: runs.append(1) or step(*args))
    assert_same(follow(Tracker(traced), longer, traced), follow(Tracker(padded), longer))
    assert made(traced) == 2
    assert traced._worker.name.startswith("samwise_"), "by which `ros.spin` knows what an exit must not wait for"
    assert len(runs) == 2  # once for each trace; the frames themselves ran as written, and then without Python


def test_another_expression_needs_no_other_trace_and_padding_changes_next_to_nothing(plain: Plain, longer: list[Frame]):
    traced = TracedSegmenter(plain)
    answers = []
    for segmenter in (traced, plain):
        for text in ("the red ball", "the mug on the left of the second ball"):
            tracker = Tracker(segmenter)
            tracker.add(text)
            answers.append([tracker.step(frame) for frame in longer[: FULL[type(plain)] + TRACED_AFTER + 1]])
            traced.settle()
    assert made(traced) == len(traced._steps) == 1
    for ours, expected in zip(answers[:2], answers[2:], strict=True):
        for one, other in zip(ours, expected, strict=True):
            scores = [[found.score for found in result.objects] for result in (one, other)]
            assert scores[0] == pytest.approx(scores[1], abs=1e-4)
            assert np.mean(one.labels != other.labels) < 1e-3


def test_an_expression_that_is_too_long_runs_as_written(plain: Plain, longer: list[Frame]):
    traced = TracedSegmenter(plain)
    tracker = Tracker(traced)
    tracker.add("the mug on the left of " * 5 + "it")
    for frame in longer[: FULL[type(plain)] + TRACED_AFTER + 1]:
        assert len(tracker.step(frame).objects) == 1
    assert not traced._steps


def test_a_traced_step_does_not_run_what_is_written(padded: Plain, frames: list[Frame], monkeypatch):
    traced = TracedSegmenter(padded)
    tracker = Tracker(traced)
    tracker.add("the red ball")
    usual = FULL[type(padded)] + TRACED_AFTER
    for frame in frames[:usual]:
        tracker.step(frame)
    traced.settle()
    assert made(traced) == 1
    expected = [found.score for found in tracker.step(frames[usual]).objects]
    tracker.reset()
    for frame in frames[:usual]:
        tracker.step(frame)
    monkeypatch.setattr(type(padded), "decode", None)
    assert [found.score for found in tracker.step(frames[usual]).objects] == expected


def test_a_step_is_traced_before_it_has_come(padded: Plain, frames: list[Frame], monkeypatch):
    traced = TracedSegmenter(padded)
    size = padded_size(*frames[0].rgb.shape[:2], padded.image_side_px, padded.image_step_px)
    traced.prepare(*size)
    assert made(traced) == len(traced._steps) == 1
    monkeypatch.setattr(traced, "_trace", None)
    traced.prepare(*size)
    some = frames[: FULL[type(padded)] + TRACED_AFTER + 1]
    expected = follow_one(Tracker(padded), some)
    written: list[int] = []
    decode = padded.decode
    monkeypatch.setattr(padded, "decode", lambda *args: written.append(1) or decode(*args))
    assert_same(follow_one(Tracker(traced), some), expected)
    assert len(written) == FULL[type(padded)]


def test_short_clips_are_not_traced(plain: Plain, frames: list[Frame]):
    traced = TracedSegmenter(plain)
    follow_one(Tracker(traced), frames[: FULL[type(plain)] + TRACED_AFTER - 1])
    assert traced._worker is None


def test_few_traces_are_kept(plain: Plain):
    traced = TracedSegmenter(plain)

    def come(*rows: int) -> None:
        for row in rows:
            step = traced._find((torch.Size((row,)),))
            if step.trace is None and traced._make_room(step):
                step.trace = lambda *_: ()

    def have() -> set[int]:
        return {shapes[0][0] for shapes, step in traced._steps.items() if step.trace is not None}

    come(*range(KEPT_TRACES), *range(100, 200))
    assert not have(), "none has come often"
    assert len(traced._steps) == KEPT_STEPS
    usual = set(range(KEPT_TRACES))
    come(*(TRACED_AFTER * [*usual]))
    assert have() == usual
    come(*(10 * TRACED_AFTER * [*usual, 50]))
    assert have() == usual, "they take turns with one more than there is room for"
    come(*(3 * TRACED_AFTER * [50, *(usual - {0})]))
    assert have() == {50} | usual - {0}, "that one is not used any more"
    assert len(traced._steps) <= KEPT_TRACES + KEPT_STEPS


def test_nothing_is_left_of_a_model_that_is_gone(plain: Plain, frames: list[Frame]):
    own = type(plain)(deepcopy(plain.network), plain.tokenizer)
    weights = [weakref.ref(weight) for weight in own.network.parameters()]
    traced = TracedSegmenter(own)
    follow_one(Tracker(traced), frames[: FULL[type(plain)] + TRACED_AFTER])
    traced.settle()
    assert made(traced) == 1
    del own, traced
    gc.collect()
    assert not [weight for weight in weights if weight() is not None]


def test_where_pytorch_does_not_trace_steps_run_as_written(plain: Plain, longer: list[Frame], monkeypatch, caplog):
    def refuse(*_args: object, **_options: object) -> None:
        raise RuntimeError("no longer here")

    monkeypatch.setattr(torch.jit, "_get_trace_graph", refuse)
    traced = TracedSegmenter(plain)
    with caplog.at_level("INFO"):
        assert_same(follow(Tracker(traced), longer, traced), follow(Tracker(plain), longer))
    assert [record.getMessage() for record in caplog.records if record.name == traces.__name__] == [
        "this PyTorch does not trace (RuntimeError: no longer here): a step runs as it is written"
    ]


def test_two_cameras_share_the_traces(padded: Plain, longer: list[Frame]):
    traced = TracedSegmenter(padded)
    parts = longer, longer[::-1]
    with ThreadPoolExecutor(2) as cameras:
        ours = [cameras.submit(follow, Tracker(traced), part) for part in parts]
    for answers, part in zip(ours, parts, strict=True):
        assert_same(answers.result(), follow(Tracker(padded), part))
    traced.settle()
    assert made(traced) == 2
