"""Freed memory is kept."""

import platform
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from samwise_ros.model import host_memory
from samwise_ros.model.host_memory import in_strips, keep_freed_memory

ROUNDS = """
import ctypes, resource, sys, torch
from samwise_ros.model.host_memory import keep_freed_memory
# glibc's first values, which it raises by itself as it sees fit.
for option in (-1, -3):
    assert ctypes.CDLL(None).mallopt(option, 128 * 1024)
if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [torch.ones(1 << 19) for _ in range(20)]  # 40 MiB, 10240 pages
    del tensors
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_the_next_frame_finds_its_memory_made():
    # In processes of their own, since it holds for a whole process.
    faults = {
        what: int(subprocess.run([sys.executable, "-c", ROUNDS, what], check=True, capture_output=True).stdout)
        for what in ("default", "keep")
    }
    assert faults["keep"] < 0.01 * faults["default"]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host_memory.ctypes, "CDLL", lambda name: object())
    assert not keep_freed_memory()


@pytest.mark.parametrize(
    ("kept_bytes", "rows"),
    [(1 << 20, [13]), (6400, [9, 4]), (3200, [6, 6, 1]), (1, [3, 3, 3, 3, 1])],
)
def test_strips_are_of_whole_steps_and_small_enough(kept_bytes: int, rows: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host_memory, "LARGEST_KEPT_BYTES", kept_bytes)
    x, taken = torch.randn(2, 13, 5), []

    def compute(strip: Tensor) -> Tensor:
        taken.append(strip.shape[1])
        return strip.sum(2, keepdim=True)

    with torch.inference_mode():
        found = in_strips(compute, x, 1, step=3, widest_bytes=4000)
    assert taken == rows
    assert torch.equal(found, x.sum(2, keepdim=True))


def test_what_is_learnt_from_is_computed_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host_memory, "LARGEST_KEPT_BYTES", 1)
    taken = []
    in_strips(lambda strip: taken.append(strip.shape) or strip, torch.ones(4, 4), 0, step=1, widest_bytes=4000)
    assert taken == [(4, 4)]
