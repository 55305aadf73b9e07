"""`samwise train`: train a model as one YAML file says."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samwise_ros.cli.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add `train` and its arguments to the command line."""
    parser = commands.add_parser("train", help="train a model", description="Train a model as a YAML file says.")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE.yaml", help="model, data and schedule")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for checkpoints and logs")
    parser.add_argument("--resume", action="store_true", help="continue from the newest checkpoint in DIR")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Train until the schedule ends."""
    from samwise_ros.training.loop import train

    train(args.config, args.out, args.resume)
