"""Command-line arguments that several subcommands have, and what they mean."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from samwise_ros.model.build import AnySegmenter

    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that choose a model."""
    parser.add_argument("--model", "--preset", default="compact", metavar="PRESET", help="default: %(default)s")
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="weights, or the name of a preset for its own (default: those in the package or in the cache)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument(
        "--mode",
        default="stream",
        help="stream: frame by frame, as the node does; clip: 8 frames at a time, as published (default: %(default)s)",
    )
    parser.add_argument(
        "--precision",
        default="auto",
        help="auto, float32, float16 or bfloat16 (default: %(default)s: float16 on a GPU, else float32)",
    )


def build_chosen(args: argparse.Namespace, **how: Any) -> AnySegmenter:
    """Build the model that the arguments choose; `how` are further options of `build_segmenter`.

    Raises:
        SamwiseError: there is no such model, device or mode.
    """
    from samwise_ros.config import PRESETS
    from samwise_ros.model.build import build_segmenter

    model, weights = args.model, args.weights
    if weights is not None and str(weights) in PRESETS and not weights.exists():
        model, weights = str(weights), None
    return build_segmenter(model, weights=weights, device=args.device, mode=args.mode, precision=args.precision, **how)


def positive_int(text: str) -> int:
    """Parse a command-line number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)
