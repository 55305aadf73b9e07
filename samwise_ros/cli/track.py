"""`samwise track`: follow described objects through recorded footage, and write what was found to a folder."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from itertools import chain, islice, tee
from pathlib import Path
from typing import TYPE_CHECKING

from samwise_ros.cli.arguments import add_model_arguments, build_chosen, chosen_model, positive_int

if TYPE_CHECKING:
    from samwise_ros.cli.arguments import Commands
    from samwise_ros.cli.results import ResultFolder
    from samwise_ros.types import FrameResult, Target


def add_parser(commands: Commands) -> None:
    """Add `track` and its arguments to the command line."""
    parser = commands.add_parser(
        "track",
        help="segment a video, a folder of images or an image",
        description="Segment what each --text describes. DIR gets an overlay video (or image), labels/ with one mono8 "
        "PNG per frame (0 background, n the n-th text), and objects.jsonl with a line per frame.",
    )
    parser.add_argument("input", type=Path, metavar="INPUT", help="video file, folder of images or image")
    parser.add_argument("--text", action="append", required=True, help="what to follow; repeat for several objects")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    add_model_arguments(parser)
    parser.add_argument("--max-frames", type=positive_int, metavar="N", help="stop after N frames")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Track through the footage; nothing in DIR is touched before the first frame's result is there."""
    from samwise_ros.cli.results import ResultFolder
    from samwise_ros.config import fine_side_px, preset
    from samwise_ros.data.video import open_footage
    from samwise_ros.engine.tracker import MAX_LABEL, Tracker
    from samwise_ros.errors import ConfigError
    from samwise_ros.types import clean_text, text_key

    footage = open_footage(args.input)
    frames = iter(footage)
    first = next(frames)  # or it says why there is none
    seen: set[str] = set()
    for text in map(clean_text, args.text):
        if text_key(text) in seen:
            raise ConfigError(
                f"--text '{text}' was given twice, expected different ones, since each has a label: leave one out"
            )
        seen.add(text_key(text))
    if args.image_side_px is None:  # a recording waits, other than a camera
        args.image_side_px = fine_side_px(preset(chosen_model(args)[0]))
    tracker = Tracker(build_chosen(args), max_targets=min(MAX_LABEL, len(args.text)))
    for text in args.text:
        tracker.add(text)
    results = ResultFolder(args.out, footage)
    tally = _Tally()
    indices, images = tee(islice(chain([first], frames), args.max_frames))
    answers = zip((index for index, _ in indices), tracker.run(image for _, image in images), strict=True)
    answered = next(answers)
    with results:
        _write(chain([answered], answers), footage.total_frames, results, tally, args.max_frames)
    print(tally.summary())
    overlay = "overlay.png" if footage.is_still else "overlay.mp4"
    print(f"results in {args.out}: {overlay}, labels/, objects.jsonl")


class _Tally:
    """Counts frames, and in how many of them each target was visible."""

    def __init__(self) -> None:
        self._start_s = time.perf_counter()
        self._frames = 0
        self._visible: dict[Target, int] = {}

    def add(self, result: FrameResult) -> None:
        self._frames += 1
        for found in result.objects:
            self._visible[found.target] = self._visible.get(found.target, 0) + found.visible

    def summary(self) -> str:
        took_s = time.perf_counter() - self._start_s
        frames = "1 frame" if self._frames == 1 else f"{self._frames} frames"
        lines = [f"{frames} in {took_s:.1f} s ({self._frames / took_s:.1f} frames/s)"]
        for target, count in self._visible.items():
            share = f"{100 * count / self._frames:.0f} %"
            lines.append(f"  {target.id} {target.text}: visible in {count} of {frames} ({share})")
        return "\n".join(lines)


def _write(
    found: Iterable[tuple[int, FrameResult]],
    count: int | None,
    results: ResultFolder,
    tally: _Tally,
    max_frames: int | None,
) -> None:
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    total = min((number for number in (count, max_frames) if number is not None), default=None)
    with logging_redirect_tqdm(), tqdm(found, total=total, unit="frame", disable=None) as progress:
        for index, result in progress:
            results.add(index, result)
            tally.add(result)
