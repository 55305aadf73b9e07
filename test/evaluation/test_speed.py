"""Measuring speed: every part is there, nothing is counted twice, and what is measured is what ran."""

from __future__ import annotations

import itertools
import time

import pytest
import torch

from samwise_ros.evaluation import speed
from samwise_ros.evaluation.speed import StageClock, measure_rates, measure_speed, percentiles
from samwise_ros.model.samwise import Samwise
from samwise_ros.model.samwise_segmenter import SamwiseSegmenter
from samwise_ros.model.stages import stage

CPU = torch.device("cpu")
MEMORY = {"memory read", "memory check", "memory write", "remember"}
STEPS = {"preprocess", "image encoder", "fusion", "decode", "edges", *MEMORY}


class Counted(SamwiseSegmenter):
    """Keeps what it is given."""

    def encode_images(self, images: torch.Tensor):
        self.images = [*getattr(self, "images", []), images.clone()]
        return super().encode_images(images)

    def fuse(self, images, texts, past):
        self.targets = len(texts)
        return super().fuse(images, texts, past)


def test_a_clock_sums_parts_by_name():
    clock = StageClock(CPU)
    with speed.timed_by(clock):
        for _ in range(2):
            with stage("sleep"):
                time.sleep(0.01)
        with stage("nothing"):
            pass
    first = clock.take()
    assert 20 <= first["sleep"] < 2000
    assert first["nothing"] < first["sleep"]
    assert clock.take() == {}


@pytest.mark.parametrize("mode", ["stream", "clip"])
def test_all_parts_of_a_step_are_timed(network: Samwise, tokenizer, mode: str):
    segmenter = Counted(network, tokenizer, mode)
    measured = measure_speed(segmenter, height_px=48, width_px=64, targets=2, frames=3, warmup=9)
    assert measured.stages.keys() == STEPS | {"postprocess", "copy back"}
    together = sum(part.p50 for part in measured.stages.values())
    assert 0.5 * measured.step.p50 < together < 1.5 * measured.step.p50
    assert measured.step.p50 <= measured.step.p90 <= measured.step.p99
    assert measured.frames_per_s == pytest.approx(1e3 / measured.step.p50, rel=0.9)
    assert measured.device_peak_bytes is measured.device_growth_bytes is None
    assert 10**7 < measured.host_peak_bytes < 10**11
    # Whole steps: in clip mode one of 8 frames for the 3, and two to warm up.
    assert len(segmenter.images) == (3 if mode == "clip" else 12)
    assert not torch.equal(segmenter.images[0], segmenter.images[1]), "the pictures have to change"
    assert segmenter.targets == 2


@pytest.mark.parametrize("mode", ["stream", "clip"])
def test_a_frame_takes_its_share_of_a_step(network: Samwise, tokenizer, mode: str, monkeypatch: pytest.MonkeyPatch):
    ticks = itertools.count(0.0, 0.08)
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(ticks))
    segmenter = SamwiseSegmenter(network, tokenizer, mode)
    measured = measure_speed(segmenter, height_px=48, width_px=64, targets=1, frames=8, warmup=0)
    asked = next(ticks) / 0.08
    shares = 8 if mode == "clip" else 1
    steps = 8 // shares
    # Of a step one part is asked at its begin and its end.
    assert measured.stages["preprocess"].p50 == pytest.approx(80 / shares)
    # Between the last question of a step and the first of the next no time passes that counts.
    assert 8 / measured.frames_per_s == pytest.approx(0.08 * (asked - steps))
    assert measured.step.p50 == pytest.approx(1e3 / measured.frames_per_s, rel=0.2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rates_are_those_of_a_machine(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(speed, "RATE_S", 0.01)
    monkeypatch.setitem(speed.MULTIPLIED_SIDE, "cpu", 256)
    monkeypatch.setitem(speed.COPIED_BYTES, "cpu", 1 << 22)
    rates = measure_rates(CPU, dtype)
    assert 1e7 < rates.flop_per_s < 1e14
    assert 1e7 < rates.bytes_per_s < 1e13


def test_percentiles():
    assert percentiles([*range(101)]) == speed.Percentiles(50, 90, 99)
