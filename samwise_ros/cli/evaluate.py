"""`samwise evaluate`: how well a model finds what held-out expressions describe."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samwise_ros.cli.arguments import add_model_arguments, build_chosen, chosen_model, positive_int

if TYPE_CHECKING:
    from samwise_ros.cli.arguments import Commands

DATASETS = ("synthetic", "ref-davis", "mevis", "ref-ytvos", "refcoco", "refcoco+", "refcocog")

SUBSET_CLIPS, ALL_CLIPS = 24, 200
"""Synthetic clips that are measured by default, and with --all."""

FRAMES = 16
"""Length of a synthetic clip by default."""
MAX_FRAMES = 320
"""Of a synthetic clip, which is kept in memory with all masks: two gigabytes."""


def add_parser(commands: Commands) -> None:
    """Add `evaluate` and its arguments to the command line."""
    parser = commands.add_parser(
        "evaluate",
        help="measure a model on held-out clips",
        description="Measure a model on clips of the synthetic world that it was not trained on, or on a data set that "
        "you have. Ref-YouTube-VOS and MeViS `valid` keep their truth: --out gets the zip that their servers take.",
    )
    add_model_arguments(parser)
    parser.add_argument("--dataset", choices=DATASETS, default="synthetic", help="default: %(default)s")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the data set")
    parser.add_argument(
        "--split",
        help="synthetic: test, held-out for combinations never trained on, or reworded for words never trained on; "
        "else valid, valid_u, val, testA, … (default: test, valid or, of refcoco, val)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE.zip", help="masks for a server, where the truth is kept")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--clips", type=positive_int, metavar="N", help=f"synthetic clips (default: {SUBSET_CLIPS})")
    length.add_argument("--all", action="store_true", help=f"all {ALL_CLIPS} synthetic clips")
    parser.add_argument(
        "--frames",
        type=positive_int,
        metavar="T",
        help=f"frames of a synthetic clip (default: {FRAMES})",
    )
    parser.add_argument("--json", action="store_true", help="synthetic: print JSON instead of a table")
    parser.add_argument(
        "--pictures", type=Path, metavar="FILE.png", help="synthetic: draw the median and the worst answer of each kind"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print a table, or write the zip; the data set's folder is checked before the model is built."""
    from samwise_ros.config import preset
    from samwise_ros.errors import ConfigError

    if args.image_side_px is None:  # or a GPU would give other numbers than a CPU
        args.image_side_px = preset(chosen_model(args)[0]).image_side_px
    if args.dataset == "synthetic":
        from samwise_ros.evaluation.synthetic import SPLITS

        if args.data is not None or args.out is not None:
            what = "--data" if args.data is not None else "--out"
            raise ConfigError(
                f"{what} was given, expected none for the synthetic world: choose a --dataset, or leave it out"
            )
        args.split = args.split or "test"
        if args.split not in SPLITS:
            raise ConfigError(
                f"split is '{args.split}', expected {', '.join(SPLITS)}: the synthetic world has no other"
            )
        if (args.frames or FRAMES) > MAX_FRAMES:
            raise ConfigError(
                f"--frames is {args.frames}, expected at most {MAX_FRAMES}, since a clip is in memory: choose fewer"
            )
        if args.pictures is not None and args.pictures.suffix.lower() != ".png":
            raise ConfigError(f"--pictures is '{args.pictures}', expected a name that ends in .png: name it so")
        _evaluate_synthetic(args)
        return
    idle = {"--json": args.json, "--pictures": args.pictures is not None, "--all": args.all}
    idle |= {"--clips": args.clips is not None, "--frames": args.frames is not None}
    if unfit := [name for name, given in idle.items() if given]:
        raise ConfigError(
            f"{', '.join(unfit)} was given, expected none for {args.dataset}: leave it out, the split is measured whole"
        )
    args.split = args.split or ("val" if args.dataset.startswith("refcoco") else "valid")
    if args.data is None:
        raise ConfigError(f"no folder of {args.dataset} was given, expected one that you have: add --data DIR")
    kept = args.dataset in ("ref-ytvos", "mevis") and args.split == "valid"
    if kept != (args.out is not None):
        wanted = (
            "a zip to write, since its truth is kept: add" if kept else "no zip, since its truth is here: leave out"
        )
        raise ConfigError(f"{args.dataset} {args.split} was chosen, expected {wanted} --out FILE.zip")
    if kept and args.out.is_dir():
        raise ConfigError(f"--out is '{args.out}', a folder, expected a zip to write: add a name that ends in .zip")
    if kept:
        _write_zip(args)
    else:
        print(_evaluate_dataset(args))


def _evaluate_synthetic(args: argparse.Namespace) -> None:
    from PIL import Image
    from tqdm import tqdm

    from samwise_ros.evaluation.pictures import draw_extremes
    from samwise_ros.evaluation.synthetic import evaluate_clips, format_table, summarise

    segmenter = build_chosen(args)
    count = ALL_CLIPS if args.all else args.clips or SUBSET_CLIPS
    options = {"frames": args.frames or FRAMES, "height_px": 480, "width_px": 640, "split": args.split}
    scores = evaluate_clips(segmenter, range(count), **options)
    clips = list(tqdm(scores, total=count, unit="clip", disable=None))
    summary = summarise(clips)
    print(json.dumps(summary, indent=2) if args.json else format_table(summary))
    if args.pictures:
        args.pictures.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_extremes(segmenter, clips, **options)).save(args.pictures)


def _write_zip(args: argparse.Namespace) -> None:
    from samwise_ros.data.mevis import MeViS
    from samwise_ros.data.ref_ytvos import RefYoutubeVos
    from samwise_ros.evaluation.described import write_submission

    if args.dataset == "mevis":
        write_submission(*_start(args, MeViS(args.data, args.split)), args.out)
    else:
        write_submission(*_start(args, RefYoutubeVos(args.data, args.split)), args.out, folder="Annotations")
    print(f"masks for the server: {args.out}")


def _evaluate_dataset(args: argparse.Namespace) -> str:
    from samwise_ros.data.mevis import MeViS
    from samwise_ros.data.ref_davis import RefDavis
    from samwise_ros.data.ref_ytvos import RefYoutubeVos
    from samwise_ros.data.refcoco import RefCoco
    from samwise_ros.evaluation.described import evaluate_jf, format_jf
    from samwise_ros.evaluation.ref_davis import evaluate_ref_davis, format_ref_davis
    from samwise_ros.evaluation.refcoco import evaluate_refcoco, format_refcoco

    if args.dataset == "ref-davis":
        return format_ref_davis(evaluate_ref_davis(*_start(args, RefDavis(args.data, args.split))))
    if args.dataset == "mevis":
        scores = evaluate_jf(*_start(args, MeViS(args.data, args.split)))
        return format_jf([(f"MeViS {args.split}", scores)], "expressions")
    if args.dataset == "ref-ytvos":
        scores = evaluate_jf(*_start(args, RefYoutubeVos(args.data, args.split)))
        return format_jf([(f"Ref-YouTube-VOS {args.split}", scores)], "expressions")
    return format_refcoco(evaluate_refcoco(*_start(args, RefCoco(args.data, args.dataset, args.split))))


def _start(args: argparse.Namespace, clips: Sized) -> tuple[Any, Any]:
    """The model, and the clips under a progress bar."""
    from tqdm import tqdm

    return build_chosen(args), tqdm(clips, unit="expression", disable=None)
