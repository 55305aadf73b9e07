"""`samwise bench`: how fast a model is on this machine."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from samwise_ros.cli.arguments import add_model_arguments, build_chosen, chosen_model, chosen_ways, positive_int

if TYPE_CHECKING:
    from samwise_ros.cli.arguments import Commands

WARMUP_FRAMES = 20
"""More than any memory is long."""

MAX_PIXELS = 50_000_000
"""Of a camera image, of which some are kept in memory."""

NODE_WARMUP_FRAMES = 60
"""At least so many for the node, which for several targets makes a trace beside the first frames on a CPU."""


def add_parser(commands: Commands) -> None:
    """Add `bench` and its arguments to the command line."""
    parser = commands.add_parser(
        "bench",
        help="measure how fast a model is here",
        description="Measure how long a model takes for a camera image, part by part, and how near that is to what "
        "this machine's arithmetic allows. A preset without weights is measured with random ones, which are as fast.",
    )
    add_model_arguments(parser)
    parser.add_argument("--size", type=_size, default=(640, 480), metavar="WxH", help="camera image (default: 640x480)")
    parser.add_argument("--targets", type=positive_int, default=1, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--frames", type=positive_int, default=100, metavar="N", help="frames to measure (default: %(default)s)"
    )
    parser.add_argument(
        "--warmup",
        type=positive_int,
        default=WARMUP_FRAMES,
        metavar="N",
        help="frames before them, until the memory is full (default: %(default)s; for the node at least "
        f"{NODE_WARMUP_FRAMES})",
    )
    parser.add_argument(
        "--eager", action="store_true", help="run a step as it is written, not captured as a whole, and time its parts"
    )
    parser.add_argument("--ros", action="store_true", help="also through the node, over DDS: needs ROS 2, sourced")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Measure and print."""
    from samwise_ros.errors import ConfigError

    if args.ros:
        _check_ros(args)
    report = measure(args)
    if args.ros:
        if report["weights"] == "random":
            raise ConfigError(f"{args.model} has no weights here, expected some for --ros: the node needs them")
        report["ros"] = measure_ros(args)
    print(json.dumps(report) if args.json else _table(report))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Measure.

    Args:
        args: of the command line.

    Returns:
        What was measured, of what, and where, as JSON has it.
    """
    import torch

    from samwise_ros.engine.preprocess import padded_size
    from samwise_ros.evaluation.speed import measure_rates, measure_speed
    from samwise_ros.model.build import find_dtype
    from samwise_ros.model.cost import count_cost

    segmenter, weights = _build(args)
    network = segmenter.network
    width_px, height_px = args.size
    speed = measure_speed(
        segmenter,
        height_px=height_px,
        width_px=width_px,
        targets=args.targets,
        frames=args.frames,
        warmup=args.warmup,
    )
    dtype = find_dtype(args.precision, segmenter.device)
    rates = measure_rates(segmenter.device, dtype)
    size = padded_size(height_px, width_px, segmenter.image_side_px, segmenter.image_step_px)
    cost = count_cost(network.config, size)
    flop = cost.image_flop + args.targets * cost.target_flop
    cuda = segmenter.device.type == "cuda"
    return {
        "model": network.config.name,
        "weights": weights,
        "mode": args.mode,
        "eager": args.eager,
        "image": {"width_px": size[1], "height_px": size[0]},
        "device": torch.cuda.get_device_name(segmenter.device) if cuda else "cpu",
        "threads": torch.get_num_threads(),
        "dtype": str(dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "camera": {"width_px": width_px, "height_px": height_px},
        "targets": args.targets,
        "frames": args.frames,
        "warmup": args.warmup,
        **asdict(speed),
        **asdict(rates),
        "flop_per_frame": flop,
        "floor_ms": 1e3 * flop / rates.flop_per_s,
        "share_of_rate": flop * speed.frames_per_s / rates.flop_per_s,
    }


def measure_ros(args: argparse.Namespace) -> dict[str, Any]:
    """Measure the node, see `samwise_ros.ros.bench`.

    Args:
        args: of the command line.

    Returns:
        What it prints.

    Raises:
        ConfigError: the node could not be measured.
    """
    from samwise_ros.errors import ConfigError

    model, weights = chosen_model(args)
    params = {"model": model, "device": args.device, "precision": args.precision}
    if weights is not None:
        params["weights"] = str(weights)
    if args.image_side_px is not None:
        params["image_side_px"] = args.image_side_px
    command = [sys.executable, "-m", "samwise_ros.ros.bench", "--params", json.dumps(params)]
    counts = {"targets": args.targets, "frames": args.frames, "warmup": max(args.warmup, NODE_WARMUP_FRAMES)}
    for name, count in counts.items():
        command += [f"--{name}", str(count)]
    done = subprocess.run([*command, "--size", *map(str, args.size)], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise ConfigError("the node could not be measured, for the reason above: correct it, or leave out --ros")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _check_ros(args: argparse.Namespace) -> None:
    """Refuse what the node cannot do, before anything is measured."""
    from samwise_ros.errors import ConfigError

    if find_spec("rclpy") is None:
        raise ConfigError("ROS 2 is not there, expected it for --ros: source its setup.bash, or tools/ros_env.sh")
    if args.mode != "stream" or args.eager:
        what = "--eager" if args.eager else f"--mode {args.mode}"
        raise ConfigError(
            f"{what} was given, expected none with --ros, since the node runs in no such way: leave it out"
        )


def _build(args: argparse.Namespace) -> tuple[Any, str]:
    """The model, and where its weights come from."""
    from samwise_ros.errors import CheckpointError
    from samwise_ros.model.build import build_random

    try:
        return build_chosen(args, eager=args.eager), str(args.weights or "of the preset")
    except CheckpointError:
        if args.weights is not None:
            raise
        return build_random(args.model, **chosen_ways(args), eager=args.eager), "random"


def _size(text: str) -> tuple[int, int]:
    """Parse a camera image's WxH."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"'{text}' is not a size such as 640x480")
    if int(width) * int(height) > MAX_PIXELS:
        raise argparse.ArgumentTypeError(f"'{text}' has more than {MAX_PIXELS // 1_000_000} million pixels")
    return int(width), int(height)


def _table(report: dict[str, Any]) -> str:
    """The report for people."""
    image, camera = report["image"], report["camera"]
    where = report["device"] if report["device"] != "cpu" else f"cpu, {report['threads']} threads"
    lines = [
        f"{report['model']}, weights {report['weights']}, {image['width_px']} x {image['height_px']} px, "
        f"{report['mode']} mode, "
        f"{report['dtype']}, {where}, torch {report['torch']}",
        f"camera {camera['width_px']} x {camera['height_px']}, targets {report['targets']}, frames {report['frames']} "
        f"after {report['warmup']}",
        "",
        f"{'ms per frame':<16} {'p50':>8} {'p90':>8} {'p99':>8}",
    ]
    for name, part in {**report["stages"], "whole step": report["step"]}.items():
        lines.append(f"{name:<16} {part['p50']:8.2f} {part['p90']:8.2f} {part['p99']:8.2f}")
    lines += [
        "",
        f"frames/s         {report['frames_per_s']:8.2f}",
        f"arithmetic       {report['flop_per_frame'] / 1e9:8.2f} GFLOP per frame; a matrix product here makes "
        f"{report['flop_per_s'] / 1e9:.0f} GFLOP/s: {report['floor_ms']:.2f} ms at least, "
        f"{100 * report['share_of_rate']:.0f} % of that rate is used",
        f"copying          {report['bytes_per_s'] / 1e9:8.1f} GB/s",
        f"memory, peak     {report['host_peak_bytes'] / 1e6:8.0f} MB of the process",
    ]
    if report["device_peak_bytes"] is not None:
        lines.append(
            f"GPU memory, peak {report['device_peak_bytes'] / 1e6:8.0f} MB, grown by "
            f"{report['device_growth_bytes'] / 1e6:.1f} MB while measuring"
        )
    if "ros" in report:
        ros = report["ros"]
        lines += ["", f"{'ms through ROS':<16} {'p50':>8} {'p90':>8} {'p99':>8}"]
        for name, part in (("without a target", ros["without_targets"]), ("with targets", ros["with_targets"])):
            lines.append(f"{name:<16} {part['p50']:8.2f} {part['p90']:8.2f} {part['p99']:8.2f}")
        lines.append(f"frames/s         {ros['frames_per_s']:8.2f}")
    return "\n".join(lines)
