"""Measure both trackers' small presets on the synthetic world and write the part of docs/results.md that tells.

    python tools/results.py                  # 200 clips, seven times: two hours on two CPU cores
    python tools/results.py --clips 24       # quicker, to try it

The part between the two marker lines is replaced, and so are the pictures in docs/images.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from samwise_ros.config import preset
from samwise_ros.evaluation.pictures import draw_extremes
from samwise_ros.evaluation.synthetic import ClipScores, evaluate_clips, summarise
from samwise_ros.model.build import build_segmenter, empty_network

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results.md"
SIZE = {"frames": 16, "height_px": 480, "width_px": 640}
RUNS = (
    ("compact", "test", "stream"),
    ("refsam_compact", "test", "stream"),
    ("compact", "held-out", "stream"),
    ("refsam_compact", "held-out", "stream"),
    ("compact", "reworded", "stream"),
    ("refsam_compact", "reworded", "stream"),
    ("compact", "test", "clip"),
)
"""Models, splits and modes that are measured."""


def main() -> None:
    """Measure, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=200, help="clips of each run (default: %(default)s)")
    for model in dict.fromkeys(model for model, _, _ in RUNS):
        parser.add_argument(f"--{model.replace('_', '-')}", type=Path, help="weights file (default: those that ship)")
    options = parser.parse_args()
    summaries = []
    for model, split, mode in RUNS:
        weights, side_px = getattr(options, model), preset(model).image_side_px  # on a GPU, too
        segmenter = build_segmenter(model, weights=weights, mode=mode, image_side_px=side_px)
        asked = {**SIZE, "split": split}
        scores = evaluate_clips(segmenter, range(options.clips), **asked)
        clips: list[ClipScores] = list(tqdm(scores, total=options.clips, desc=f"{model}, {split}, {mode}", unit="clip"))
        summaries.append(summarise(clips))
        print(f"{model}, {split}, {mode}: {summaries[-1]}", flush=True)
        if _is_pictured(split, mode):
            picture = Image.fromarray(draw_extremes(segmenter, clips, **asked))
            picture.save(ROOT / "docs" / "images" / f"{model}_{split}.jpg", quality=80)
    write_part("tools/results.py", format_part(summaries))


def write_part(tool: str, text: str) -> None:
    """Replace what stands between a tool's marker lines in docs/results.md, which come to its end where it has none."""
    begin, end = (f"<!-- {tool}: {place} -->" for place in ("begin", "end"))
    whole = RESULTS.read_text()
    if begin not in whole:
        whole += f"\n{begin}\n{end}\n"
    before, rest = whole.split(begin)
    RESULTS.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}")


def format_part(summaries: list[dict[str, Any]]) -> str:
    """The tables of all runs side by side, and the pictures."""
    heads = [f"`{model}`, {split}, `{mode}`" for model, split, mode in RUNS]
    rows = [f"| J&F | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for kind in summaries[0]["by_kind"]:
        cells = [_cell(summary["by_kind"].get(kind)) for summary in summaries]
        rows.append(f"| {kind} | {' | '.join(cells)} |")
    rows.append(f"| **all** | {' | '.join(f'**{_cell(summary)}**' for summary in summaries)} |")
    rows.append(f"| true of nothing: empty masks | {' | '.join(_percent(one['empty_rate']) for one in summaries)} |")
    speeds = [f"{one['frames_per_s']:.1f}" for one in summaries]
    rows.append(f"| frames/s, all targets at once | {' | '.join(speeds)} |")
    rows.append(f"| parameters | {' | '.join(_millions(model) for model, _, _ in RUNS)} |")
    pictures = [
        f"![`{model}`, {split}: a row per kind of expression; on the left the median answer, on the right the worst. "
        f"Filled: the mask found; outlined: the truth.](images/{model}_{split}.jpg)"
        for model, split, mode in RUNS
        if _is_pictured(split, mode)
    ]
    return "\n".join([*rows, "", *pictures])


def _is_pictured(split: str, mode: str) -> bool:
    """Reworded clips and those in windows look like those of the test."""
    return split != "reworded" and mode == "stream"


def _cell(means: dict[str, Any] | None) -> str:
    return "" if means is None else f"{means['jf']:.3f} ({means['count']})"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _millions(model: str) -> str:
    network = empty_network(preset(model))
    return f"{sum(value.numel() for value in network.parameters()) / 1e6:.1f} M"


if __name__ == "__main__":
    main()
