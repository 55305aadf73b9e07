"""Trains a preset as a recipe says, in one process or several. Called by `samwise train`."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import InitProcessGroupKwargs, gather_object
from torch import Tensor
from torch.nn import functional as F

from samwise_ros.engine.preprocess import normalise
from samwise_ros.errors import CheckpointError, ConfigError
from samwise_ros.model.build import wrap_network
from samwise_ros.model.checkpoint import save_weights
from samwise_ros.model.text import tokenize
from samwise_ros.training.ema import Ema
from samwise_ros.training.graphs import GraphedGradients
from samwise_ros.training.interrupts import Interrupts
from samwise_ros.training.objective import Objective
from samwise_ros.training.optimizers import build_optimizers
from samwise_ros.training.processes import any_process, process_count, share_batches, use_global_batch_norm
from samwise_ros.training.recipe import Recipe, Stage, read_recipe
from samwise_ros.training.records import Records
from samwise_ros.training.samples import Batch
from samwise_ros.training.source import Source, open_source
from samwise_ros.training.start import find_start_tokenizer, start_network

STATE = "state.pt"
"""File in the run's folder from which it can be resumed."""

VALIDATION_H = 6
"""A validation may take so many hours."""

TOKEN_STEP = 8
"""On a GPU a batch's texts are padded to a multiple of so many tokens, so that most batches have one shape."""


class Trainer:
    """One run of a recipe.

    Args:
        recipe: what to do.
        source: what to train on.
        out: folder for the state, the logs, the weights and the tokenizer.
        cpu: train on the CPU even where there is a GPU.

    Raises:
        ConfigError: the processes cannot share a stage's batch, or a learning rate is for a part that does not learn.
        CheckpointError: the weights to start from, or a tokenizer, cannot be read.
    """

    def __init__(self, recipe: Recipe, source: Source, out: Path, cpu: bool = False) -> None:
        self.recipe, self.source, self.out = recipe, source, out
        cpu = cpu or not torch.cuda.is_available()
        self.accelerator = Accelerator(
            cpu=cpu,
            mixed_precision="no" if cpu and not recipe.bf16_on_cpu else "bf16",
            # A stage of single frames leaves out the memory; batch statistics are equal in all processes anyway.
            kwargs_handlers=[
                DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False),
                InitProcessGroupKwargs(
                    timeout=timedelta(hours=VALIDATION_H)
                ),  # the others wait for the one that judges
            ],
        )
        self.device: torch.device = self.accelerator.device
        self.step = 0
        self.validated = 0
        self.best = -1.0
        self.workers = loader_workers(self.device)
        self._check_batches()
        self.weights_path = out / f"{recipe.model}.safetensors"
        self.network = start_network(recipe)
        with self.accelerator.main_process_first():
            self.tokenizer = find_start_tokenizer(
                recipe,
                self.network,
                self.weights_path,
                source.texts(),
                resumed=(out / STATE).exists(),
                first=self.accelerator.is_main_process,
            )
        use_global_batch_norm(self.network)
        self.network.to(self.device)
        self.ema = Ema(self.network, recipe.ema_decay)
        self.objective = Objective(self.network, recipe.loss_weights, source.classes).to(self.device)
        optimizers = build_optimizers(self.objective, recipe)
        self._run_objective, *self.optimizers = self.accelerator.prepare(self.objective, *optimizers)
        self._graphs: dict[Stage, GraphedGradients | None] = {}

    def run(self) -> bool:
        """Train to the end, or until the process is asked to end.

        Returns:
            Whether the end was reached. Either way the state is saved.
        """
        first = self.accelerator.is_main_process
        records = Records(self.out if first else None, self.step, self.recipe.steps)
        saved = time.monotonic()
        stopped = False
        with Interrupts() as interrupts:
            self._validate_if_due(records, interrupts)  # a stop may have kept it from being done
            while self.step < self.recipe.steps and not stopped:
                for batch in share_batches(self.source.batches(self.step, self.workers)):
                    losses = self.train_step(batch)
                    rate = self.optimizers[0].param_groups[0]["lr"]
                    records.add_step(self.step, self.recipe.stage_at(self.step - 1), rate, losses)
                    self._validate_if_due(records, interrupts)
                    stopped = any_process(interrupts.came, self.device)
                    if stopped:
                        break
                    if any_process(first and time.monotonic() - saved > self.recipe.save_every_s, self.device):
                        records.flush()
                        self.save()
                        saved = time.monotonic()
            self.save()
            if stopped:
                records.say(f"stopped after step {self.step}, which is saved: go on with the same command and --resume")
        records.close()
        return not stopped

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        """One optimizer step.

        Args:
            batch: this process's clips.

        Returns:
            The losses by name, scalars without their weights.
        """
        stage = self.recipe.stage_at(self.step)
        self.network.set_image_side(stage.side_px)
        self._run_objective.train()
        height = self._height()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = height * group["peak"]
        if stage not in self._graphs:
            self._graphs = {one: self._make_graphs() for one in self.recipe.group_at(self.step)[0]}
        graphs = self._graphs[stage]
        tensors = (batch.rgb, batch.sizes_px, self._tokenize(batch.texts), batch.mask, batch.shown, batch.things)
        if graphs is not None:
            losses = graphs(tensors)
        else:
            for optimizer in self.optimizers:
                optimizer.zero_grad()
            losses = self._learn(*(tensor.to(self.device) for tensor in tensors))
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.recipe.max_gradient)
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        self.ema.update(self.network, self.step)
        return losses

    def save(self) -> None:
        """Write the state; an earlier one is replaced in one step. All processes have to."""
        random = gather_object([_random_state()])
        if not self.accelerator.is_main_process:
            return
        state = {
            "recipe": _plain(self.recipe),
            "step": self.step,
            "validated": self.validated,
            "best": self.best,
            "workers": self.workers,
            "random": random,
            "objective": self.objective.state_dict(),
            "ema": self.ema.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        partial = self.out / f"{STATE}.partial"
        torch.save(state, partial)
        os.replace(partial, self.out / STATE)

    def resume(self) -> None:
        """Go on from the state in `out`, on a CPU to the numbers that the run would have had without a stop.

        On a GPU the gradients of some operations vary in their last bits from run to run.

        Raises:
            CheckpointError: there is none, or it is of another recipe.
        """
        path = self.out / STATE
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            recipe = state["recipe"]
            if recipe == _plain(self.recipe):
                self.objective.load_state_dict(state["objective"])
                self.ema.network.load_state_dict(state["ema"])
                for optimizer, theirs in zip(self.optimizers, state["optimizers"], strict=True):
                    optimizer.load_state_dict(theirs)
                self.step, self.validated = state["step"], state["validated"]
                self.best, self.workers = state["best"], state["workers"]
                random = state["random"]
                # With more processes than before the new ones keep their fresh state.
                if self.accelerator.process_index < len(random):
                    _set_random_state(random[self.accelerator.process_index])
        except (OSError, EOFError, RuntimeError, KeyError, ValueError, UnpicklingError) as error:
            raise CheckpointError(
                f"training state {path} cannot be resumed ({type(error).__name__}), expected the state of this recipe: "
                "start anew"
            ) from error
        ours = _plain(self.recipe)
        if recipe != ours:
            changed = ", ".join(key for key in ours if recipe.get(key) != ours[key])
            raise CheckpointError(
                f"training state {path} is of a recipe with other {changed or 'keys'}, expected this one: give it "
                "back its recipe, or start anew with start_from"
            )

    def _make_graphs(self) -> GraphedGradients | None:
        """Graphs of one stage's steps, where they help."""
        # In large networks each operation takes longer than its launch; several processes talk in the middle of a step.
        if self.device.type == "cpu" or process_count() > 1 or self.network.config.frozen:
            return None
        return GraphedGradients(self._learn, self.objective.parameters(), self.device)

    def _learn(
        self, rgb: Tensor, sizes_px: Tensor, ids: Tensor, mask: Tensor, shown: Tensor, things: Tensor
    ) -> dict[str, Tensor]:
        """Add the gradients of a batch on the device, whose tensors are those of `Batch`, and give its losses."""
        images = normalise(rgb.flatten(0, 1)).unflatten(0, rgb.shape[:2])
        losses: dict[str, Tensor] = self._run_objective(images, sizes_px, ids, mask, shown, things)
        self.accelerator.backward(self.objective.total(losses))
        return {name: loss.detach() for name, loss in losses.items()}

    def _tokenize(self, texts: list[str]) -> Tensor:
        ids = tokenize(self.tokenizer, texts, self.device)
        if self.device.type == "cpu" or len(ids) < 2:
            return ids
        padding = self.tokenizer.padding
        assert padding is not None
        return F.pad(ids, (0, -ids.shape[1] % TOKEN_STEP), value=padding["pad_id"])

    def _height(self) -> float:
        """The next step's learning rates as a share of their peaks: a linear rise, then one cosine down to zero."""
        warm = min(1.0, (self.step + 1) / self.recipe.warmup_steps)
        return warm * 0.5 * (1 + math.cos(math.pi * self.recipe.progress(self.step)))

    def _validate_if_due(self, records: Records, interrupts: Interrupts) -> None:
        """Judge the averaged weights once in a while; a stop breaks that off, and a resumed run does it anew."""
        due = self.step % self.recipe.validate_every == 0 or self.step == self.recipe.steps
        if self.step == self.validated or not due:
            return
        if self.accelerator.is_main_process:
            segmenter = wrap_network(self.ema.network, self.tokenizer)
            scores = None
            with suppress(KeyboardInterrupt), interrupts.breaking_off():
                scores = self.source.validate(segmenter, self.out / "validation" / f"{self.step:07d}.png")
            if scores is not None:
                self._keep_best(records, scores)
        self.accelerator.wait_for_everyone()

    def _keep_best(self, records: Records, scores: Mapping[str, float]) -> None:
        """Note what a validation gave, and write the averaged weights where no earlier one was better."""
        self.validated = self.step
        better = scores["all"] > self.best
        if better:
            self.best = scores["all"]
            save_weights(self.ema.network, self.recipe.model, self.weights_path, dtype=torch.float16)
        records.add_validation(self.step, scores, better)

    def _check_batches(self) -> None:
        for stage in self.recipe.each_stage():
            if stage.batch % process_count():
                raise ConfigError(
                    f"a stage has batch {stage.batch} for {process_count()} processes, expected one that they can "
                    "share evenly: change the recipe or the number of processes"
                )


def train(recipe_path: Path, out: Path, resume: bool = False, cpu: bool = False) -> None:
    """Run a recipe.

    Args:
        recipe_path: the YAML file.
        out: folder for what it makes: `state.pt`, `log.csv`, `tensorboard/`, `validation/`, the weights and the
            tokenizer.
        resume: go on from `out/state.pt`; without it `out` must hold none.
        cpu: train on the CPU even where there is a GPU.

    Raises:
        ConfigError: the recipe is wrong, or `out` holds an earlier run.
        DatasetError: a data set's files are missing or have another layout.
        CheckpointError: the state, or the weights to start from, cannot be read.
        KeyboardInterrupt: Ctrl-C or SIGTERM ended it; the state is saved.
    """
    recipe = read_recipe(recipe_path)
    out.mkdir(parents=True, exist_ok=True)
    if resume and not (out / STATE).exists():
        raise CheckpointError(f"{out} has no {STATE}, expected that of a run to go on with: start without --resume")
    weights = out / f"{recipe.model}.safetensors"
    if not resume and (found := next((one for one in (out / STATE, weights) if one.exists()), None)):
        raise ConfigError(f"{out} holds {found.name} of an earlier run, expected none: pass --resume or another --out")
    trainer = Trainer(recipe, open_source(recipe), out, cpu)
    # The sample maker needs a core of its own: threads that wait for each other on a busy one cost more than they do.
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) - trainer.workers))
    if resume:
        trainer.resume()
    finished = trainer.run()
    accelerator = trainer.accelerator
    # What averages gradients holds the process group. Freed after it, it would end the group's threads while Python is
    # locked, for which such a thread may wait: then the process never ends.
    del trainer
    accelerator.free_memory()
    accelerator.end_training()
    if not finished:
        raise KeyboardInterrupt


def loader_workers(device: torch.device) -> int:
    """Processes that make samples, at least one: one per two cores, or all cores but two where GPUs learn.

    Filming is what a GPU waits for (docs/log.md), and several GPUs get their samples from one training process.

    Args:
        device: of the network.
    """
    cores = os.cpu_count() or 1
    return max(1, cores // 2 if device.type == "cpu" else cores - 2)


def _plain(recipe: Recipe) -> dict[str, Any]:
    """The recipe as a state keeps it."""
    return asdict(recipe)


def _random_state() -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _set_random_state(state: dict[str, Tensor]) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
