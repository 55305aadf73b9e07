"""What each part that the papers add is worth, at the size of `compact` or `refsam_compact`; into docs/results.md.

    python tools/ablation.py compact     # the shipped weights with parts taken out, as they are: minutes on a CPU
    python tools/ablation.py compact --refit config/ablation_compact.yaml   # each trained on: half an hour of a core
    python tools/ablation.py refsam_compact --train config/ablation_refsam_compact.yaml     # learnt without them

A part taken out of a trained network leaves a gap that nothing was trained to fill, so the first table says what the
network relies on, not what it could do without. With `--refit` all variants, the whole too, are trained on from there
by the same steps. With `--train`, as in the papers, what sees, what understands words and what makes masks comes
trained, here from the weights that ship; what the paper adds to these all variants learn from nothing, those parts
that they have: of `compact`, more than a CPU can teach. A variant whose training ended is not trained anew.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from results import write_part
from tqdm import tqdm

from samwise_ros.config import preset
from samwise_ros.evaluation.synthetic import evaluate_clips, summarise
from samwise_ros.model.build import build_segmenter, find_weights, load_network, new_network
from samwise_ros.model.checkpoint import place_tokenizer, save_weights, tokenizer_path
from samwise_ros.model.published import cache_dir

VARIANTS = {
    "compact": {
        "text to vision": ["vision_to_text", "temporal_attention", "frame_change", "memory_check"],
        "+ vision to text": ["temporal_attention", "frame_change", "memory_check"],
        "+ HSA": ["frame_change", "memory_check"],
        "+ frames compared (not in the paper)": ["memory_check"],
        "+ CME: the whole": [],
        "the whole without HSA and CME": ["temporal_attention", "memory_check"],
    },
    "refsam_compact": {
        "MLP": ["dense_attention", "hierarchical_attention"],
        "+ dense attention": ["hierarchical_attention"],
        "+ HDA: the whole": [],
        "the whole without ITM": ["tracking"],
    },
}
"""What each variant of a model leaves out."""
ADDED = {
    "compact": ("adapters.", "project_text.", "cme."),
    "refsam_compact": ("adapters.", "cross_modal_mlp.", "dense_attention.", "hierarchical_attention.", "tracking."),
}
"""Start of the names of the weights that a paper adds to SAM and a text encoder."""
SEEING = ("adapters.0.vision_down", "adapters.0.temporal.", "adapters.0.change.")
"""Of these, what looks through time before any text has reached it; it counts as seeing."""
SIZE_PX = {"height_px": 240, "width_px": 320}
SHOWN = ("motion", "late", "relation", "place", "kind", "colour", "absent")


def main() -> None:
    """Train where that is asked for, measure all, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=VARIANTS)
    learning = parser.add_mutually_exclusive_group()
    learning.add_argument("--refit", type=Path, metavar="RECIPE", help="train what is left on by this recipe first")
    learning.add_argument("--train", type=Path, metavar="RECIPE", help="let each variant learn by this recipe first")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"), help="a folder per model and variant")
    parser.add_argument("--clips", type=int, default=100, help="clips that are measured (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=24, help="length of a clip (default: %(default)s)")
    options = parser.parse_args()
    how = "trained" if options.train else "refit" if options.refit else "shipped"
    recipe = options.train or options.refit
    rows = [f"| J&F, {options.clips} clips | all | {' | '.join(SHOWN)} |", "|---" * (len(SHOWN) + 2) + "|"]
    for number, (name, left_out) in enumerate(VARIANTS[options.model].items()):
        folder = options.out / f"{options.model}_{how}_{number}"
        weights = write_variant(options.model, left_out, folder, fresh=how == "trained")
        if recipe is not None:
            train(yaml.safe_load(recipe.read_text()) | {"start_from": str(weights)}, folder)
            weights = folder / f"{options.model}.safetensors"
        summary = measure(options.model, weights, options.clips, options.frames, name)
        cells = [summary["by_kind"].get(kind, {}).get("jf") for kind in SHOWN]
        shown = " | ".join("" if cell is None else f"{cell:.3f}" for cell in cells)
        rows.append(f"| {name} | {summary['jf']:.3f} | {shown} |")
    flag = {"trained": " --train", "refit": " --refit", "shipped": ""}[how]
    write_part(f"tools/ablation.py {options.model}{flag}", "\n".join(rows))


def write_variant(model: str, left_out: Sequence[str], folder: Path, *, fresh: bool) -> Path:
    """Write the shipped weights without some parts, and where `fresh` with new ones of what the paper adds.

    Args:
        model: the preset.
        left_out: parts that are left out.
        folder: where to.
        fresh: for a training.

    Returns:
        The file; the shipped tokenizer lies beside it.
    """
    path, shipped = folder / "start.safetensors", find_weights(model, cache_dir(None))
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    network = new_network(replace(preset(model), **dict.fromkeys(left_out, False)))
    state = network.state_dict()
    for key, value in load_network(shipped).state_dict().items():
        if key in state and (not fresh or key.startswith(SEEING) or not key.startswith(ADDED[model])):
            state[key] = value
    network.load_state_dict(state)
    place_tokenizer(tokenizer_path(shipped), path)
    save_weights(network, model, path)
    return path


def train(recipe: dict[str, Any], folder: Path) -> None:
    """Run a recipe to its end, from where it stands."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    command = [sys.executable, "-m", "samwise_ros.cli.main", "train", "--config", str(path), "--out", str(folder)]
    subprocess.run(command + ["--resume"] * (folder / "state.pt").exists(), check=True)


def measure(model: str, weights: Path, clips: int, frames: int, name: str) -> dict[str, Any]:
    """Scores of one variant in stream mode."""
    segmenter = build_segmenter(model, weights=weights, image_side_px=preset(model).image_side_px)
    scores = evaluate_clips(segmenter, range(clips), frames=frames, **SIZE_PX)
    return summarise(list(tqdm(scores, total=clips, desc=name, unit="clip")))


if __name__ == "__main__":
    main()
