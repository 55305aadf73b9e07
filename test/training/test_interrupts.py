"""Signals that ask a training to end."""

import os
import signal
import subprocess
import sys

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


@pytest.mark.parametrize("number", SIGNALS)
def test_what_may_be_broken_off_is_once(number):
    def work() -> None:
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)  # to those who have it already: what cleans up goes on

    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt), interrupts.breaking_off():
            work()
        assert interrupts.came
        os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt), interrupts.breaking_off():
            pytest.fail("it came before")


def test_a_signal_to_the_group_spares_those_who_make_samples(tmp_path):
    script = tmp_path / "fetch.py"
    script.write_text(
        "import os, signal, time\n"
        "from torch.utils.data import DataLoader\n"
        "from samwise_ros.training.interrupts import Interrupts, ignore_interrupt\n"
        "with Interrupts() as interrupts:\n"
        "    samples = iter(DataLoader(range(100), num_workers=1, worker_init_fn=ignore_interrupt))\n"
        "    next(samples)\n"
        "    for number in (signal.SIGINT, signal.SIGTERM):\n"
        "        os.killpg(0, number)\n"
        "        time.sleep(0.2)\n"
        "    print(interrupts.came, len(list(samples)))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], start_new_session=True, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["True", "99"], done.stderr
