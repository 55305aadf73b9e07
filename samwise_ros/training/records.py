"""What a training run tells while it runs: a progress bar, a CSV file, TensorBoard. Called by `training.loop`."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from samwise_ros.errors import CheckpointError
from samwise_ros.training.processes import mean_over_processes
from samwise_ros.training.recipe import LOSSES, Stage

LOG_EVERY = 20
"""Steps between two lines of the log, and some for the last step too: one for each size of clip, with its means."""

COLUMNS = ("step", "side_px", "frames", "rate", *LOSSES, "validation")


class Records:
    """The records of one run, those after its first step dropped.

    Args:
        out: folder for `log.csv` and TensorBoard's files; None in the processes that only train along.
        step: steps that are done.
        steps: steps of the whole run.

    Raises:
        CheckpointError: `log.csv` is of something else.
    """

    def __init__(self, out: Path | None, step: int, steps: int) -> None:
        self._bar = tqdm(total=steps, initial=step, unit="step", disable=out is None, dynamic_ncols=True)
        self._board = None
        self._table = None
        self._waiting: dict[tuple[int, int], list[dict[str, Tensor]]] = {}
        self._step, self._rate = step, 0.0
        if out is not None:
            self._board = SummaryWriter(str(out / "tensorboard"), purge_step=step + 1)
            self._table = out / "log.csv"
            rows = [row for row in _read_rows(self._table) if int(row["step"]) <= step]
            with self._table.open("w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(rows)

    def add_step(self, step: int, stage: Stage, rate: float, losses: Mapping[str, Tensor]) -> None:
        """Note a step; all processes have to.

        Args:
            step: its number, counted from 1.
            stage: which it belongs to.
            rate: its learning rate.
            losses: scalars by name, of this process's samples.
        """
        self._bar.update()
        past = self._waiting.setdefault((stage.side_px, stage.frames), [])
        past.append({name: loss.detach() for name, loss in losses.items()})
        self._step, self._rate = step, rate
        if not step % LOG_EVERY or step == self._bar.total:
            self.flush()

    def flush(self) -> None:
        """Write the means since the last line, one for each size of clip; all processes have to."""
        if not self._waiting:
            return
        step, rate = self._step, self._rate
        for (side_px, frames), past in self._waiting.items():
            names = [name for name in LOSSES if any(name in one for one in past)]
            means = torch.stack([torch.stack([one[name] for one in past if name in one]).mean() for name in names])
            values = dict(zip(names, mean_over_processes(means).tolist(), strict=True))
            self._bar.set_postfix(
                {"side_px": side_px, "frames": frames, **{name: f"{value:.3f}" for name, value in values.items()}}
            )
            self._write(step, {f"loss {side_px}x{frames}/{name}": value for name, value in values.items()})
            texts = {name: f"{value:.6f}" for name, value in values.items()}
            self._append({"step": step, "side_px": side_px, "frames": frames, "rate": f"{rate:.2e}", **texts})
        self._write(step, {"rate": rate})
        self._waiting.clear()

    def add_validation(self, step: int, scores: Mapping[str, float], best: bool) -> None:
        """Note what a validation gave; only the first process validates.

        Args:
            step: after which.
            scores: by kind of expression and for `all`, 0..1.
            best: whether no earlier one was better.
        """
        self.say(f"step {step}: validation {scores['all']:.3f}{', the best so far' if best else ''}")
        self._write(step, {f"validation/{kind}": value for kind, value in scores.items()})
        self._append({"step": step, "validation": f"{scores['all']:.4f}"})

    def say(self, text: str) -> None:
        """Print a line above the progress bar, once however many processes there are."""
        if not self._bar.disable:
            self._bar.write(text)

    def close(self) -> None:
        """Write what is still waiting; all processes have to."""
        self.flush()
        self._bar.close()
        if self._board is not None:
            self._board.close()

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def _append(self, row: Mapping[str, object]) -> None:
        if self._table is not None:
            with self._table.open("a", newline="") as file:
                csv.DictWriter(file, COLUMNS).writerow(row)


def _read_rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise CheckpointError(
            f"{path} has columns {', '.join(reader.fieldnames or ())}, expected {', '.join(COLUMNS)}: move it away"
        )
    return rows
