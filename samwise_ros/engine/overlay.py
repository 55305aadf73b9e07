"""Draws a result over its frame, for people to look at. Called by `ros`, `cli` and `training`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from samwise_ros.types import FrameResult, Target, TrackedObject

Color = tuple[int, int, int]
Canvas = npt.NDArray[np.uint8]

PALETTE: tuple[Color, ...] = (
    (255, 195, 59),
    (0, 141, 249),
    (255, 90, 175),
    (0, 159, 129),
    (226, 1, 52),
    (0, 252, 207),
    (132, 0, 205),
    (255, 110, 58),
    (0, 194, 249),
    (159, 1, 98),
    (255, 178, 253),
    (164, 1, 34),
)
"""RGB colours that stay apart for colour-blind readers too, the most different ones first.

Source: M. Krzywinski, 12-colour palette for colour blindness (mk.bcgsc.ca/colorblind). Differs: the order.
"""

_TINT = 0.45
_MAX_TAG_WIDTH = 0.6
"""A tag takes at most this share of the frame's width."""


def draw_overlay(result: FrameResult) -> Canvas:
    """Draw every object's mask, outline, box and tag ("id text score") over the frame.

    A target's colour follows from its id alone. Targets that are not visible are listed in the bottom left corner.
    Lines and text grow with the shorter side of the frame.

    Args:
        result: a frame and what was found in it.

    Returns:
        (H, W, 3) uint8, RGB: a new array; the frame is left as it is.
    """
    canvas = result.frame.rgb.copy(order="C")
    line_px = max(1, round(min(canvas.shape[:2]) / 240))
    visible = [found for found in result.objects if found.box_xyxy_px is not None]
    for found in visible:
        _draw_mask(canvas, found, line_px)
    _draw_tags(canvas, visible, [found for found in result.objects if found.box_xyxy_px is None])
    return canvas


def target_color(target_id: int) -> Color:
    """Return the RGB colour of a target; ids that differ by the palette's length share one."""
    return PALETTE[(target_id - 1) % len(PALETTE)]


def _draw_mask(canvas: Canvas, found: TrackedObject, line_px: int) -> None:
    assert found.box_xyxy_px is not None
    left, top, right, bottom = found.box_xyxy_px
    color = target_color(found.target.id)
    mask = found.mask.astype(np.uint8)
    inside = canvas[top:bottom, left:right]
    tinted = cv2.addWeighted(inside, 1 - _TINT, np.full_like(inside, color), _TINT, 0)
    cv2.copyTo(tinted, mask, inside)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(canvas, contours, -1, color, line_px, offset=(left, top))
    cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), color, line_px)


def _draw_tags(canvas: Canvas, visible: Sequence[TrackedObject], hidden: Sequence[TrackedObject]) -> None:
    """Put each tag above its box, below the tags that are in its way, and those without a box bottom left."""
    height, width = canvas.shape[:2]
    font_px = max(11, round(min(height, width) / 34))
    placed: list[tuple[int, int, int]] = []
    for found in visible:
        assert found.box_xyxy_px is not None
        tag = _tag(found.target, f"{found.score:.2f}", font_px, round(width * _MAX_TAG_WIDTH))
        tag_height, tag_width = tag.shape[:2]
        left, top = found.box_xyxy_px[:2]
        left = max(0, min(left, width - tag_width))
        top = max(0, top - tag_height)
        for other_top, other_left, other_right in sorted(placed):
            if left < other_right and other_left < left + tag_width and abs(top - other_top) < tag_height:
                top = other_top + tag_height
        placed.append((top, left, left + tag_width))
        _paste(canvas, tag, left, top)
    bottom = height
    for found in reversed(hidden):
        tag = _tag(found.target, "(not in view)", font_px, round(width * _MAX_TAG_WIDTH))
        bottom -= tag.shape[0]
        _paste(canvas, tag, 0, bottom)


def _paste(canvas: Canvas, tag: Canvas, left: int, top: int) -> None:
    """Copy the part of the tag that lies on the canvas."""
    top = max(0, min(top, canvas.shape[0] - tag.shape[0]))
    place = canvas[top : top + tag.shape[0], left : left + tag.shape[1]]
    place[:] = tag[: place.shape[0], : place.shape[1]]


def _tag(target: Target, state: str, font_px: int, max_width_px: int) -> Canvas:
    """Render "id text state" on the target's colour, black or white by which reads better."""
    font = _font(font_px)
    pad_px = max(2, font_px // 5)
    room_px = max_width_px - 2 * pad_px - font.getlength(f"{target.id}  {state}")
    words = f"{target.id} {_fit(target.text, font_px, int(room_px))} {state}"
    color = target_color(target.id)
    ink = "black" if np.dot(color, (0.299, 0.587, 0.114)) > 120 else "white"
    size = (round(font.getlength(words)) + 2 * pad_px, font_px + 2 * pad_px)
    image = Image.new("RGB", size, color)
    ImageDraw.Draw(image).text((pad_px, size[1] / 2), words, fill=ink, font=font, anchor="lm")
    return np.asarray(image)


@lru_cache(maxsize=64)
def _fit(text: str, font_px: int, room_px: int) -> str:
    """Return the text on one line, without unprintable characters, cut with an ellipsis to fit the room."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    font = _font(font_px)
    if font.getlength(line[:200]) <= room_px and len(line) <= 200:
        return line
    fits = [end for end in range(min(len(line), 200)) if font.getlength(line[:end].rstrip() + "…") <= room_px]
    return line[: fits[-1]].rstrip() + "…" if fits else "…"


@lru_cache(maxsize=8)
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans where the machine has it, else Pillow's own font, which draws a box for all but ASCII."""
    try:
        return ImageFont.truetype("DejaVuSans.ttf", size_px)
    except OSError:
        font = ImageFont.load_default(size_px)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font
