"""Freed memory is kept."""

import platform
import subprocess
import sys

import pytest

from samwise_ros.model import host_memory
from samwise_ros.model.host_memory import keep_freed_memory

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
