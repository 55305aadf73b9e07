"""Entry point of the `samwise` command.

Each subcommand's module adds its arguments and does its work in `run(args)`. It imports what is heavy only there, so
that `samwise --help` answers at once.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from samwise_ros import __version__
from samwise_ros.cli import bench, convert, download, evaluate, info, synthesize, track, train
from samwise_ros.errors import SamwiseError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Args:
        argv: the arguments after the program's name; None takes the process's own.

    Returns:
        Exit code: 0 done, 2 wrong usage or input (said in one sentence on stderr), 130 ended by Ctrl-C, 141 where
        nobody reads the output any more.
    """
    args = _build_parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="samwise: %(message)s")
    logging.getLogger("samwise_ros").setLevel(logging.INFO)
    # OpenCV and its ffmpeg print their own lines about files that our errors already name.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        args.run(args)
        if sys.stdout is not None:  # closed by who started this
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # As after `samwise info | head`; else Python would complain of it once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (SamwiseError, OSError) as error:
        print(f"samwise: {error}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        print(
            "samwise: there is not enough memory: take a smaller model or picture (--image-side-px), fewer texts or "
            f"frames, or another --device ({str(error).partition(chr(10))[0] or 'MemoryError'})",
            file=sys.stderr,
        )
        return 2
    return 0


def _is_out_of_memory(error: BaseException) -> bool:
    """Also where PyTorch says so, which is not imported here."""
    return isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate memory" in str(error)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="samwise", description="Segment and follow what a sentence describes.")
    parser.add_argument("--version", action="version", version=f"samwise {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (track, download, convert, info, synthesize, evaluate, bench, train):
        command.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
