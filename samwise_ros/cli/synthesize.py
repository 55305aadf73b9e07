"""`samwise synthesize`: clips of the synthetic world, with masks and expressions, as files to look at."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from samwise_ros.cli.arguments import positive_int

if TYPE_CHECKING:
    from samwise_ros.cli.arguments import Commands

MAX_CLIPS = 200
"""The index has a row for each."""
MAX_PIXELS = 100_000_000
"""In all frames of a clip, which is kept in memory: about a gigabyte while it is put together."""


def add_parser(commands: Commands) -> None:
    """Add `synthesize` and its arguments to the command line."""
    parser = commands.add_parser(
        "synthesize",
        help="write clips of the synthetic world to look at",
        description="Film the world that the compact model is tested on, and four tenths of what it is trained on; the "
        "others are more varied. DIR gets index.png with a row per clip, and a folder per clip: rgb/ and instances/ "
        "with a PNG per frame (instances mono8: 0 background, k the k-th object), "
        "expressions.json, and sheet.png, which shows an expression of each kind with its true mask.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the clips, new or empty")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the first clip (default: %(default)s)")
    parser.add_argument("--clips", type=positive_int, default=6, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument(
        "--frames", type=positive_int, default=12, metavar="T", help="length of a clip (default: %(default)s)"
    )
    parser.add_argument(
        "--size", type=_size, default=(640, 480), metavar="WxH", help="of the picture, pixels (default: 640x480)"
    )
    parser.add_argument("--held-out", action="store_true", help="combinations that are never trained on")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Film and write one clip after the other; nothing is touched before the arguments proved good."""
    from tqdm import tqdm

    from samwise_ros.cli.clip_folder import draw_clip, save_sheet, write_clip
    from samwise_ros.data.synthetic import render_clip
    from samwise_ros.evaluation.synthetic import one_per_kind

    width, height = args.size
    _check_arguments(args)
    rows = []
    for position, seed in enumerate(tqdm(range(args.seed, args.seed + args.clips), unit="clip", disable=None)):
        clip = render_clip(seed, frames=args.frames, height=height, width=width, held_out=args.held_out)
        write_clip(clip, args.out / f"{seed:06d}")
        # Another kind for each clip, so that the index shows them all.
        chosen = one_per_kind(clip.expressions)
        rows.append(draw_clip(clip, chosen[position % len(chosen)] if chosen else None, f"clip {seed}"))
    save_sheet(rows, args.out / "index.png")
    print(f"{args.clips} clips in {args.out}: index.png shows them all")


def _check_arguments(args: argparse.Namespace) -> None:
    """Raise ConfigError where DIR holds something, or more is asked for than a picture or the memory should hold."""
    from samwise_ros.errors import ConfigError

    if args.out.exists() and not (args.out.is_dir() and not any(args.out.iterdir())):
        raise ConfigError(
            f"--out is '{args.out}', which holds something, expected a new or an empty folder: name another"
        )
    if args.clips > MAX_CLIPS:
        raise ConfigError(
            f"{args.clips} clips were asked for, expected at most {MAX_CLIPS}: write the others with another --seed"
        )
    width, height = args.size
    if args.frames * width * height > MAX_PIXELS:
        raise ConfigError(
            f"{args.frames} frames of {width} x {height} are {args.frames * width * height / 1e6:.0f} million pixels, "
            f"expected at most {MAX_PIXELS / 1e6:.0f} million: choose fewer --frames or a smaller --size"
        )


def _size(text: str) -> tuple[int, int]:
    """Parse WxH."""
    found = re.fullmatch(r"([0-9]+)x([0-9]+)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' is not a width and a height such as 640x480")
    return int(found[1]), int(found[2])
