"""The whole path in one command: camera, node and recorder as processes over DDS, and a change of words half way.

`make demo` runs `main`. It films a synthetic world, whose truth is known, or a real video, and ends by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from tqdm import tqdm

from samwise_ros.data.expressions import Expression
from samwise_ros.data.synthetic import Clip, World
from samwise_ros.data.video import open_footage
from samwise_ros.errors import ConfigError, SamwiseError
from samwise_ros.model.build import find_device
from samwise_ros.ros.children import CAMERA_MODULE, NODE_MODULE, child_node
from samwise_ros.ros.command import Action, parse_command
from samwise_ros.ros.domain import reserve_domain_id, stay_here
from samwise_ros.ros.recorder import Recorder
from samwise_ros.ros.report import FILES, Part, Report, Summary, table, verdict

WIDTH_PX, HEIGHT_PX = 640, 480
_NODE_TIMEOUT_S = 180.0
_STALL_TIMEOUT_S = 60.0
_FILMING_S_PER_FRAME = 5.0
"""Ten times what a slow core takes."""
_MAX_PLANNED_FRAMES = 60


class DemoError(SamwiseError):
    """A demo cannot go on."""


def main(arguments: list[str] | None = None) -> int:
    """Run the demo.

    Args:
        arguments: the command line without the program's name; None for the process's own.

    Returns:
        The exit code: 0; 1 with a sentence on stderr where the demo failed; 130 after Ctrl-C or SIGTERM.
    """
    options = _parse(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        summary, fault = run_demo(options)
    except SamwiseError as error:
        print(f"demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo interrupted", file=sys.stderr)
        return 130
    print(f"\n{table(summary)}\n  files in {options.out}: {', '.join(FILES)}\n")
    failure = verdict(summary, fault)
    if failure:
        print(f"demo failed: {failure}", file=sys.stderr)
    return 1 if failure else 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description="Segment a camera stream by a sentence, over real ROS 2.")
    parser.add_argument("--frames", type=int, default=120, help="how many images the camera publishes (default 120)")
    parser.add_argument("--text", action="append", default=[], help="what to follow; twice: first this, then that")
    parser.add_argument("--video", type=Path, help="real footage instead of the synthetic world; needs --text")
    parser.add_argument("--seed", type=int, default=7, help="number of the synthetic world (default 7)")
    parser.add_argument("--rate", type=float, default=10.0, help="images per second (default 10)")
    parser.add_argument("--model", default="compact", help="model preset (default compact)")
    parser.add_argument("--weights", default="", help="weights file, where the preset's do not ship with the package")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default auto)")
    parser.add_argument("--out", type=Path, default=Path("demo_output"), help="folder (default demo_output)")
    return parser.parse_args(arguments)


def run_demo(options: argparse.Namespace) -> tuple[Summary, str]:
    """Start the graph, let it run to the last frame, and end it.

    Args:
        options: the command line.

    Returns:
        The numbers, and what was wrong with headers (empty if nothing).

    Raises:
        SamwiseError: an option is wrong, a process died or was not ready in time, or results stopped coming.
    """
    if options.frames < 2 or not 0.1 <= options.rate <= 100:
        raise ConfigError(
            f"{options.frames} frames at {options.rate} Hz were asked for, expected 2 or more at 0.1 to 100 Hz: "
            "correct --frames or --rate"
        )
    if len(options.text) > 2:
        raise ConfigError(f"{len(options.text)} --text were given, expected at most 2: leave the others out")
    device = str(find_device(options.device))
    parts = plan_video(options) if options.video else plan_world(options)
    with contextlib.ExitStack() as stack:
        os.environ["ROS_DOMAIN_ID"] = str(stack.enter_context(reserve_domain_id()))
        stay_here()
        report = Report(options.out, parts, options.rate)
        stack.callback(report.close)
        recorder, spin_once = stack.enter_context(_recorder(report, has_truth=options.video is None))
        processes = {"node": stack.enter_context(child_node(NODE_MODULE, _node_params(options)))}
        has_tried = partial(_has_tried, recorder)
        _wait_for("the node", has_tried, spin_once, processes, _NODE_TIMEOUT_S)
        if not recorder.hears_node:
            raise DemoError("the node could not be configured: see its message above")
        recorder.say(f"follow {parts[0].text}")
        frames = parts[-1].stop
        processes["camera"] = stack.enter_context(child_node(CAMERA_MODULE, _camera_params(options, frames)))
        patience_s = _STALL_TIMEOUT_S + (0 if options.video else _FILMING_S_PER_FRAME * frames)
        _wait_for("the first image", lambda: recorder.published > 0, spin_once, processes, patience_s)
        _follow_film(parts, recorder, spin_once, processes)
        recorder.finish()
        return report.finish(options.model, device, recorder.published), recorder.fault


def plan_world(options: argparse.Namespace) -> tuple[Part, ...]:
    """Choose two commands for the synthetic world: the user's, or about objects that are well in view.

    Args:
        options: frames, seed and text are read.

    Returns:
        Two parts.

    Raises:
        ConfigError: nothing in this world can be spoken of, or a text is no single thing to follow.
    """
    # What can be said of a world hardly depends on the picture's size, and a small one is filmed faster.
    world = World(options.seed, height=HEIGHT_PX // 4, width=WIDTH_PX // 4)
    half = options.frames // 2
    parts: list[Part] = []
    for position, (start, stop) in enumerate(((0, half), (half, options.frames))):
        stride = -(-(stop - start) // _MAX_PLANNED_FRAMES)
        clip = world.clip(start, (stop - start) // stride, stride)
        known = [one for one in clip.expressions if one.since == 0]
        if position < len(options.text):
            text = _expression(options.text[position])
            index = {one.text: one.object_index for one in known}.get(text.lower())
            if index is None:
                print(f'"{text}" is not among the expressions of this world: its J is not measured')
            parts.append(Part(text, start, stop, index))
        else:
            new = [one for one in known if all(one.text != part.text for part in parts)]
            chosen = choose_expression(clip, new, {part.object_index for part in parts})
            if chosen is None:
                raise ConfigError(
                    f"frames {start} to {stop - 1} of this world offer nothing to follow, expected one object that "
                    "words single out: choose another --seed or other --frames"
                )
            parts.append(Part(chosen.text, start, stop, chosen.object_index))
    return tuple(parts)


def choose_expression(clip: Clip, known: list[Expression], taken: set[int | None]) -> Expression | None:
    """Choose what is easiest to see: something named by its look, and there the object whose smallest view is largest.

    Args:
        clip: a part of the film.
        known: what can be said of it.
        taken: objects that are not to be chosen.

    Returns:
        One of `known`, of several about the same object the first; None where nothing is left to choose from.
    """
    smallest_px = np.min([np.bincount(picture.ravel(), minlength=256) for picture in clip.instances], axis=0)
    candidates = [one for one in known if one.object_index and one.object_index not in taken]
    looks = ("colour", "kind")
    return max(candidates, key=lambda one: (one.kind in looks, int(smallest_px[one.object_index])), default=None)


def plan_video(options: argparse.Namespace) -> tuple[Part, ...]:
    """Take the user's one or two commands for a real video, whose truth nobody knows.

    Args:
        options: video, frames and text are read.

    Returns:
        One or two parts, which end with the video where that is shorter than `frames`.

    Raises:
        ConfigError: there is no text, one is no single thing to follow, or the video has fewer frames than texts.
        ImageError: the video cannot be read.
    """
    if not options.text:
        raise ConfigError("a video came without --text, expected one or two: say what to follow in it")
    frames = min(options.frames, open_footage(options.video).total_frames or options.frames)
    if frames < len(options.text):
        raise ConfigError(
            f"{options.video} gives {frames} frames for {len(options.text)} texts, expected one each: take fewer texts"
        )
    bounds = np.linspace(0, frames, len(options.text) + 1).astype(int).tolist()
    texts = map(_expression, options.text)
    return tuple(Part(text, start, stop, None) for text, start, stop in zip(texts, bounds, bounds[1:], strict=False))


def _expression(text: str) -> str:
    """Return what the node will make of the user's text."""
    command = parse_command(text)
    if command.action is not Action.FOLLOW or len(command.texts) != 1:
        raise ConfigError(f'--text is "{text}", expected one thing to follow: say for example "the red mug"')
    return command.texts[0]


def _node_params(options: argparse.Namespace) -> dict[str, object]:
    reliable = {"qos_overrides./image.subscription.reliability": "reliable"}
    return {"model": options.model, "weights": options.weights, "device": options.device, **reliable}


def _camera_params(options: argparse.Namespace, frames: int) -> dict[str, object]:
    return {
        "seed": options.seed,
        "width": WIDTH_PX,
        "height": HEIGHT_PX,
        "rate_hz": float(options.rate),
        "frames": frames,
        "video": str(options.video.absolute()) if options.video else "",
        "wait_for_subscribers": 2,
    }


def _follow_film(
    parts: tuple[Part, ...],
    recorder: Recorder,
    spin_once: Callable[[], None],
    processes: dict[str, subprocess.Popen[bytes]],
) -> None:
    """Serve the recorder until the last image is answered, and give each part's command at its start."""
    waiting = list(parts[1:])
    progress_s, progress = time.monotonic(), (0, 0)
    with tqdm(total=parts[-1].stop, unit="frame", desc="demo", mininterval=0.5) as bar:
        while not (processes["camera"].poll() == 0 and recorder.answered == recorder.published):
            spin_once()
            if waiting and recorder.published >= waiting[0].start:
                recorder.say(f"follow {waiting.pop(0).text}")
            if progress != (recorder.published, recorder.answered):
                bar.update(recorder.published - bar.n)
                progress_s, progress = time.monotonic(), (recorder.published, recorder.answered)
            _expect_health(processes)
            if recorder.fault:
                return
            if time.monotonic() - progress_s > _STALL_TIMEOUT_S:
                raise DemoError(
                    f"nothing came for {_STALL_TIMEOUT_S:.0f} s after {recorder.published} images and "
                    f"{recorder.answered} answers: see the messages above"
                )


def _has_tried(recorder: Recorder) -> bool:
    """Whether the node is ready, or has said that it cannot be."""
    return recorder.hears_node or recorder.node_refused


def _wait_for(
    what: str,
    came: Callable[[], bool],
    spin_once: Callable[[], None],
    processes: dict[str, subprocess.Popen[bytes]],
    timeout_s: float,
) -> None:
    give_up_s = time.monotonic() + timeout_s
    while not came():
        spin_once()
        _expect_health(processes)
        if time.monotonic() > give_up_s:
            raise DemoError(f"{what} was not there after {timeout_s:.0f} s: see the messages above")


def _expect_health(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, process in processes.items():
        if process.poll():
            raise DemoError(f"the {name} ended with exit code {process.returncode}: see its message above")


@contextlib.contextmanager
def _recorder(report: Report, *, has_truth: bool) -> Iterator[tuple[Recorder, Callable[[], None]]]:
    """Make the recorder; the second value serves it for a moment."""
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    try:
        recorder = Recorder(report.add, has_truth=has_truth)
        executor.add_node(recorder)
        yield recorder, lambda: executor.spin_once(timeout_sec=0.1)
    finally:
        executor.shutdown()
        rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
