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
    parser.add_argument(
        "--image-side-px",
        type=positive_int,
        metavar="S",
        help="side of the square into which the network fits images, a multiple of 64; small things need a large one "
        "(default: the preset's; of compact 320, in `track` and, but for `evaluate`, on a GPU 448)",
    )


def build_chosen(args: argparse.Namespace, **how: Any) -> AnySegmenter:
    """Build the model that the arguments choose; `how` are further options of `build_segmenter`.

    Raises:
        SamwiseError: there is no such model, device or mode.
    """
    from samwise_ros.model.build import build_segmenter

    model, weights = chosen_model(args)
    return build_segmenter(model, weights=weights, **chosen_ways(args), **how)


def chosen_ways(args: argparse.Namespace) -> dict[str, Any]:
    """How the model is to run, as options of `build_segmenter`."""
    return {name: getattr(args, name) for name in ("device", "mode", "precision", "image_side_px")}


def chosen_model(args: argparse.Namespace) -> tuple[str, Path | None]:
    """The preset, and the weights file; None for the preset's own."""
    from samwise_ros.config import PRESETS

    if args.weights is not None and str(args.weights) in PRESETS and not args.weights.exists():
        return str(args.weights), None
    return args.model, args.weights


def whole_int(text: str, least: int = 0) -> int:
    """Parse a command-line number of at least 0, or another least one, that is no larger than C's `int` can be."""
    if not text.isdecimal() or len(text) > 10 or not least <= int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least {least} and below 2 to the 31")
    return int(text)


def positive_int(text: str) -> int:
    """Parse a command-line number of at least 1."""
    return whole_int(text, 1)
