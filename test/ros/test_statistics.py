import threading

import numpy as np
import pytest

from samwise_ros.ros.statistics import LATENCIES, MAX_LATENCY_S, WINDOW_S, Latency, Statistics

SECOND_NS = 10**9


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def statistics(clock):
    return Statistics(clock)


def serve(statistics, clock, seconds, period_s=0.1, latency_s=0.05):
    """Let images come and be answered for a while."""
    for _ in range(round(seconds / period_s)):
        statistics.image_received(clock.now_s)
        clock.now_s += latency_s
        statistics.image_answered(clock.now_s - latency_s, 0, 0)
        clock.now_s += period_s - latency_s


def test_nothing_has_happened_yet(statistics, clock):
    clock.now_s += 3.0
    nothing = statistics.snapshot(dropped=0)
    assert (nothing.received, nothing.answered, nothing.failed, nothing.dropped) == (0, 0, 0, 0)
    assert (nothing.received_hz, nothing.answered_hz, nothing.failed_hz) == (0.0, 0.0, 0.0)
    assert (nothing.age_s, nothing.silent_s, nothing.waiting_s) == (3.0, 3.0, 0.0)
    assert (nothing.from_stamp, nothing.from_receipt, nothing.last_failure) == (None, None, "")


def test_counts_and_rates_in_and_out(statistics, clock):
    for number in range(60):
        statistics.image_received(clock.now_s)
        if number % 3 == 0:
            statistics.image_answered(clock.now_s, 0, 0)
        elif number % 6 == 1:
            statistics.image_failed(clock.now_s, "too small")
        clock.now_s += 0.1
    taken = statistics.snapshot(dropped=30)
    assert (taken.received, taken.answered, taken.failed, taken.dropped) == (60, 20, 10, 30)
    assert taken.received_hz == pytest.approx(10.0, abs=0.2)
    assert taken.answered_hz == pytest.approx(10 / 3, abs=0.2)
    assert taken.failed_hz == pytest.approx(10 / 6, abs=0.2)
    assert taken.last_failure == "too small"


def test_rates_are_those_of_late(statistics, clock):
    serve(statistics, clock, seconds=20.0)
    clock.now_s += WINDOW_S / 2
    assert statistics.snapshot(0).answered_hz == pytest.approx(5.0, abs=0.3)
    clock.now_s += WINDOW_S / 2 + 0.1
    late = statistics.snapshot(0)
    assert (late.received_hz, late.answered_hz, late.answered) == (0.0, 0.0, 200)


def test_rates_are_right_before_the_window_is_full(statistics, clock):
    serve(statistics, clock, seconds=2.0)
    assert statistics.snapshot(0).received_hz == pytest.approx(10.0, abs=0.6)


def test_one_image_at_the_start_is_no_high_rate(statistics, clock):
    statistics.image_received(clock.now_s)
    clock.now_s += 0.001
    assert statistics.snapshot(0).received_hz == 1.0


def test_a_rate_that_outruns_the_memory_is_right(statistics, clock):
    for _ in range(10_000):
        clock.now_s += 0.001
        statistics.image_received(clock.now_s)
    assert statistics.snapshot(0).received_hz == pytest.approx(1000.0, rel=0.01)


def test_latency_from_receipt_and_from_stamp(statistics, clock):
    for number in range(1, 101):
        statistics.image_received(clock.now_s)
        clock.now_s += number / 1e3
        statistics.image_answered(clock.now_s - number / 1e3, SECOND_NS, SECOND_NS + 2 * number * 10**6)
    taken = statistics.snapshot(0)
    p50_ms, p99_ms = np.percentile(np.arange(1, 101), (50, 99))
    assert (taken.from_receipt.p50_ms, taken.from_receipt.p99_ms) == pytest.approx((p50_ms, p99_ms))
    assert (taken.from_stamp.p50_ms, taken.from_stamp.p99_ms) == pytest.approx((2 * p50_ms, 2 * p99_ms))


@pytest.mark.parametrize(
    ("stamp_ns", "now_ns"),
    [
        (0, SECOND_NS),
        (2 * SECOND_NS, SECOND_NS),
        (SECOND_NS, SECOND_NS + int((MAX_LATENCY_S + 1) * SECOND_NS)),
        (1_700_000_000 * SECOND_NS, 0),
    ],
    ids=["no stamp", "from the future", "of another clock", "before the first simulated time"],
)
def test_a_stamp_that_the_nodes_clock_has_not_made_is_no_latency(statistics, clock, stamp_ns, now_ns):
    statistics.image_received(clock.now_s)
    clock.now_s += 0.25
    statistics.image_answered(clock.now_s - 0.25, stamp_ns, now_ns)
    taken = statistics.snapshot(0)
    assert taken.from_stamp is None
    assert taken.from_receipt == Latency(250.0, 250.0)


def test_latencies_from_stamps_of_before_do_not_stay(statistics, clock):
    def answer(count, latency_s, stamp_ahead_s):
        for _ in range(count):
            statistics.image_received(clock.now_s)
            clock.now_s += latency_s
            now_ns = round(clock.now_s * SECOND_NS)
            stamp_ns = round((clock.now_s - latency_s + stamp_ahead_s) * SECOND_NS)
            statistics.image_answered(clock.now_s - latency_s, stamp_ns, now_ns)

    answer(LATENCIES, 3.0, 0.0)
    assert statistics.snapshot(0).from_stamp.p99_ms == pytest.approx(3000.0)
    answer(LATENCIES - 1, 0.05, 1000.0)
    assert statistics.snapshot(0).from_stamp.p99_ms == pytest.approx(3000.0), "the last that is known"
    answer(1, 0.05, 1000.0)
    assert statistics.snapshot(0).from_stamp is None
    assert statistics.snapshot(0).from_receipt.p99_ms == pytest.approx(50.0)


def test_latencies_are_those_of_the_last_answers(statistics, clock):
    serve(statistics, clock, seconds=10.0, period_s=1.0, latency_s=0.9)
    assert statistics.snapshot(0).from_receipt.p99_ms == pytest.approx(900.0)
    serve(statistics, clock, seconds=0.1 * LATENCIES)
    assert statistics.snapshot(0).from_receipt.p99_ms == pytest.approx(50.0)


def test_one_hiccup_is_not_the_99th_percentile(statistics, clock):
    serve(statistics, clock, seconds=0.1 * (LATENCIES - 1))
    serve(statistics, clock, seconds=1.0, period_s=1.0, latency_s=0.9)
    assert statistics.snapshot(0).from_receipt.p99_ms == pytest.approx(50.0)


def test_silence_is_the_time_since_the_last_image(statistics, clock):
    serve(statistics, clock, seconds=3.0)
    clock.now_s += 4.0
    assert statistics.snapshot(0).silent_s == pytest.approx(4.1)


def test_waiting_lasts_until_the_newest_image_is_answered(statistics, clock):
    first_s = clock.now_s
    statistics.image_received(first_s)
    clock.now_s += 1.0
    second_s = clock.now_s
    statistics.image_received(second_s)
    assert statistics.snapshot(0).waiting_s == pytest.approx(1.0)
    clock.now_s += 0.5
    statistics.image_answered(first_s, 0, 0)
    assert statistics.snapshot(0).waiting_s == pytest.approx(0.5)
    statistics.image_failed(second_s, "too small")
    clock.now_s += 9.0
    assert statistics.snapshot(0).waiting_s == 0.0


def test_memory_is_bounded_whatever_comes(statistics, clock):
    for _ in range(5000):
        serve(statistics, clock, seconds=0.1)
    statistics.image_failed(clock.now_s, "x" * 10_000)
    kept = [statistics._received._times_s, statistics._from_receipt_s, statistics._from_stamp_s]
    assert max(map(len, kept)) <= 1024
    assert len(statistics.snapshot(0).last_failure) == 300
    assert statistics.snapshot(0).answered == 5000


def test_no_image_is_lost_between_threads():
    statistics = Statistics()
    done = threading.Event()

    def receive():
        for _ in range(2000):
            statistics.image_received(0.0)

    def answer():
        for _ in range(2000):
            statistics.image_answered(0.0, 1, 2)

    def watch():
        while not done.is_set():
            statistics.snapshot(0)

    watcher = threading.Thread(target=watch)
    workers = [threading.Thread(target=work) for work in (receive, receive, answer, answer)]
    for thread in [watcher, *workers]:
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    watcher.join()
    taken = statistics.snapshot(0)
    assert (taken.received, taken.answered) == (4000, 4000)
