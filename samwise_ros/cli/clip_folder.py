"""The folders that `samwise synthesize` leaves behind: pictures, instances, expressions, and sheets that show them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from samwise_ros.data.expressions import Expression
from samwise_ros.data.synthetic import Clip
from samwise_ros.engine.sheet import Picture, draw_row, outline, shade, shrink
from samwise_ros.evaluation.synthetic import one_per_kind

COLUMNS = 5
"""Frames of a clip that a sheet shows."""

EDGE, ELSEWHERE = (0, 255, 255), (0, 0, 0)
"""Colours of a true mask's outline and of what lies outside; inside nothing changes, since words speak of colours."""


def write_clip(clip: Clip, folder: Path) -> None:
    """Write a clip: `rgb/000000.png` …, `instances/000000.png` …, `expressions.json`, `sheet.png`.

    Args:
        clip: what to write.
        folder: made where it is missing.

    Raises:
        OSError: a file cannot be written.
    """
    for name, pictures in (("rgb", clip.rgb), ("instances", clip.instances)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for t, picture in enumerate(pictures):
            Image.fromarray(picture).save(folder / name / f"{t:06d}.png", compress_level=1)
    said = [
        asdict(one) | {"object_index": one.object_index or None, "landmark": one.landmark or None}
        for one in clip.expressions
    ]
    (folder / "expressions.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    rows = [draw_clip(clip, expression, "") for expression in one_per_kind(clip.expressions)]
    save_sheet([draw_clip(clip, None, "as filmed"), *rows], folder / "sheet.png")


def draw_clip(clip: Clip, expression: Expression | None, title: str) -> Picture:
    """Draw some frames of a clip in a row, under a title that says what is marked in them.

    Args:
        clip: what to draw.
        expression: what to mark; None for nothing.
        title: what the row is called.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    shown = np.unique(np.linspace(0, len(clip.rgb) - 1, COLUMNS).round().astype(int))
    cells = [clip.rgb[t] for t in shown]
    if expression is not None:
        masks = clip.mask(expression)[shown]
        cells = [outline(shade(cell, ~mask, ELSEWHERE), mask, EDGE) for cell, mask in zip(cells, masks, strict=True)]
        thing = f"object {expression.object_index}" if expression.object_index else "nothing"
        since = f" since frame {expression.since}" if expression.since else ""
        words = f'"{expression.text}" ({expression.kind}: {thing}{since})'
        title = f"{title}   {words}".strip()
    return draw_row([shrink(cell) for cell in cells], title, COLUMNS)


def save_sheet(rows: Sequence[Picture], path: Path) -> None:
    """Write rows of one width below one another as a PNG.

    Args:
        rows: (H, W, 3) uint8 RGB, one or more.
        path: the file.

    Raises:
        OSError: it cannot be written.
    """
    Image.fromarray(np.concatenate(rows)).save(path)
