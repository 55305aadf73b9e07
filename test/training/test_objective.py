"""From a batch to its losses."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from samwise_ros.data.synthetic import render_clip
from samwise_ros.engine.preprocess import normalise
from samwise_ros.model.build import build_model
from samwise_ros.model.refsam import RefSam
from samwise_ros.training import objective as objective_module
from samwise_ros.training.auxiliary import AuxiliaryHeads, cells_choice_loss
from samwise_ros.training.objective import Objective
from samwise_ros.training.recipe import LOSSES, SAMWISE_LOSSES
from samwise_ros.training.samples import Batch, clip_to_sample, pad_clip, samples_to_batch
from samwise_ros.training.source import SyntheticSource

EXPRESSIONS, FRAMES = 3, 6

PATCHES = {
    "compact": "sam.image_encoder.trunk.patch_embed.proj.weight",
    "refsam_compact": "sam.vision_encoder.patch_embed.projection.weight",
}
"""The first weight that images pass through, on their way to the text."""

SEEING = PATCHES | {"compact": "pyramid.stem.0.weight"}
"""The first one on their way to what is named."""


@pytest.fixture(scope="module")
def batch() -> Batch:
    """Two clips, of each three expressions of different things."""
    samples = []
    for seed in (2, 5):
        clip = render_clip(seed, frames=FRAMES, height=64, width=64)
        by_thing = {expression.object_index: expression for expression in clip.expressions}
        samples.append(clip_to_sample(clip, list(by_thing.values())[:EXPRESSIONS]))
    batch = samples_to_batch(samples, 64)
    assert len(batch.texts) == 2 * EXPRESSIONS
    return batch


def run(objective: Objective, batch: Batch, ids: torch.Tensor) -> tuple[dict[str, float], torch.Tensor]:
    """The losses, and what they ask of a weight that images alone pass through."""
    objective = deepcopy(objective).train()
    images = normalise(batch.rgb.flatten(0, 1)).unflatten(0, batch.rgb.shape[:2])
    losses = objective(images, batch.sizes_px, ids, batch.mask, batch.shown, batch.things)
    objective.total(losses).backward()
    gradient = objective.network.get_parameter(PATCHES[objective.network.config.name]).grad
    return {name: loss.item() for name, loss in losses.items()}, gradient


def test_the_total_weighs_each_loss():
    weights = dict.fromkeys(LOSSES, 0.0) | {"focal": 10.0, "dice": 2.0}
    objective = Objective(build_model("compact"), weights, SyntheticSource.classes)
    assert objective.total({"focal": torch.tensor(1.0), "dice": torch.tensor(3.0)}).item() == 16.0


@pytest.mark.parametrize(
    ("model", "losses"), [("compact", set(LOSSES)), ("refsam_compact", set(LOSSES) - set(SAMWISE_LOSSES))]
)
def test_expressions_of_one_clip_give_what_as_many_clips_give(model: str, losses: set[str], batch: Batch):
    torch.manual_seed(0)
    network = build_model(model)
    if isinstance(network, RefSam):
        with torch.no_grad():  # fresh weights hardly hear a word
            network.sam.mask_decoder.output_hypernetworks_mlps[0].proj_out.weight *= 30
    network.set_image_side(64)
    objective = Objective(network, dict.fromkeys(LOSSES, 1.0), SyntheticSource.classes)
    ids = torch.randint(4, 2000, (2 * EXPRESSIONS, 7))
    ids[:, 0], ids[:, -1] = 0, 2
    clips = batch.rgb.repeat_interleave(EXPRESSIONS, 0)
    shown = batch.shown.unflatten(0, (2, FRAMES)).repeat_interleave(EXPRESSIONS, 0).flatten(0, 1)
    sizes = batch.sizes_px.repeat_interleave(EXPRESSIONS, 0)
    repeated = Batch(clips, sizes, batch.mask, shown, batch.things, batch.texts)
    together, gradient = run(objective, batch, ids)
    apart, gradient_apart = run(objective, repeated, ids)
    assert together.keys() == losses
    assert together == pytest.approx(apart, abs=1e-5)
    assert gradient.abs().max() > 1e-4
    assert torch.allclose(gradient, gradient_apart, atol=2e-3 * gradient.abs().max().item())
    mixed, _ = run(objective, batch, ids.flip(0))
    assert mixed["dice"] != pytest.approx(together["dice"], abs=1e-5), "each expression has its own mask"


@pytest.mark.parametrize(
    ("model", "parts"),
    [("compact", ("pyramid.",)), ("refsam_compact", ("sam.vision_encoder.", "adapters.", "pyramid."))],
)
def test_without_expressions_the_backbone_alone_learns_to_name(model: str, parts: tuple[str, ...]):
    network = build_model(model)
    network.set_image_side(64)
    objective = Objective(network, dict.fromkeys(LOSSES, 1.0), SyntheticSource.classes).train()
    clips = [render_clip(seed, frames=1, height=64, width=64) for seed in (2, 5)]
    batch = samples_to_batch([clip_to_sample(clip, []) for clip in clips], 64)
    assert batch.mask.shape == (0, 64, 64)
    images = normalise(batch.rgb.flatten(0, 1)).unflatten(0, batch.rgb.shape[:2])
    losses = objective(images, batch.sizes_px, torch.zeros(0), batch.mask, batch.shown, batch.things)
    assert losses.keys() == {"auxiliary"}
    losses["auxiliary"].backward()
    learns = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert learns
    assert all(name.startswith(parts) for name in learns)


@pytest.mark.parametrize("pyramid", [True, False])
def test_clips_without_expressions_teach_adapter_0_to_name_motions(pyramid: bool, batch: Batch):
    network = build_model("compact")
    network = type(network)(replace(network.config, pyramid=pyramid))
    network.set_image_side(64)
    objective = Objective(network, dict.fromkeys(LOSSES, 1.0), SyntheticSource.classes).train()
    images = normalise(batch.rgb.flatten(0, 1)).unflatten(0, batch.rgb.shape[:2])
    assert (batch.shown[:, 4] > 0).any(), "something moves"
    losses = objective(images, batch.sizes_px, torch.zeros(0), batch.mask[:0], batch.shown, batch.things[:0])
    assert losses.keys() == {"auxiliary"}
    losses["auxiliary"].backward()
    for part in ("change.tell.weight", "temporal.out.weight", "vision_down.weight"):
        assert network.get_parameter(f"adapters.0.{part}").grad.abs().max() > 0
    assert objective.heads.name[0].weight.grad.abs().max() > 0
    assert all(weight.grad is None for weight in network.adapters[1].parameters())


@pytest.mark.parametrize("model", ["compact", "refsam_compact"])
def test_names_are_learnt_before_any_text_could_tell_them(model: str, batch: Batch, monkeypatch):
    for name in ("_match_text", "_find_things", "_say_words"):
        monkeypatch.setattr(AuxiliaryHeads, name, lambda *_: 0.0)
    network = build_model(model)
    network.set_image_side(64)
    objective = Objective(network, dict.fromkeys(LOSSES, 0.0) | {"auxiliary": 1.0}, SyntheticSource.classes).train()
    images = normalise(batch.rgb.flatten(0, 1)).unflatten(0, batch.rgb.shape[:2])
    ids = torch.randint(4, 2000, (2 * EXPRESSIONS, 7))
    ids[:, 0], ids[:, -1] = 0, 2
    objective(images, batch.sizes_px, ids, batch.mask, batch.shown, batch.things)["auxiliary"].backward()
    assert network.get_parameter(SEEING[model]).grad.abs().max() > 0
    if model == "compact":
        assert network.get_parameter("adapters.0.change.tell.weight").grad.abs().max() > 0, "motions, too"
    assert all(parameter.grad is None for parameter in network.text_encoder.parameters())


@pytest.mark.parametrize("model", ["compact", "refsam_compact"])
def test_a_mask_has_to_choose_among_the_things_of_its_frame(model: str, batch: Batch, monkeypatch):
    network = build_model(model)
    network.set_image_side(64)
    objective = Objective(network, dict.fromkeys(LOSSES, 0.0) | {"choice": 1.0}, SyntheticSource.classes)
    assert objective.heads is None, "it needs none"
    asked = []

    def keep(*args: object) -> torch.Tensor:
        asked.append(args)
        return cells_choice_loss(*args)

    monkeypatch.setattr(objective_module, "cells_choice_loss", keep)
    images = normalise(batch.rgb.flatten(0, 1)).unflatten(0, batch.rgb.shape[:2])
    losses = objective(
        images, batch.sizes_px, torch.randint(4, 2000, (2 * EXPRESSIONS, 7)), batch.mask, batch.shown, batch.things
    )
    ((logits, mask, numbers, frames),) = asked
    assert losses.keys() == {"choice"}
    assert losses["choice"] > 0
    assert len(logits) == 2 * EXPRESSIONS * FRAMES
    assert torch.equal(mask, batch.mask)
    assert torch.equal(numbers, batch.shown[:, 0])
    assert frames == FRAMES


def test_a_frame_of_refsam_counts_alone(batch: Batch):
    """In a clip of which one frame shows nothing, finding nothing there is right, whatever the others show."""
    torch.manual_seed(0)
    network = build_model("refsam_compact")
    network.set_image_side(64)
    objective = Objective(network, dict.fromkeys(LOSSES, 0.0) | {"dice": 1.0}, SyntheticSource.classes)
    images = normalise(batch.rgb[:1].flatten(0, 1))[None]
    ids = torch.tensor([[0, 40, 2]])
    logits = torch.full((1, 1, 32, 32), -100.0)
    network.forward = lambda *_: SimpleNamespace(
        frames=[SimpleNamespace(decoded=SimpleNamespace(mask_logits=logits)) for _ in range(FRAMES)]
    )
    mask = torch.zeros(FRAMES, 64, 64, dtype=torch.bool)
    mask[0] = True
    dice = objective(images, batch.sizes_px[:1], ids, mask, batch.shown[:FRAMES], batch.things[:1])["dice"].item()
    assert dice == pytest.approx(1 / FRAMES, abs=1e-3)


def test_wide_pictures_are_learnt_from():
    """Half the rows: all losses, no memory, map or name of which is of a square."""
    torch.manual_seed(0)
    network = build_model("compact")
    network.set_image_side(128)
    clip = render_clip(2, frames=FRAMES, height=60, width=128)
    samples = [clip_to_sample(pad_clip(clip, 128), list(clip.expressions)[:2], (60, 128))]
    wide = samples_to_batch(samples, 64)
    assert wide.rgb.shape == (1, FRAMES, 64, 128, 3)
    objective = Objective(network, dict.fromkeys(LOSSES, 1.0), SyntheticSource.classes)
    losses, gradient = run(objective, wide, torch.randint(4, 2000, (2, 7)))
    assert losses.keys() == set(LOSSES)
    assert all(math.isfinite(loss) for loss in losses.values())
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("frames", [1, FRAMES])
@pytest.mark.parametrize("model", ["compact", "refsam_compact"])
def test_no_step_asks_what_a_tensor_holds(model: str, frames: int, batch: Batch):
    """A GPU would keep Python waiting for it, and could not run the step as a graph."""
    objective = Objective(build_model(model), dict.fromkeys(LOSSES, 1.0), SyntheticSource.classes).to("meta").train()
    objective.network.set_image_side(64)
    images = torch.empty(2, frames, 3, 64, 64, device="meta")
    ids = torch.ones(2 * EXPRESSIONS, 8, dtype=torch.long, device="meta")
    mask = torch.empty(2 * EXPRESSIONS * frames, 64, 64, dtype=torch.bool, device="meta")
    shown = torch.empty(2 * frames, 8, 64, 64, dtype=torch.int8, device="meta")
    losses = objective(images, batch.sizes_px.to("meta"), ids, mask, shown, batch.things.to("meta"))
    objective.total(losses).backward()
    learning = [value for value in objective.network.parameters() if value.grad is not None]
    assert len(learning) > 100
