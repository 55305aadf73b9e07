"""Two processes train as one does."""

from __future__ import annotations

import csv
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from samwise_ros.model.build import build_model
from samwise_ros.training import records, samples
from samwise_ros.training.loop import train
from samwise_ros.training.objective import Objective
from samwise_ros.training.optimizers import build_optimizers
from samwise_ros.training.processes import GlobalBatchNorm, share_batches, take_part, use_global_batch_norm
from samwise_ros.training.recipe import LOSSES, SAMWISE_LOSSES, Recipe
from samwise_ros.training.samples import Batch
from samwise_ros.training.source import SyntheticSource

ROOT = Path(__file__).parents[2]
RATE = 1.0e-4
TOGETHER = 1e-5


SHORT = """
import sys
from samwise_ros.cli.main import main
from samwise_ros.training import samples, source
samples.BUFFER_FRAMES, samples.VARIED, source.PART_STEPS, source.VALIDATION_FRAMES = 6, 0.0, 2, 2
source.VALIDATION_SIZE_PX, source.PICTURED_FRAMES = (48, 64), 2
sys.exit(main(sys.argv[1:]))
"""
"""The command, with what the fixture `plain_run` changes."""


@pytest.fixture
def plain_run(small_run: None, monkeypatch: pytest.MonkeyPatch):
    """A small run of plain worlds: what is compared stays the same however often and much others are varied."""
    monkeypatch.setattr(samples, "VARIED", 0.0)


def run_together(count: int, recipe: Path, out: Path) -> None:
    """Train with the command, in processes as `accelerate launch` starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": f"{count}", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": f"{port}", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SHORT, "train", "--config", f"{recipe}", "--out", f"{out}"],
            cwd=ROOT,
            env={**os.environ, **shared, "RANK": f"{rank}", "LOCAL_RANK": f"{rank}", "CUDA_VISIBLE_DEVICES": ""},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    try:
        for process in processes:
            _, words = process.communicate(timeout=120)
            assert process.returncode == 0, words
    finally:
        for process in processes:
            process.kill()


def read_losses(out: Path) -> list[dict[str, float]]:
    with (out / "log.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["rate"]]
    return [{name: float(row[name]) for name in LOSSES if row[name]} for row in rows]


SINGLE = {"side_px": 64, "frames": 1, "batch": 4, "expressions": 2, "zoom": 1}
CLIPS = {"side_px": 64, "frames": 6, "batch": 2, "expressions": 2, "zoom": 1}


def train_both_ways(recipe: Path, model: str, folder: Path) -> list[tuple[list[dict[str, float]], dict[str, Any]]]:
    """Losses and final state of one process and of two that train together."""
    one, two = folder / "one", folder / "two"
    train(recipe, one, cpu=True)
    two.mkdir()
    shutil.copy(one / f"{model}.tokenizer.json", two)
    run_together(2, recipe, two)
    return [(read_losses(out), torch.load(out / "state.pt", weights_only=True)) for out in (one, two)]


@pytest.mark.usefixtures("plain_run")
@pytest.mark.parametrize("stage", [SINGLE, CLIPS], ids=["single frames", "clips"])
@pytest.mark.parametrize("model", ["compact", "refsam_compact"])
def test_a_step_of_two_processes_is_a_step_of_one(model: str, stage: dict[str, int], write_recipe, tmp_path: Path):
    # One step, as rounding errors grow: Adam's first steps are as long as any, also where gradients are nothing else.
    recipe = write_recipe(
        model, stages=[{**stage, "steps": 1}], learning_rate=RATE, muon_learning_rate=None, warmup_steps=1
    )
    (losses, alone), (losses_together, together) = train_both_ways(recipe, model, tmp_path)
    assert len(losses) == 1
    missing = {"cme"} if stage is SINGLE else set()
    assert losses[0].keys() == set(LOSSES) - (set(SAMWISE_LOSSES) if model == "refsam_compact" else missing)
    # float32 has no fifth decimal place of the auxiliary loss's 18.
    assert losses_together == [pytest.approx(row, abs=TOGETHER, rel=TOGETHER / 4) for row in losses]
    assert_like(alone, together)


@pytest.mark.usefixtures("plain_run")
@pytest.mark.parametrize(("model", "muon_rate"), [("compact", None), ("refsam_compact", None), ("compact", 3.0e-3)])
def test_some_steps_of_two_processes_lose_what_those_of_one_do(
    model: str, muon_rate: float | None, write_recipe, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(records, "LOG_EVERY", 20)
    stages = [{**SINGLE, "steps": 2}, {**CLIPS, "steps": 1}]
    # The pyramid is deep: at its usual rate two runs soon have two pyramids. With some seeds rounding errors show.
    slow = {"pyramid": 1e-6}
    recipe = write_recipe(
        model, stages=stages, learning_rate=RATE, muon_learning_rate=muon_rate, learning_rate_factors=slow, seed=3
    )
    (losses, _), (losses_together, together) = train_both_ways(recipe, model, tmp_path)
    assert len(losses) == 2, "of single frames and of clips"
    # Muon goes as far in directions that are nothing but rounding errors, so that its runs drift apart.
    close = {"abs": TOGETHER, "rel": TOGETHER / 4} if muon_rate is None else {"rel": 1e-3}
    assert losses_together == [pytest.approx(row, **close) for row in losses]
    assert len(together["random"]) == 2


def assert_like(alone: dict[str, Any], together: dict[str, Any]) -> None:
    """Gradients, batch statistics and weights after one step agree."""
    recipe = Recipe(**{**alone["recipe"], "stages": ()})
    objective = Objective(build_model(recipe.model), recipe.loss_weights, SyntheticSource.classes)
    names = {id(parameter): name for name, parameter in objective.named_parameters()}
    (adamw,) = build_optimizers(objective, recipe)
    groups = [(parameter, group) for group in adamw.param_groups for parameter in group["params"]]
    state, state_together = (run["optimizers"][0]["state"] for run in (alone, together))
    assert state.keys() == state_together.keys()
    largest = 0.0
    for index, ours in state.items():
        parameter, group = groups[index]
        name = names[id(parameter)]
        # Adam takes a share of the gradient into its first moment.
        gradient, gradient_together = (
            run[index]["exp_avg"] / (1 - group["betas"][0]) for run in (state, state_together)
        )
        apart = gradient_together - gradient
        # Rounding errors switch some of the pyramid's rectifiers, each of which at 64 px is a part of the gradient that
        # shows, in the heads on its maps, too: up to .04 of it, another one on each CPU.
        if name.startswith(("network.pyramid.", "heads.name.")):
            assert apart.norm() < 0.08 * gradient.norm() + TOGETHER, name
            continue
        assert apart.abs().max() < 3 * TOGETHER + 1e-3 * gradient.abs().max(), name
        largest = max(largest, gradient.abs().max().item())
        # A step is as long as the rate where gradients are nothing but rounding errors, as for the bias of keys;
        # elsewhere the same errors change it by their share of the gradient.
        difference = (together["objective"][name] - alone["objective"][name]).abs()
        size = ours["exp_avg_sq"].sqrt()
        assert (difference * size).max() < 5 * RATE * TOGETHER, name
        counts = size > 1e-4
        assert not counts.any() or difference[counts].mean() < TOGETHER / 10, name
    assert largest > 1000 * TOGETHER
    buffers = [name for name in alone["objective"] if "running_" in name]
    assert buffers, "the pyramid has batch norms"
    for name in buffers:
        assert torch.allclose(together["objective"][name], alone["objective"][name], atol=TOGETHER), name


def make_batch() -> Batch:
    """4 clips of 2 frames, with 2 expressions each."""
    rows = torch.arange(4)
    labels = torch.arange(8)[:, None, None]
    masks = torch.arange(16)[:, None, None] > 7
    pictures = rows[:, None, None, None, None].expand(4, 2, 1, 1, 3)
    return Batch(pictures, torch.stack((rows, rows), 1), masks, labels[:, None], torch.arange(8), list("abcdefgh"))


def test_a_part_of_a_batch_has_its_own_clips():
    part = take_part(make_batch(), 1, 2)
    assert part.texts == ["e", "f", "g", "h"]
    assert part.rgb[:, 0, 0, 0, 0].tolist() == [2, 3]
    assert part.sizes_px.tolist() == [[2, 2], [3, 3]]
    assert part.shown.flatten().tolist() == [4, 5, 6, 7]
    assert part.things.tolist() == [4, 5, 6, 7]
    assert part.mask.shape[0] == 8
    assert part.mask.all()


def test_alone_a_process_takes_whole_batches():
    batch = make_batch()
    assert [taken is batch for taken in share_batches(iter([batch, batch]))] == [True, True]


def test_alone_batch_norm_is_as_usual():
    torch.manual_seed(0)
    usual, ours = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    use_global_batch_norm(ours.train())
    assert type(ours) is GlobalBatchNorm
    values = torch.randn(2, 3, 4, 4)
    assert torch.equal(ours(values), usual(values))
