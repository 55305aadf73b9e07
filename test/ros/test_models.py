"""Cameras of one process share a model, and the last one out turns off the light."""

import gc
import signal
import sys
import threading
import time

import pytest

from samwise_ros.engine.preprocess import padded_size
from samwise_ros.errors import ConfigError
from samwise_ros.model.traces import TracedSegmenter
from samwise_ros.ros import models

COMPACT = ("compact", "", "", "cpu", "auto", 0)


def test_the_same_arguments_give_the_same_model():
    first = models.open_model(*COMPACT)
    assert models.open_model(*COMPACT) is first
    assert first.image_side_px == 320


@pytest.mark.parametrize("preset", ["compact", "refsam_compact"])
def test_a_model_is_ready_for_the_formats_of_most_cameras(preset: str):
    model = models.open_model(preset, *COMPACT[1:])
    assert isinstance(model, TracedSegmenter)
    traced = [shapes[0][2:] for shapes, step in model._steps.items() if step.trace is not None]
    cameras = ((480, 640), (720, 1280))
    sizes = {padded_size(*camera, model.image_side_px, model.image_step_px) for camera in cameras}
    assert sorted(traced) == sorted(sizes)


def test_a_model_that_nobody_holds_is_gone():
    models.open_model(*COMPACT)
    gc.collect()
    assert COMPACT not in models._models
    models.free_memory()


def test_a_model_that_there_is_not():
    with pytest.raises(ConfigError, match="model preset is 'nope'"):
        models.open_model("nope", "", "", "cpu", "auto", 0)
    assert not models._models


def test_a_signal_that_another_thread_hears_ends_the_wait_for_a_model():
    """The kernel may choose any thread; one that comes just before the wait begins is as easily lost."""
    may_end, ended = threading.Event(), threading.Event()

    def load():
        time.sleep(0.2)  # until the other one waits
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        may_end.wait(10)
        ended.set()

    usual = signal.signal(signal.SIGUSR1, lambda *_: sys.exit())
    try:
        with pytest.raises(SystemExit):
            models._in_a_thread_that_ends(load)
        assert not ended.is_set()
    finally:
        signal.signal(signal.SIGUSR1, usual)
        may_end.set()
