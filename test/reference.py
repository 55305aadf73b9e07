"""Compare the network with what the original implementation computed; `test/data/reference/README.md` tells how.

Used by `test/model/test_reference.py`. As a program it prints the table of `docs/results.md`:

    python test/reference.py [FOLDER ...]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from torch import Tensor
from torch.nn import functional as F

from samwise_ros.engine.memory import MemoryBank
from samwise_ros.model.build import load_network
from samwise_ros.model.sam2_steps import high_resolution
from samwise_ros.model.samwise import Samwise, Tracked
from samwise_ros.model.samwise_segmenter import FusedFrames, SamwiseSegmenter

SHIPPED = Path(__file__).parent / "data" / "reference"

TOLERANCES = {
    "text state": 1e-4,
    "vision features": 1e-3,
    "object score": 1e-4,
    "CME logits": 1e-4,
    "CME decisions": 0,
    "object pointer": 1e-3,
    "mask logits": 2e-3,
    "mask share": 1e-3,
}
"""The largest absolute difference that is allowed over all frames; of the decisions, how many may be another."""


@dataclass(frozen=True)
class Step:
    """One frame as our network computed it."""

    fused: FusedFrames
    index: int
    tracked: Tracked


def golden_files() -> list[Path]:
    """Every golden file in the tree, and in the folder that SAMWISE_REFERENCE_DIR names."""
    extra = os.environ.get("SAMWISE_REFERENCE_DIR")
    folders = [SHIPPED, *([Path(extra)] if extra else [])]
    files = [file for folder in folders for file in sorted(folder.glob("golden_*.npz"))]
    if extra and not any(file.parent == Path(extra) for file in files):
        raise FileNotFoundError(f"SAMWISE_REFERENCE_DIR is {extra}, expected a folder with golden_*.npz: correct it")
    return files


def compare(golden: Path, scratch: Path) -> dict[str, float]:
    """Build the golden file's checkpoint in the original's format, load it, run its frames, and compare.

    Args:
        golden: the file.
        scratch: a folder for the checkpoint, which is removed again.

    Returns:
        The largest absolute difference by quantity, the quantities being those of `TOLERANCES`.
    """
    with np.load(golden) as file:
        expected = {key: torch.from_numpy(file[key]) for key in file.files if file[key].dtype.kind in "fi"}
        args = json.loads(str(file["args"]))
    recipe = _load_recipe(golden.parent)
    network = load_network(write_released(recipe, args, scratch / "released.pth"))
    (scratch / "released.pth").unlink()
    frames = recipe.video(args["T"], args["H"], args["W"], args["seed"])
    side = network.config.image_side_px
    steps = list(run_clip(network, F.pad(frames, (0, side - args["W"], 0, side - args["H"])), args))
    return _differences(network, steps, expected, (args["H"], args["W"]))


def write_released(recipe: ModuleType, args: dict, path: Path) -> Path:
    """A checkpoint file as the original's training script writes it on several GPUs."""
    state = recipe.checkpoint(
        args["version"],
        obj_bias=args["obj_bias"],
        cme_bias=args["cme_bias"],
        pred_obj_scores=not args.get("disable_pred_obj_score", False),
    )
    content = {
        "model": {f"module.{key}": value for key, value in state.items()},
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 1e-5, "params": [0]}]},
        "lr_scheduler": {"milestones": [1], "last_epoch": 1},
        "epoch": 3,
        "args": argparse.Namespace(sam2_version=args["version"], HSA=True, HSA_patch_size=[8, 4, 2]),
    }
    torch.save(content, path)
    return path


@torch.inference_mode()
def run_clip(network: Samwise, images: Tensor, args: dict) -> Iterator[Step]:
    """Run clip mode over (T, 3, S, S) normalised images, `args["win"]` at a time, as `engine.Tracker` does."""
    segmenter = SamwiseSegmenter(network, Tokenizer(BPE()), "clip")
    text = network.encode_text(torch.tensor([args["ids"]]))
    bank = MemoryBank(segmenter.memory_spec)
    bank.select(["target"])
    for clip in images.split(args["win"]):
        fused = segmenter.fuse(segmenter.encode_images(clip), [text], bank.read())
        for index in range(len(clip)):
            tracked = _watch_track(network)
            bank.write(segmenter.decode(fused, index, bank.read()).remember)
            yield Step(fused, index, tracked[0])


def _watch_track(network: Samwise) -> list[Tracked]:
    """A list to which the next call of `track` adds what it returns, since a segmenter hands on only a part."""
    seen: list[Tracked] = []

    def track(*arguments: object) -> Tracked:
        network.track = original
        seen.append(original(*arguments))
        return seen[0]

    original, network.track = network.track, track
    return seen


def _differences(
    network: Samwise, steps: list[Step], expected: dict[str, Tensor], size: tuple[int, int]
) -> dict[str, float]:
    tracked = [step.tracked for step in steps]
    features = [step.fused.features[step.index] for step in steps]
    samples = [
        torch.stack([level.flatten(2).permute(2, 0, 1)[::97, 0, ::7] for level in levels], 1)
        for levels in zip(*((f.stride4, f.stride8, f.top) for f in features), strict=True)
    ]
    checks = [(frame, t) for frame, t in enumerate(tracked) if t.check is not None and t.check.due.any()]
    frames = torch.tensor([frame for frame, _ in checks])
    logits = torch.cat([t.check.logits for _, t in checks]) if checks else torch.zeros(0, 2)
    switched = torch.tensor([bool(t.switched.any()) for _, t in checks], dtype=torch.bool)
    same_frames = frames.tolist() == expected["cme"][:, 0].long().tolist()
    decisions = expected["cme"][:, 2] > expected["cme"][:, 1]
    shares = [(high_resolution(t.mask_logits)[..., : size[0], : size[1]] > 0).float().mean() for t in tracked]
    pairs = {
        "text state": (torch.cat([step.fused.fused.text_state for step in steps]), expected["text_state"]),
        "object score": (torch.cat([t.decoded.score_logits for t in tracked]), expected["object_score_logits"]),
        "object pointer": (torch.cat([t.pointer for t in tracked]), expected["obj_ptr"]),
        "mask logits": (torch.cat([t.mask_logits for t in tracked]), expected["low_res_masks"]),
        "mask share": (torch.stack(shares), expected["pred_masks_stats"][:, 0]),
        "CME logits": (logits, expected["cme"][:, 1:] if same_frames else torch.full_like(logits, torch.inf)),
    }
    result = {name: _largest(ours - theirs) for name, (ours, theirs) in pairs.items()}
    result["vision features"] = max(
        _largest(sample - expected[f"vision_feats_{level}_sample"]) for level, sample in enumerate(samples)
    )
    result["CME decisions"] = float((switched != decisions).sum()) if same_frames else float("inf")
    return {name: result[name] for name in TOLERANCES}


def _largest(difference: Tensor) -> float:
    return float(difference.abs().max()) if difference.numel() else 0.0


def _load_recipe(folder: Path) -> ModuleType:
    """The recipe beside the golden files, or where there is none the shipped one, which has the keys of all sizes."""
    path = folder / "checkpoint_recipe.py"
    spec = importlib.util.spec_from_file_location("checkpoint_recipe", path if path.is_file() else SHIPPED / path.name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Print a Markdown table of the largest differences."""
    folders = [Path(argument) for argument in sys.argv[1:]] or [SHIPPED]
    print(f"| golden file | {' | '.join(TOLERANCES)} | time |")
    print(f"|---|{'---|' * (len(TOLERANCES) + 1)}")
    print(f"| *allowed* | {' | '.join(f'{limit:.0e}' if limit else '0' for limit in TOLERANCES.values())} | |")
    for golden in [file for folder in folders for file in sorted(folder.glob("golden_*.npz"))]:
        start_s = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            differences = compare(golden, Path(scratch))
        cells = [f"{value:.1e}" if value else "0" for value in differences.values()]
        print(f"| `{golden.stem}` | {' | '.join(cells)} | {time.perf_counter() - start_s:.0f} s |", flush=True)


if __name__ == "__main__":
    main()
