"""Pictures of median and worst answers on the synthetic world. Called by `samwise evaluate --pictures`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from samwise_ros.data.synthetic import Clip
from samwise_ros.data.vocabulary import EXPRESSION_KINDS
from samwise_ros.engine.sheet import Picture, draw_row, outline, shade, shrink
from samwise_ros.evaluation.synthetic import ClipScores, Judged, film_test_clip, track_texts
from samwise_ros.model.segmenter import Segmenter

FOUND, WANTED = (255, 195, 59), (0, 255, 255)
"""Colours of the mask found (filled) and of the true outline."""

SHOWN_FRAMES = 3


def draw_extremes(
    segmenter: Segmenter[Any, Any, Any],
    clips: Sequence[ClipScores],
    *,
    frames: int,
    height_px: int,
    width_px: int,
    split: str,
) -> Picture:
    """Draw, for each kind of expression, the median answer on the left and the worst on the right.

    Args:
        segmenter: the model, which answers once more.
        clips: its scores.
        frames: length of a clip, as it was scored.
        height_px: rows of the camera image.
        width_px: columns of the camera image.
        split: of the clips.

    Returns:
        (H, W, 3) uint8 RGB: a row per kind; the mask found is filled, the true one outlined.
    """
    rows = []
    for kind in EXPRESSION_KINDS:
        ranked = sorted(
            ((one.jf, clip.seed, one) for clip in clips for one in clip.judged if one.expression.kind == kind),
            key=lambda entry: entry[:2],
        )
        if not ranked:
            continue
        strips = []
        for _, seed, judged in (ranked[len(ranked) // 2], ranked[0]):
            clip = film_test_clip(seed, split, frames=frames, height_px=height_px, width_px=width_px)
            masks, _ = track_texts(segmenter, clip.rgb, [judged.expression.text])
            strips.append(_draw_strip(clip, judged, masks[0], seed))
        rows.append(np.concatenate(strips, 1))
    return np.concatenate(rows)


def _draw_strip(clip: Clip, judged: Judged, found: npt.NDArray[np.bool_], seed: int) -> Picture:
    wanted = clip.mask(judged.expression)
    shown = np.linspace(0, len(clip.rgb) - 1, SHOWN_FRAMES).round().astype(int)
    cells = [shrink(outline(shade(clip.rgb[t], found[t], FOUND), wanted[t], WANTED)) for t in shown]
    title = f"{judged.expression.text}   ({judged.expression.kind}, J&F {judged.jf:.2f}, clip {seed})"
    return draw_row(cells, title, SHOWN_FRAMES)
