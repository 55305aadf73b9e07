"""`samwise info`: the size of a preset, part by part."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from samwise_ros.cli.track import Commands


def add_parser(commands: Commands) -> None:
    """Add `info` and its arguments to the command line."""
    parser = commands.add_parser("info", help="show the size of a model", description="Show a model's parameters.")
    parser.add_argument("--model", default="compact", metavar="PRESET", help="preset (default: %(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print a table: parameters of each part of the model, in total and trainable."""
    from samwise_ros.model.build import build_model

    model = build_model(args.model)
    print(f"{args.model:<24} {'parameters':>14} {'trainable':>14}")
    for name, part in model.named_children():
        print(_row(name, part.parameters()))
    if own := list(model.parameters(recurse=False)):
        print(_row("(own)", own))
    print(_row("total", model.parameters()))


def _row(name: str, parameters: Iterable[nn.Parameter]) -> str:
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in parameters]
    total = sum(size for size, _ in sizes)
    trainable = sum(size for size, learns in sizes if learns)
    return f"  {name:<22} {total:>14,} {trainable:>14,}"
