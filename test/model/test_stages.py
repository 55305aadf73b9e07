"""Names of the parts of a step."""

from collections.abc import Iterator
from contextlib import contextmanager

from samwise_ros.model.stages import stage, timed_by


def test_a_clock_surrounds_the_parts_of_its_own_block():
    seen = []

    @contextmanager
    def clock(name: str) -> Iterator[None]:
        seen.append(f"{name} begins")
        yield
        seen.append(f"{name} ends")

    with stage("before"):
        pass
    with timed_by(clock), stage("decode"):
        seen.append("work")
    with stage("after"):
        pass
    assert seen == ["decode begins", "work", "decode ends"]
