"""`samwise convert`: another program's weights into this package's own file, which loads faster."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from samwise_ros.cli.arguments import whole_int

if TYPE_CHECKING:
    from samwise_ros.cli.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add `convert` and its arguments to the command line."""
    parser = commands.add_parser(
        "convert",
        help="turn a released checkpoint into a file that loads faster",
        description="Write a released SAMWISE checkpoint as safetensors, all values kept as they are. With "
        "--text-encoder, IN is a SAM, and OUT a network to start training from: SAM 2.0 and RoBERTa make a SAMWISE; "
        "SAM 1 (Meta's file, or a file or folder of transformers) and T5 or RoBERTa make a RefSAM.",
    )
    parser.add_argument("input", type=Path, metavar="IN", help="checkpoint to read (.pth, .pt or .safetensors)")
    parser.add_argument("output", type=Path, metavar="OUT.safetensors", help="file to write")
    parser.add_argument(
        "--text-encoder", "--roberta", type=Path, metavar="DIR", help="folder of RoBERTa or T5, with a SAM as IN"
    )
    parser.add_argument(
        "--seed", type=whole_int, default=0, metavar="N", help="of what is fresh (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Convert, and say what was recognised."""
    import torch

    from samwise_ros.config import OPTIONAL_PARTS, REFSAM_PARTS, RefSamConfig, preset
    from samwise_ros.errors import CheckpointError, ConfigError
    from samwise_ros.model.build import load_network, start_network
    from samwise_ros.model.checkpoint import place_tokenizer, save_weights, tokenizer_path
    from samwise_ros.model.text import load_tokenizer

    if args.output.suffix != ".safetensors":
        raise ConfigError(f"the output is '{args.output}', expected a name that ends in .safetensors: name it so")
    if args.output.exists() and args.input.exists() and args.output.samefile(args.input):
        raise ConfigError(f"the output '{args.output}' is the input: name another file")
    if args.text_encoder is None:
        network = load_network(args.input)
    else:
        torch.manual_seed(args.seed)
        network = start_network(args.input, args.text_encoder)
    config = network.config
    if args.text_encoder is not None and isinstance(config, RefSamConfig):
        # SAMWISE has one text encoder, whose tokenizer lies in the cache; RefSAM's may be any.
        tokenizer = args.text_encoder / "tokenizer.json"
        if not tokenizer.is_file():
            raise CheckpointError(
                f"tokenizer {tokenizer} is missing, expected the text encoder's own there: get it from its authors"
            )
        load_tokenizer(tokenizer, config.text)
    else:
        tokenizer = tokenizer_path(args.input)
    save_weights(network, config.name, args.output)
    place_tokenizer(tokenizer if tokenizer.is_file() else None, args.output)
    parts = REFSAM_PARTS if isinstance(config, RefSamConfig) else OPTIONAL_PARTS
    lacks = [name for name in parts if getattr(preset(config.name), name) and not getattr(config, name)]
    print(f"preset {config.name}{' without ' + ', '.join(lacks) if lacks else ''}: written to {args.output}")
