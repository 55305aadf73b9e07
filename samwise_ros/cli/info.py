"""`samwise info`: the size of a preset, part by part, and what a frame costs."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from samwise_ros.cli.arguments import Commands
    from samwise_ros.config import TextConfig


def add_parser(commands: Commands) -> None:
    """Add `info` and its arguments to the command line."""
    parser = commands.add_parser(
        "info",
        help="show the size of a model",
        description="Show a model's parameters by part and by frozen or trainable, the arithmetic of a frame, and the "
        "memory of a target. Nothing is loaded or run.",
    )
    parser.add_argument("preset", nargs="?", default="compact", metavar="PRESET", help="default: %(default)s")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print both tables."""
    from samwise_ros.config import ModelConfig, TextConfig, preset
    from samwise_ros.model.build import empty_network
    from samwise_ros.model.cost import TOKENS, count_cost

    config = preset(args.preset)
    model = empty_network(config)
    print(f"{config.name:<28} {'parameters':>14} {'frozen':>14} {'trainable':>14}")
    for name, part in model.named_children():
        print(_row(name, part.parameters()))
        if name in ("sam", "hierarchical_attention"):
            for inner, module in part.named_children():
                if any(True for _ in module.parameters()):
                    print(_row(f"  {inner}", module.parameters()))
    print(_row("total", model.parameters()))
    if isinstance(config, ModelConfig) and config.text == TextConfig():
        unused = unused_in_released(config.text, config.width)
        total = sum(parameter.numel() for parameter in model.parameters()) + unused
        print(
            f"  a released file has {unused:,} more, RoBERTa's language-model head, which is not used: {total:,} in all"
        )

    cost = count_cost(config)
    frame = cost.image_flop + cost.target_flop
    print(f"\n{config.image_side_px} x {config.image_side_px} px, stream mode, full memory, {TOKENS} tokens")
    print(
        f"  per frame with one target  {_flop(frame)}: image {_flop(cost.image_flop)}, target {_flop(cost.target_flop)}"
    )
    print(f"  per expression, once       {_flop(cost.text_flop)}")
    print(f"  memory per target          {_bytes(cost.target_bytes)}, and {_bytes(cost.stream_bytes)} per stream")


def unused_in_released(text: TextConfig, width: int) -> int:
    """Parameters of a released file that the network does not have.

    Args:
        text: the text encoder's size.
        width: channels of the mask decoder.

    Returns:
        How many: RoBERTa's language-model head (a dense layer, a norm, a bias per token) and a norm in the Conditional
        Memory Encoder; less what `transformers`' RoBERTa has and fairseq's has not.
    """
    head = text.width * (text.width + 1) + 2 * text.width + text.vocab_size
    return head + 2 * width - text.width


def _row(name: str, parameters: Iterable[nn.Parameter]) -> str:
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in parameters]
    trainable = sum(size for size, learns in sizes if learns)
    total = sum(size for size, _ in sizes)
    return f"  {name:<26} {total:>14,} {total - trainable:>14,} {trainable:>14,}"


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _flop(count: int) -> str:
    return f"{count / 1e12:.2f} TFLOP" if count >= 1e11 else f"{count / 1e9:.2f} GFLOP"
