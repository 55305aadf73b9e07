"""`samwise convert`: another program's weights into this package's own file, which loads faster."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from samwise_ros.config import OPTIONAL_PARTS

if TYPE_CHECKING:
    from samwise_ros.cli.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add `convert` and its arguments to the command line."""
    parser = commands.add_parser(
        "convert",
        help="turn a released checkpoint into a file that loads faster",
        description="Write a released SAMWISE checkpoint as safetensors, all values kept as they are. With --roberta, "
        "IN is a SAM 2.0 checkpoint, and OUT a network to start training from: SAM 2, RoBERTa, and fresh adapters.",
    )
    parser.add_argument("input", type=Path, metavar="IN", help="checkpoint to read (.pth, .pt or .safetensors)")
    parser.add_argument("output", type=Path, metavar="OUT.safetensors", help="file to write")
    parser.add_argument(
        "--roberta", type=Path, metavar="DIR", help="folder of RoBERTa-base, with a SAM 2 checkpoint as IN"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the fresh adapters (default: %(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Convert, and say what was recognised."""
    import torch

    from samwise_ros.errors import ConfigError
    from samwise_ros.model.build import load_network, start_network
    from samwise_ros.model.checkpoint import save_weights

    if args.output.suffix != ".safetensors":
        raise ConfigError(f"the output is '{args.output}', expected a name that ends in .safetensors: name it so")
    if args.output.exists() and args.input.exists() and args.output.samefile(args.input):
        raise ConfigError(f"the output '{args.output}' is the input: name another file")
    if args.roberta is None:
        network = load_network(args.input)
    else:
        torch.manual_seed(args.seed)
        network = start_network(args.input, args.roberta)
    save_weights(network, network.config.name, args.output)
    config = network.config
    lacks = [name for name in OPTIONAL_PARTS if not getattr(config, name)]
    print(f"preset {config.name}{' without ' + ', '.join(lacks) if lacks else ''}: written to {args.output}")
