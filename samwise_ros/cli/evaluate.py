"""`samwise evaluate`: how well a model finds what held-out expressions describe."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from samwise_ros.cli.arguments import add_model_arguments, build_chosen, positive_int

if TYPE_CHECKING:
    from samwise_ros.cli.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add `evaluate` and its arguments to the command line."""
    parser = commands.add_parser(
        "evaluate",
        help="measure a model on held-out clips",
        description="Mean J of a model on clips of the synthetic world that it was not trained on.",
    )
    add_model_arguments(parser)
    parser.add_argument(
        "--clips", type=positive_int, default=50, metavar="N", help="held-out clips (default: %(default)s)"
    )
    parser.add_argument(
        "--frames", type=positive_int, default=12, metavar="T", help="frames of a clip (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print a table of mean J by kind of expression."""
    from tqdm import tqdm

    from samwise_ros.evaluation.synthetic import evaluate_clips, format_table

    segmenter = build_chosen(args)
    scores = evaluate_clips(segmenter, range(args.clips), frames=args.frames, height_px=480, width_px=640)
    print(format_table(tqdm(scores, total=args.clips, unit="clip", disable=None)))
