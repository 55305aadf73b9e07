"""`samwise train`: train a model as one YAML file says."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samwise_ros.cli.arguments import Commands

DESCRIPTION = (
    "Train a model as a YAML file says. Ctrl-C ends it after the running step, or breaks a validation "
    "off, with its state saved. Several "
    "processes: `accelerate launch -m samwise_ros.cli.main train ...` or the same with `torchrun`; they share the "
    "YAML's batch."
)


def add_parser(commands: Commands) -> None:
    """Add `train` and its arguments to the command line."""
    parser = commands.add_parser("train", help="train a model", description=DESCRIPTION)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE.yaml", help="model, data and schedule")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for weights, state, logs and pictures"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the state in DIR (on a CPU to the same numbers)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Train until the schedule ends, or until Ctrl-C or SIGTERM (exit code 130)."""
    from samwise_ros.training.loop import train

    train(args.config, args.out, args.resume)
