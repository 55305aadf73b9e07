"""Train and measure a paper's ablations at the size of `compact` or `refsam_compact`, all with the same recipe.

    python tools/ablation.py --out runs/ablation
    python tools/ablation.py --recipe config/ablation_refsam_compact.yaml --out runs/refsam_ablation

All variants see with what the shipped weights see with, which no text has reached; all else they learn from nothing.
The table goes to docs/results.md, between the model's marker lines. A variant whose training ended is not trained anew.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from results import SIZE, write_part
from tqdm import tqdm

from samwise_ros.config import preset
from samwise_ros.evaluation.synthetic import evaluate_clips, summarise
from samwise_ros.model.build import build_segmenter, find_weights, load_network, new_network
from samwise_ros.model.checkpoint import save_weights, tokenizer_path
from samwise_ros.model.published import cache_dir
from samwise_ros.training.start import spread_positions

ROOT = Path(__file__).parent.parent
VARIANTS = {
    "compact": {
        "text to vision": ["vision_to_text", "temporal_attention", "memory_check"],
        "+ vision to text": ["temporal_attention", "memory_check"],
        "+ HSA": ["memory_check"],
        "+ CME": [],
    },
    "refsam_compact": {
        "MLP": ["dense_attention", "hierarchical_attention"],
        "+ dense attention": ["hierarchical_attention"],
        "+ HDA": [],
        "+ HDA, without ITM": ["tracking"],
    },
}
"""What each variant of a model leaves out."""
SEEING = {"compact": "pyramid.", "refsam_compact": "sam.vision_encoder."}
"""Start of the names of the weights that see."""
SHOWN = ("motion", "late", "relation", "place", "kind", "colour", "absent")


def main() -> None:
    """Train what is not there yet, measure all, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--recipe", type=Path, default=ROOT / "config" / "ablation_compact.yaml", help="of all variants"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"), help="a folder per variant")
    parser.add_argument("--clips", type=int, default=100, help="clips that are measured (default: %(default)s)")
    options = parser.parse_args()
    recipe = yaml.safe_load(options.recipe.read_text())
    model = recipe["model"]
    rows = [f"| J&F | all | {' | '.join(SHOWN)} |", "|---" * (len(SHOWN) + 2) + "|"]
    for number, (name, left_out) in enumerate(VARIANTS[model].items()):
        folder = options.out / str(number)
        train(recipe | {"start_from": str(make_start(model, left_out, folder))}, folder)
        summary = measure(model, folder / f"{model}.safetensors", options.clips, name)
        cells = [summary["by_kind"].get(kind, {}).get("jf") for kind in SHOWN]
        shown = " | ".join("" if cell is None else f"{cell:.3f}" for cell in cells)
        rows.append(f"| {name} | {summary['jf']:.3f} | {shown} |")
    write_part(f"tools/ablation.py {model}", "\n".join(rows))


def make_start(model: str, left_out: Sequence[str], folder: Path) -> Path:
    """Write weights that see as the shipped ones do and know nothing else; the tokenizer is theirs, too."""
    start, shipped = folder / "start.safetensors", find_weights(model, cache_dir(None))
    if not start.exists():
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        network = new_network(replace(preset(model), **dict.fromkeys(left_out, False)))
        spread_positions(network)
        trained = load_network(shipped).state_dict()
        network.load_state_dict({key: value for key, value in trained.items() if key.startswith(SEEING[model])}, False)
        shutil.copyfile(tokenizer_path(shipped), tokenizer_path(start))
        save_weights(network, model, start)
    return start


def train(recipe: dict[str, Any], folder: Path) -> None:
    """Run a recipe to its end, from where it stands."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    command = [sys.executable, "-m", "samwise_ros.cli.main", "train", "--config", str(path), "--out", str(folder)]
    subprocess.run(command + ["--resume"] * (folder / "state.pt").exists(), check=True)


def measure(model: str, weights: Path, clips: int, name: str) -> dict[str, Any]:
    """Scores of one variant in stream mode."""
    segmenter = build_segmenter(model, weights=weights, device="auto")
    scores = evaluate_clips(segmenter, range(clips), **SIZE)
    return summarise(list(tqdm(scores, total=clips, desc=name, unit="clip")))


if __name__ == "__main__":
    main()
