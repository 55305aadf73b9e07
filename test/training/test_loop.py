"""A few steps of training."""

from __future__ import annotations

import csv
import json
import os
import signal
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from dataset_folders import write_ref_ytvos
from metas_sam import write_sam1
from PIL import Image
from released import write_t5
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from samwise_ros import config
from samwise_ros.cli.main import main
from samwise_ros.errors import CheckpointError, ConfigError
from samwise_ros.model import build
from samwise_ros.model.build import build_segmenter, load_network
from samwise_ros.training import loop, records
from samwise_ros.training.loop import Trainer, train
from samwise_ros.training.recipe import read_recipe
from samwise_ros.training.samples import Batch
from samwise_ros.training.source import SyntheticSource, open_source

MODELS = ("compact", "refsam_compact")

TWO_STEPS = [{"side_px": 64, "frames": 1, "batch": 2, "expressions": 1, "zoom": 1, "steps": 2}]

pytestmark = pytest.mark.usefixtures("small_run")


def make_trainer(recipe_path: Path, out: Path) -> Trainer:
    recipe = read_recipe(recipe_path)
    return Trainer(recipe, open_source(recipe), out, cpu=True)


def first_batch(trainer: Trainer) -> Batch:
    return next(trainer.source.batches(0, 1))


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "log.csv").open() as file:
        return list(csv.DictReader(file))


def read_state(out: Path) -> Any:
    return torch.load(out / "state.pt", weights_only=True)


def assert_same(ours: Any, theirs: Any, where: str = "state") -> None:
    """Equal bit for bit."""
    assert type(ours) is type(theirs), where
    if isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs), where
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), where
        for key in ours:
            assert_same(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(ours, list):
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            assert_same(*pair, f"{where}[{index}]")
    else:
        assert ours == theirs, where


def stop_in_step(number: int, stop: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send this process a signal in the middle of a step."""
    step = Trainer.train_step

    def interrupted(trainer: Trainer, batch: Batch) -> dict[str, torch.Tensor]:
        if trainer.step == number - 1:
            os.kill(os.getpid(), stop)
        return step(trainer, batch)

    monkeypatch.setattr(Trainer, "train_step", interrupted)


def assert_complete(out: Path, model: str) -> None:
    """Weights that the package loads, logs and pictures of six steps with validations after the fourth and the last."""
    segmenter = build_segmenter(model, weights=out / f"{model}.safetensors", device="cpu")
    assert segmenter.network.config == config.preset(model)
    assert segmenter.encode_text("the red ball")
    steps = [row for row in rows_of(out) if row["rate"]]
    assert [(row["step"], row["frames"]) for row in steps] == [
        *((f"{n}", "1") for n in (1, 2, 3, 4)),
        *(("5", "6"), ("6", "6")),
    ]
    if model == "compact":
        assert steps[4]["cme"], "a clip of six frames trains the Conditional Memory Encoder"
    assert not steps[0]["cme"]
    assert all(bool(step["score"]) == (model == "compact") for step in steps)
    # Two steps of warming, and a cosine over pixels: six frames of one expression count three times one frame of two.
    done = np.array([0, 1, 2, 3, 4, 7]) / 10
    heights = [0.5, 1, 1, 1, 1, 1] * (1 + np.cos(np.pi * done)) / 2
    assert [float(step["rate"]) for step in steps] == pytest.approx((1e-3 * heights).tolist(), rel=0.01)
    assert [row["step"] for row in rows_of(out) if row["validation"]] == ["4", "6"]
    pictures = sorted((out / "validation").glob("*.png"))
    assert [path.name for path in pictures] == ["0000004.png", "0000006.png"]
    assert Image.open(pictures[0]).size == (2 * 64, 48)
    board = EventAccumulator(str(out / "tensorboard"))
    board.Reload()
    assert [event.step for event in board.Scalars("validation/all")] == [4, 6]
    scalars = [event for frames in (1, 6) for event in board.Scalars(f"loss 64x{frames}/dice")]
    assert [event.value for event in scalars] == pytest.approx([float(row["dice"]) for row in steps], abs=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_a_stopped_and_resumed_run_gives_the_same_numbers(
    model: str, write_recipe, tmp_path: Path, capsys, monkeypatch
):
    path = write_recipe(model, validate_every=4)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(path, whole, cpu=True)
    assert_complete(whole, model)
    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        stop_in_step(3, signal.SIGINT, patch)
        with pytest.raises(KeyboardInterrupt):
            train(path, parts, cpu=True)
    assert signal.getsignal(signal.SIGINT) is before
    assert "stopped after step 3, which is saved: go on with the same command and --resume" in "".join(
        capsys.readouterr()
    )
    assert read_state(parts)["step"] == 3
    # Steps that are logged but not in the state are made again.
    with (parts / "log.csv").open("a") as file:
        file.write("4,64,1,1e-3,9,9,,,9,9,\n")
    torch.rand(5)
    train(path, parts, resume=True, cpu=True)
    assert_same(read_state(parts), read_state(whole))
    assert rows_of(parts) == rows_of(whole)


@pytest.mark.parametrize("stop_at", [2, 4])
def test_a_stop_breaks_a_validation_off_which_a_resumed_run_does_anew(
    stop_at: int, write_recipe, tmp_path: Path, monkeypatch
):
    path = write_recipe(validate_every=2, stages=[{**TWO_STEPS[0], "steps": 4}])
    judged: list[int] = []

    def validate(source: object, segmenter: Any, picture: Path) -> dict[str, float]:
        judged.append(int(picture.stem))
        if judged.count(stop_at) == 1 and judged[-1] == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
            pytest.fail("goes on")
        return {"all": judged[-1] / 10}

    monkeypatch.setattr(SyntheticSource, "validate", validate)
    with pytest.raises(KeyboardInterrupt):
        train(path, tmp_path / "out", cpu=True)
    assert read_state(tmp_path / "out")["step"] == stop_at
    train(path, tmp_path / "out", resume=True, cpu=True)
    assert judged == [2, *([2, 4] if stop_at == 2 else [4, 4])]
    assert [row["validation"] for row in rows_of(tmp_path / "out") if row["validation"]] == ["0.2000", "0.4000"]
    assert read_state(tmp_path / "out")["best"] == 0.4


def test_stages_take_turns_and_the_log_tells_them_apart(write_recipe, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(records, "LOG_EVERY", 4)
    still, clip = ({**TWO_STEPS[0], "frames": frames, "steps": 2} for frames in (1, 6))
    train(write_recipe(stages=[[still, clip]], validate_every=100), tmp_path, cpu=True)
    of_still, of_clip, validation = rows_of(tmp_path)
    assert [(row["step"], row["frames"]) for row in (of_still, of_clip)] == [("4", "1"), ("4", "6")]
    assert of_still["dice"] != of_clip["dice"]
    assert of_clip["cme"]
    assert not of_still["cme"]
    assert validation["validation"]


def test_stages_of_one_size_share_a_line_of_the_log(write_recipe, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(records, "LOG_EVERY", 4)
    asking, naming = ({**TWO_STEPS[0], "expressions": expressions} for expressions in (1, 0))
    train(write_recipe(stages=[[asking, naming]], validate_every=100), tmp_path, cpu=True)
    line, _ = rows_of(tmp_path)
    assert line["step"] == "4"
    assert line["dice"], "of what asks alone"
    assert line["auxiliary"], "of both"


def test_the_state_is_written_often_and_never_half(write_recipe, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(records, "LOG_EVERY", 100)
    steps: list[int] = []
    save = Trainer.save

    def counted(trainer: Trainer) -> None:
        steps.append(trainer.step)
        save(trainer)

    monkeypatch.setattr(Trainer, "save", counted)
    train(write_recipe(save_every_s=0, stages=TWO_STEPS), tmp_path / "out", cpu=True)
    assert steps == [1, 2, 2]
    assert [row["step"] for row in rows_of(tmp_path / "out")] == ["1", "2", "2"], "a line before each state"

    def full_disk(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left")

    trainer = make_trainer(tmp_path / "recipe.yaml", tmp_path / "out")
    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        trainer.save()
    assert read_state(tmp_path / "out")["step"] == 2


def test_what_cannot_be_resumed(write_recipe, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("compact.safetensors", "compact.tokenizer.json"):
        (out / name).write_bytes(b"of a run whose state is gone")
    with pytest.raises(
        ConfigError, match=r"holds compact\.safetensors of an earlier run, expected none: pass --resume"
    ):
        train(write_recipe(), out, cpu=True)
    with pytest.raises(CheckpointError, match=r"has no state\.pt, expected that of a run to go on with: start without"):
        train(write_recipe(), out, resume=True, cpu=True)
    assert (out / "compact.tokenizer.json").read_bytes() == b"of a run whose state is gone"
    (out / "compact.tokenizer.json").unlink()
    (out / "state.pt").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"holds state\.pt of an earlier run, expected none: pass --resume"):
        train(write_recipe(), out, cpu=True)
    with pytest.raises(CheckpointError, match=r"state\.pt cannot be resumed .* start anew"):
        train(write_recipe(), out, resume=True, cpu=True)
    make_trainer(write_recipe(), out).save()
    with pytest.raises(CheckpointError, match=r"of a recipe with other seed, weight_decay, expected this one: give it"):
        make_trainer(write_recipe(seed=1, weight_decay=0.5), out).resume()


def test_processes_that_cannot_share_a_batch(write_recipe, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(loop, "process_count", lambda: 3)
    with pytest.raises(
        ConfigError, match="a stage has batch 2 for 3 processes, expected one that they can share evenly"
    ):
        make_trainer(write_recipe(), tmp_path)


@pytest.mark.parametrize(
    ("model", "frames", "parts"),
    [
        (
            "compact",
            1,
            {
                *("adapters.0", "adapters.1", "adapters.2", "sam.image_encoder", "sam.sam_mask_decoder"),
                *("text_encoder.roberta", "project_text.0", "project_text.2", "project_text.4"),
            },
        ),
        (
            "refsam_compact",
            2,
            {
                *("adapters.0", "adapters.1", "adapters.2", "sam.vision_encoder", "sam.mask_decoder"),
                *("text_encoder.roberta", "cross_modal_mlp.layers", "dense_attention.mix"),
                *("hierarchical_attention.reduce", "hierarchical_attention.attention", "tracking.mlp", "tracking.norm"),
            },
        ),
    ],
)
def test_one_batch_is_learnt_and_every_part_learns(
    model: str, frames: int, parts: set[str], write_recipe, tmp_path: Path
):
    stages = [{"side_px": 64, "frames": frames, "batch": 2, "expressions": 2, "zoom": 1, "steps": 2000}]
    trainer = make_trainer(write_recipe(model, stages=stages), tmp_path)
    before = {name: value.clone() for name, value in trainer.network.named_parameters()}
    batch = first_batch(trainer)
    first = trainer.train_step(batch)
    for _ in range(15):
        last = trainer.train_step(batch)
    assert trainer.objective.total({k: last[k] for k in ("focal", "dice")}) < 0.9 * trainer.objective.total(
        {k: first[k] for k in ("focal", "dice")}
    )
    assert last["auxiliary"] < 0.7 * first["auxiliary"]
    learnt = {
        ".".join(name.split(".")[:2])
        for name, value in trainer.network.named_parameters()
        if not torch.equal(value, before[name])
    }
    assert parts <= learnt


def test_refsam_learns_what_words_mean_and_what_is_not_there(write_recipe, tmp_path: Path):
    """A picture with a red half and a blue one; nothing in it is green."""
    stages = [{**TWO_STEPS[0], "steps": 2000}]
    trainer = make_trainer(write_recipe("refsam_compact", stages=stages, warmup_steps=20), tmp_path)
    rgb = torch.zeros(1, 1, 64, 64, 3, dtype=torch.uint8)
    rgb[..., :32, 0] = rgb[..., 32:, 2] = 200
    mask = torch.zeros(3, 64, 64, dtype=torch.bool)
    mask[0, :, :32] = mask[1, :, 32:] = True
    texts = ["the red half", "the blue half", "the green half"]
    things = torch.tensor([2 * [(0, -1, -1)]] * 3)
    batch = Batch(rgb, torch.tensor([[64, 64]]), mask, torch.zeros(1, 8, 64, 64, dtype=torch.int8), things, texts)
    for _ in range(120):
        dice = trainer.train_step(batch)["dice"].item()
        if dice < 0.1:
            break
    assert dice < 0.1, "one mask for all three, whichever, has 0.55 or more"


def test_the_best_averaged_weights_are_kept(write_recipe, tmp_path: Path, monkeypatch):
    scores = iter((0.3, 0.5, 0.4))
    averages: list[torch.Tensor] = []
    name = "project_text.0.weight"

    def validate(source: object, segmenter: Any, picture: Path) -> dict[str, float]:
        assert segmenter.image_side_px == 320, "judged at the size of the preset, not of the stage"
        averages.append(segmenter.network.get_parameter(name).clone())
        return {"all": next(scores)}

    monkeypatch.setattr(SyntheticSource, "validate", validate)
    train(write_recipe(validate_every=2), tmp_path / "out", cpu=True)
    kept = load_network(tmp_path / "out" / "compact.safetensors").get_parameter(name)
    assert torch.allclose(kept, averages[1], atol=1e-4)
    assert not torch.allclose(kept, averages[2], atol=1e-5)
    assert read_state(tmp_path / "out")["best"] == 0.5


def test_frozen_parts_of_given_weights_stay(write_recipe, tmp_path: Path, monkeypatch):
    first = tmp_path / "first"
    train(
        write_recipe(stages=[{**TWO_STEPS[0], "steps": 1}]),
        first,
        cpu=True,
    )
    weights = first / "compact.safetensors"
    frozen = replace(config.PRESETS["compact"], frozen=("text_encoder", "sam"))
    monkeypatch.setitem(config.PRESETS, "compact", frozen)
    losses = {"focal": 1.0, "dice": 1.0, "score": 0.0, "cme": 1.0, "choice": 0.0, "auxiliary": 0.0}
    trainer = make_trainer(write_recipe(start_from=str(weights), loss_weights=losses), tmp_path)
    assert (tmp_path / "compact.tokenizer.json").read_bytes() == (first / "compact.tokenizer.json").read_bytes()
    start = load_network(weights).state_dict()
    assert_same(dict(trainer.network.state_dict()), dict(start))
    for batch in trainer.source.batches(4, 1):
        assert trainer.train_step(batch).keys() == {"focal", "dice", "cme"}
    assert trainer.network.adapters.training
    assert not any(module.training for module in trainer.network.sam.modules())
    changed = {
        key.split(".")[0] for key, value in trainer.network.state_dict().items() if not torch.equal(value, start[key])
    }
    assert {"adapters", "project_text"} <= changed <= {"adapters", "project_text", "cme", "pyramid"}


def test_published_parts_are_trained_on_real_video(write_recipe, tmp_path: Path, monkeypatch):
    """The way of `base_plus`: given weights, of which SAM 2's and RoBERTa's stay, and Ref-YouTube-VOS."""
    frozen = replace(config.PRESETS["compact"], frozen=("text_encoder", "sam", "pyramid"))
    monkeypatch.setitem(config.PRESETS, "compact", frozen)
    shipped = build.WEIGHTS_DIR / "compact.safetensors"
    write_ref_ytvos(tmp_path / "data")
    ytvos = {"dataset": "ref-ytvos", "folder": str(tmp_path / "data"), "split": "train"}
    path = write_recipe(
        start_from=str(shipped),
        data={"train": [ytvos], "validate": ytvos, "augment": False},
        stages=[{"side_px": 64, "frames": 6, "batch": 2, "expressions": 1, "zoom": 1, "steps": 4}],
        learning_rate_factors={},
        loss_weights={"focal": 1.0, "dice": 1.0, "score": 0.0, "cme": 1.0, "choice": 0.0, "auxiliary": 0.0},
        ema_decay=0.0,
        validate_every=2,
    )
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(path, whole, cpu=True)
    assert [row["step"] for row in rows_of(whole) if row["validation"]] == ["2", "4"]
    assert all(row["focal"] and row["dice"] and not row["score"] for row in rows_of(whole) if row["rate"])
    assert len(list((whole / "validation").glob("*.png"))) == 2
    state, start = read_state(whole), load_network(shipped).state_dict()
    trained = {name.removeprefix("network.") for name in state["objective"]}
    assert trained == start.keys(), "no auxiliary heads"
    changed = {
        name.split(".")[0] for name in start if not torch.equal(state["objective"][f"network.{name}"], start[name])
    }
    assert {"adapters", "project_text"} <= changed <= {"adapters", "project_text", "cme"}
    with monkeypatch.context() as patch:
        stop_in_step(3, signal.SIGINT, patch)
        with pytest.raises(KeyboardInterrupt):
            train(path, parts, cpu=True)
    train(path, parts, resume=True, cpu=True)
    assert_same(read_state(parts), state)


def test_refsams_published_parts_are_trained_on_real_video(refsam, write_recipe, tmp_path: Path, monkeypatch):
    """The way of `refsam_b`: SAM 1's image encoder and T5 stay, the mask decoder hardly moves."""
    published = config.preset("refsam_b")
    small = replace(refsam.config, text=published.text, frozen=published.frozen, pyramid=published.pyramid)
    monkeypatch.setitem(config.PRESETS, "refsam_compact", small)
    t5, start = write_t5(tmp_path / "t5"), tmp_path / "start.safetensors"
    tokenizer = Tokenizer(WordLevel({"<pad>": 0, "</s>": 1, "<unk>": 2, "thing": 3, "first": 4, "second": 5}, "<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(t5 / "tokenizer.json"))
    sam = write_sam1(tmp_path / "sam_vit.pth", refsam)
    assert main(["convert", str(sam), str(start), "--text-encoder", str(t5)]) == 0
    write_ref_ytvos(tmp_path / "data")
    ytvos = {"dataset": "ref-ytvos", "folder": str(tmp_path / "data"), "split": "train"}
    path = write_recipe(
        "refsam_video",
        model="refsam_compact",
        start_from=str(start),
        data={"train": [ytvos], "validate": ytvos, "augment": True},
        stages=[{"side_px": 64, "frames": 3, "batch": 2, "expressions": 1, "zoom": 1, "steps": 3}],
        weight_decay=0.0,
    )
    out = tmp_path / "out"
    train(path, out, cpu=True)
    assert (out / "refsam_compact.tokenizer.json").read_bytes() == (t5 / "tokenizer.json").read_bytes()
    assert all(row["focal"] and row["dice"] and not row["score"] for row in rows_of(out) if row["rate"])
    assert len(list((out / "validation").glob("*.png"))) == 1
    before, after = load_network(start).state_dict(), read_state(out)["objective"]
    moved: dict[str, float] = {}
    for name, value in before.items():
        part = ".".join(name.split(".")[: 2 if name.startswith("sam.") else 1])
        moved[part] = max(moved.get(part, 0.0), (after[f"network.{name}"] - value).abs().max().item())
    assert {part for part, distance in moved.items() if distance > 1e-5} == {
        *("adapters", "cross_modal_mlp", "dense_attention", "hierarchical_attention", "tracking")
    }
    assert 0 < moved.pop("sam.mask_decoder") < 1e-5
    assert moved["text_encoder"] == moved["sam.vision_encoder"] == moved["sam.prompt_encoder"] == 0


def test_the_weights_of_a_training_are_evaluated(write_recipe, tmp_path: Path, capsys):
    train(write_recipe("refsam_compact", stages=TWO_STEPS), tmp_path / "out", cpu=True)
    weights = tmp_path / "out" / "refsam_compact.safetensors"
    capsys.readouterr()
    command = ["evaluate", "--dataset", "synthetic", "--split", "test", "--model", "refsam_compact"]
    assert main([*command, "--weights", str(weights), "--clips", "1", "--frames", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clips"] == 1


def test_a_part_of_the_network_may_learn_slower(write_recipe, tmp_path: Path):
    factors = {"sam": 0.5, "sam.mask_decoder": 0.01}
    recipe = write_recipe("refsam_compact", learning_rate_factors=factors, muon_learning_rate=2.0e-3)
    trainer = make_trainer(recipe, tmp_path)
    trainer.train_step(first_batch(trainer))
    groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
    rates = {id(value): group["lr"] for group in groups for value in group["params"]}
    network = trainer.network
    assert rates[id(network.cross_modal_mlp.layers[0].bias)] == pytest.approx(5e-4)
    assert rates[id(network.cross_modal_mlp.layers[0].weight)] == pytest.approx(1e-3)
    assert rates[id(network.sam.pos_embed)] == pytest.approx(2.5e-4)
    assert rates[id(network.sam.mask_decoder.iou_token.weight)] == pytest.approx(5e-6)
    assert rates[id(network.sam.mask_decoder.transformer.layers[0].mlp.lin1.weight)] == pytest.approx(1e-5)
    assert rates.keys() == {id(value) for value in trainer.objective.parameters() if value.requires_grad}


def test_gradients_are_shortened_to_what_the_recipe_says(write_recipe, tmp_path: Path):
    norms = {}
    for most in (1000.0, 0.01):
        trainer = make_trainer(write_recipe(max_gradient=most), tmp_path)
        trainer.train_step(first_batch(trainer))
        gradients = [value.grad for value in trainer.network.parameters() if value.grad is not None]
        norms[most] = torch.stack([gradient.norm() for gradient in gradients]).norm().item()
    assert norms[1000.0] > 0.1
    assert norms[0.01] == pytest.approx(0.01, rel=1e-3)


def test_weights_to_start_from_that_are_missing(write_recipe, tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"none\.safetensors is missing"):
        make_trainer(write_recipe(start_from=str(tmp_path / "none.safetensors")), tmp_path)


def test_all_but_two_cores_make_samples_for_a_gpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    cpu, gpu = torch.device("cpu"), torch.device("cuda", 0)
    assert (loop.loader_workers(cpu), loop.loader_workers(gpu)) == (8, 14)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")  # torchrun's number of processes on this machine
    assert loop.loader_workers(gpu) == 14, "one process gets the samples for all"
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert (loop.loader_workers(cpu), loop.loader_workers(gpu)) == (1, 1)


def test_what_holds_the_process_group_is_freed_before_it_ends(write_recipe, tmp_path: Path, monkeypatch):
    made: list[weakref.ref[torch.nn.Module]] = []
    left: list[torch.nn.Module | None] = []
    build = Trainer.__init__

    def noted(trainer: Trainer, *arguments: Any) -> None:
        build(trainer, *arguments)
        made.append(weakref.ref(trainer.objective))  # which the averaging of gradients wraps

    monkeypatch.setattr(Trainer, "__init__", noted)
    monkeypatch.setattr(Accelerator, "end_training", lambda accelerator: left.append(made[0]()))
    train(write_recipe(stages=TWO_STEPS), tmp_path / "out", cpu=True)
    assert left == [None]
