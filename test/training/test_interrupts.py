"""Signals that ask a training to end."""

import os
import signal

import pytest

from samwise_ros.training.interrupts import SIGNALS, Interrupts


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_however_often_it_comes_and_later_obeyed_again(number):
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        assert not interrupts.came
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert interrupts.came
    assert signal.getsignal(number) is before
