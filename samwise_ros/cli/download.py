"""`samwise download`: fetch published weights into the cache folder."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samwise_ros.cli.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add `download` and its arguments to the command line."""
    parser = commands.add_parser(
        "download",
        help="fetch published weights",
        description="Fetch published weights and check them. A download that was cut goes on where it ended. "
        "Without a NAME, show what there is.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to fetch, e.g. base_plus")
    parser.add_argument(
        "--cache-dir",
        type=Path,
        metavar="DIR",
        help="folder for the files (default: $SAMWISE_CACHE_DIR, or ~/.cache/samwise_ros)",
    )
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="DIR", help="copy from this folder instead of the network"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Fetch every file of the names once; without a name, list the names."""
    from samwise_ros.errors import ConfigError
    from samwise_ros.model.download import fetch
    from samwise_ros.model.published import CACHE_VARIABLE, DOWNLOADS, cache_dir

    cache = cache_dir(args.cache_dir)
    if unknown := [name for name in args.names if name not in DOWNLOADS]:
        raise ConfigError(f"download is {unknown[0]!r}, expected one of {', '.join(DOWNLOADS)}: choose among these")
    if not args.names:
        for name, download in DOWNLOADS.items():
            print(f"{name:<18} {download.about}")
        print(f"cache folder: {cache}")
        return
    files = dict.fromkeys(file for name in args.names for file in DOWNLOADS[name].files)
    for file in files:
        print(f"{cache / file.path}: {fetch(file, cache, source=args.source)}")
    if args.cache_dir is not None:
        print(f"for the next commands: export {CACHE_VARIABLE}={shlex.quote(str(cache.absolute()))}")
    print(f"next: {_next_step([file.path for file in files], cache)}")


def _next_step(paths: Sequence[str], cache: Path) -> str:
    """The command that does something with what came."""
    from samwise_ros.model.published import samwise_file

    weights = [cache / path for path in paths if path.startswith("samwise/")]
    if not weights:
        sam = next((str(cache / path) for path in paths if path.startswith(("sam1/", "sam2/"))), "SAM_FILE")
        roberta = [str((cache / path).parent) for path in paths if path.endswith("/model.safetensors")]
        text_encoder = roberta[0] if roberta else "T5_FOLDER"
        return f"samwise convert {shlex.quote(sam)} start.safetensors --text-encoder {shlex.quote(text_encoder)}"
    command = 'samwise track clip.mp4 --text "the horse" --out out/ --model base_plus'
    if samwise_file("base_plus", cache) in weights:
        return command
    return f"{command} --weights {shlex.quote(str(weights[0]))}"
