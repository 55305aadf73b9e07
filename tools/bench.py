"""Measure how fast the models are here, and write the part of docs/results.md that tells.

    python tools/bench.py            # on the CPU: some ten minutes, published sizes included
    python tools/bench.py --gpu      # on a CUDA GPU

Each row is one run of `samwise bench`, in a process of its own. The part between the two marker lines of the device is
replaced.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from results import write_part

CPU_RUNS = (
    "--preset compact --ros",
    "--preset compact --targets 4",
    "--preset refsam_compact",
    "--preset tiny --frames 4 --warmup 16",
    "--preset base_plus --frames 4 --warmup 16",
    "--preset tiny --mode clip --frames 8 --warmup 8",
    "--preset base_plus --mode clip --frames 8 --warmup 8",
)
GPU_RUNS = (
    *(
        f"--preset {preset} --targets {targets} --frames 500"
        for preset in ("compact", "base_plus")
        for targets in (1, 4)
    ),
    "--preset base_plus --precision bfloat16 --frames 500",
    "--preset base_plus --precision float32 --frames 200",
    "--preset tiny --frames 500",
    "--preset large --frames 300",
    "--preset refsam_compact --frames 500",
    "--preset compact --frames 10000",
)

HEADS = ("`samwise bench …`", "precision", "p50 ms", "p90 ms", "p99 ms", "frames/s", "GFLOP", "floor ms", "peak MB")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu", action="store_true", help="measure the GPU instead of the CPU")
    options = parser.parse_args()
    device, runs = ("cuda", GPU_RUNS) if options.gpu else ("cpu", CPU_RUNS)
    reports = []
    for arguments in runs:
        print(f"samwise bench {arguments}", file=sys.stderr)
        command = [sys.executable, "-m", "samwise_ros.cli.main", "bench", *arguments.split()]
        done = subprocess.run([*command, "--device", device, "--json"], check=True, stdout=subprocess.PIPE, text=True)
        reports.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(reports[-1]))
    write_part(f"tools/bench.py {device}", format_part(runs, reports))


def format_part(runs: Sequence[str], reports: Sequence[dict[str, Any]]) -> str:
    """A row for each run, and the parts of the first one's step."""
    first = reports[0]
    where = first["device"] if first["device"] != "cpu" else f"CPU, {first['threads']} threads"
    rows = [f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|"]
    for arguments, report in zip(runs, reports, strict=True):
        step = report["step"]
        peak = report["device_peak_bytes"] or report["host_peak_bytes"]
        cells = [f"`{arguments}`", report["dtype"]]
        cells += [f"{step[rank]:.1f}" for rank in ("p50", "p90", "p99")]
        cells += [f"{report['frames_per_s']:.2f}", f"{report['flop_per_frame'] / 1e9:.1f}"]
        cells += [f"{report['floor_ms']:.1f}", f"{peak / 1e6:.0f}"]
        rows.append(f"| {' | '.join(cells)} |")
    parts = ", ".join(f"{name} {part['p50']:.2f}" for name, part in first["stages"].items())
    lines = [
        f"{where}, torch {first['torch']}, camera 640x480. *floor*: the frame's arithmetic at the rate that one large "
        f"matrix product reaches here ({first['flop_per_s'] / 1e9:.0f} GFLOP/s in {first['dtype']}); copying makes "
        f"{first['bytes_per_s'] / 1e9:.0f} GB/s.",
        "",
        *rows,
        "",
        f"Where a frame of the first row goes, ms (median): {parts}.",
    ]
    if "ros" in first:
        without, whole = first["ros"]["without_targets"], first["ros"]["with_targets"]
        lines.append(
            f"Through the node, image in to objects out over two hops of DDS: {whole['p50']:.1f} ms (p99 "
            f"{whole['p99']:.1f}), {first['ros']['frames_per_s']:.1f} frames/s; without a target, so without the "
            f"model, {without['p50']:.2f} ms (p99 {without['p99']:.2f})."
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
