"""What a training tells."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from samwise_ros.training.recipe import Stage
from samwise_ros.training.records import LOG_EVERY, Records

STAGE = Stage(side_px=64, frames=1, batch=2, expressions=1, zoom=1.0, steps=100)


def learn(out: Path, first: int, last: int, saved: int = 0) -> None:
    """Note steps after `first` up to `last`, whose dice is their number; with a state saved, nobody closes."""
    records = Records(out, first, 100)
    for step in range(first + 1, last + 1):
        records.add_step(step, STAGE, 1e-3, {"dice": torch.tensor(float(step))})
        if step == saved:
            records.flush()
    if not saved:
        records.close()


@pytest.mark.parametrize(("last", "saved"), [(LOG_EVERY + 10, 0), (LOG_EVERY + 15, LOG_EVERY + 10)])
def test_every_step_is_in_a_line_when_a_run_stops_or_is_killed_and_goes_on(tmp_path: Path, last: int, saved: int):
    stop, end = LOG_EVERY + 10, 2 * LOG_EVERY
    learn(tmp_path, 0, last, saved)
    learn(tmp_path, stop, end)
    with (tmp_path / "log.csv").open() as file:
        rows = [(int(row["step"]), float(row["dice"])) for row in csv.DictReader(file)]
    parts = [range(1, LOG_EVERY + 1), range(LOG_EVERY + 1, stop + 1), range(stop + 1, end + 1)]
    assert rows == [(part[-1], sum(part) / len(part)) for part in parts]
