"""Trains a preset from scratch on the synthetic world. Called by `samwise train`."""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, distributed, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from samwise_ros.config import preset
from samwise_ros.data.synthetic import COLOURS, FIRST_TRAINING_SEED, KINDS, render_clip
from samwise_ros.engine.preprocess import normalise
from samwise_ros.errors import CheckpointError, ConfigError
from samwise_ros.model.build import find_device
from samwise_ros.model.checkpoint import save_weights, tokenizer_path
from samwise_ros.model.samwise import Samwise
from samwise_ros.model.text import load_tokenizer, tokenize
from samwise_ros.training.losses import AuxiliaryHeads, cme_loss, mask_loss, score_loss
from samwise_ros.training.recipe import Recipe, Stage, read_recipe
from samwise_ros.training.samples import Batch, SyntheticSamples, samples_to_batch
from samwise_ros.training.tokens import train_tokenizer

WORLDS_PER_PROCESS = 10_000_000
"""Distance between the first worlds of two processes that train together."""

LOG_EVERY = 20
"""Steps between two lines of the log."""

CORPUS_WORLDS = 2000
"""Worlds whose expressions the tokenizer is made from."""


class Trainer:
    """One run of a recipe.

    Args:
        recipe: what to do.
        out: folder for the state, the log, the weights and the tokenizer.
        device: where to train.

    Raises:
        CheckpointError: `out` holds a tokenizer that cannot be read.
    """

    def __init__(self, recipe: Recipe, out: Path, device: torch.device) -> None:
        self.recipe, self.out, self.device = recipe, out, device
        self.weights_path = out / f"{recipe.model}.safetensors"
        config = preset(recipe.model)
        if not tokenizer_path(self.weights_path).is_file():
            train_tokenizer(corpus(CORPUS_WORLDS), config.text.vocab_size, tokenizer_path(self.weights_path))
        self.tokenizer = load_tokenizer(tokenizer_path(self.weights_path), config.text)
        torch.manual_seed(recipe.seed)  # the same weights in every process
        self.network = Samwise(config).to(device)
        spread_positions(self.network)
        widths = (config.hiera.embed_dim * 2, config.hiera.embed_dim * 4)
        self.heads = AuxiliaryHeads(widths, config.text.width, len(COLOURS), len(KINDS)).to(device)
        parameters = [*self.network.parameters(), *self.heads.parameters()]
        self.optimizer = torch.optim.AdamW(
            parameters, recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate)
        self.step = 0
        self.worlds_seen = 0

    def run(self) -> None:
        """Train to the end; Ctrl-C saves the state and ends quietly."""
        saved = time.monotonic()
        with tqdm(total=self.recipe.steps, initial=self.step, unit="step", disable=process_rank() > 0) as bar:
            try:
                while self.step < self.recipe.steps:
                    stage, left = self.recipe.stage_at(self.step)
                    self.network.set_image_side(stage.side_px)
                    for batch in self._batches(stage, left):
                        losses = self.train_step(batch)
                        bar.update()
                        bar.set_postfix(
                            side=stage.side_px, T=stage.frames, **{k: f"{v:.3f}" for k, v in losses.items()}
                        )
                        self._log(stage, losses)
                        if time.monotonic() - saved > self.recipe.save_every_s:
                            self.save()
                            saved = time.monotonic()
            except KeyboardInterrupt:
                bar.write(f"stopped at step {self.step}; `--resume` goes on from here")
        self.save()

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One optimizer step.

        Args:
            batch: B clips of T frames.

        Returns:
            The losses by name.
        """
        self.network.train()
        images = normalise(batch.rgb.to(self.device).flatten(0, 1)).unflatten(0, batch.rgb.shape[:2])
        mask = batch.mask.to(self.device)
        ids = tokenize(self.tokenizer, batch.texts, self.device)
        # On CPUs bfloat16 was slower than float32 where it was measured (see docs/log.md).
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            clip = self.network(images, ids)
            extra = self.heads(clip.fused, mask, batch.colour.to(self.device), batch.kind.to(self.device))
        frames = clip.frames
        logits = torch.stack([frame.decoded.mask_logits for frame in frames], 1).flatten(0, 1)
        scores = torch.stack([frame.decoded.score_logits for frame in frames], 1).flatten(0, 1)
        losses: dict[str, Tensor] = {"mask": mask_loss(logits, mask), "score": score_loss(scores, mask)}
        checked = [frame for frame in frames if frame.check is not None]
        if checked:
            losses["cme"] = torch.stack([cme_loss(frame, mask.shape[-1]) for frame in checked]).mean()
        losses["auxiliary"] = self.recipe.auxiliary_weight * extra
        self.optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        average_gradients([*self.network.parameters(), *self.heads.parameters()])
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        return {name: value.item() for name, value in losses.items()}

    def save(self) -> None:
        """Write the resumable state and the weights; an earlier state is replaced in one step."""
        if process_rank():
            return
        state = {
            "step": self.step,
            "worlds_seen": self.worlds_seen,
            "network": self.network.state_dict(),
            "heads": self.heads.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        partial = self.out / "state.partial"
        torch.save(state, partial)
        os.replace(partial, self.out / "state.pt")
        save_weights(self.network, self.recipe.model, self.weights_path, dtype=torch.float16)

    def resume(self) -> None:
        """Go on from the state in `out`.

        Raises:
            CheckpointError: there is none, or it is of another recipe.
        """
        path = self.out / "state.pt"
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.heads.load_state_dict(state["heads"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (OSError, RuntimeError, KeyError, ValueError, UnpicklingError) as error:
            raise CheckpointError(
                f"training state {path} cannot be resumed ({type(error).__name__}), expected the state of this recipe: "
                "start anew"
            ) from error
        self.step, self.worlds_seen = state["step"], state["worlds_seen"]
        self.schedule.last_epoch = self.step

    def _rate(self, step: int) -> float:
        """Share of the peak learning rate: a linear rise, then one cosine down to zero."""
        warm = min(1.0, (step + 1) / self.recipe.warmup_steps)
        return warm * 0.5 * (1 + math.cos(math.pi * self.recipe.progress(step)))

    def _batches(self, stage: Stage, count: int) -> Iterator[Batch]:
        """The stage's next batches, made by a process of its own."""
        samples = SyntheticSamples(
            side_px=stage.side_px,
            frames=stage.frames,
            weights=self.recipe.expression_weights,
            # Every process has worlds of its own.
            first_world=self.recipe.first_world + self.worlds_seen + process_rank() * WORLDS_PER_PROCESS,
        )
        loader = DataLoader(
            samples,
            batch_size=stage.batch,
            collate_fn=samples_to_batch,
            num_workers=loader_workers(),
            prefetch_factor=4,
        )
        for batch, _ in zip(loader, range(count), strict=False):
            # At least as many worlds as were drawn from; a resumed run starts with the next one.
            self.worlds_seen += stage.batch
            yield batch

    def _log(self, stage: Stage, losses: dict[str, float]) -> None:
        if self.step % LOG_EVERY or process_rank():
            return
        path = self.out / "log.csv"
        names = ("mask", "score", "auxiliary", "cme")
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", "side_px", "frames", "rate", *names])
            rate = f"{self.schedule.get_last_lr()[0]:.2e}"
            values = [f"{losses[name]:.4f}" if name in losses else "" for name in names]
            writer.writerow([self.step, stage.side_px, stage.frames, rate, *values])


def train(recipe_path: Path, out: Path, resume: bool = False, device: str = "auto") -> None:
    """Run a recipe.

    Args:
        recipe_path: the YAML file.
        out: folder for what it makes: `state.pt`, `log.csv`, the weights and the tokenizer.
        resume: go on from `out/state.pt`; without it `out` must hold none.
        device: see `model.build.find_device`.

    Raises:
        ConfigError: the recipe is wrong, or `out` holds an earlier run.
        CheckpointError: the state cannot be resumed.
    """
    recipe = read_recipe(recipe_path)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:  # started by torchrun
        distributed.init_process_group()
    # The sample maker needs a core of its own: threads that wait for each other on a busy one cost more than they do.
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) - loader_workers()))
    out.mkdir(parents=True, exist_ok=True)
    if not resume and (out / "state.pt").exists():
        raise ConfigError(f"{out} holds an earlier run, expected an empty folder: pass --resume or another --out")
    trainer = Trainer(recipe, out, find_device(device))
    if resume:
        trainer.resume()
    trainer.run()


def corpus(worlds: int) -> Iterator[str]:
    """Expressions of the first training worlds, for the tokenizer."""
    for number in range(worlds):
        clip = render_clip(FIRST_TRAINING_SEED + number, frames=4, height=64, width=64)
        yield from (expression.text for expression in clip.expressions)


def spread_positions(network: Samwise) -> None:
    """Start the backbone's position embedding from waves instead of zeros.

    SAM 2 brings a trained embedding. From zeros a small network hardly learns where things are: words of place stay
    without meaning while the others are learnt.

    Args:
        network: changed in place.
    """
    embed = network.sam.image_encoder.trunk.pos_embed
    _, width, rows, columns = embed.shape
    phase = torch.arange(1, width // 4 + 1, dtype=torch.float32)[:, None] * torch.pi / 2
    down, across = ((torch.arange(n) + 0.5) / n * phase for n in (rows, columns))
    waves = [
        *(wave(across)[:, None, :].expand(-1, rows, -1) for wave in (torch.sin, torch.cos)),
        *(wave(down)[:, :, None].expand(-1, -1, columns) for wave in (torch.sin, torch.cos)),
    ]
    with torch.no_grad():
        embed.copy_(0.5 * torch.cat(waves)[None] / phase.repeat(4, 1)[None, :, :, None].sqrt())


def process_rank() -> int:
    """Number of this process among those that train together, counted from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Give every process the mean of all processes' gradients; does nothing in a process that trains alone."""
    if not distributed.is_initialized():
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def loader_workers() -> int:
    """Processes that make samples: one per two cores, at least one."""
    return max(1, (os.cpu_count() or 1) // 2)
