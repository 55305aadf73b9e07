"""Contact sheets: pictures in rows, each row under a title. Called by `ros.contact_sheet`, `evaluation` and `cli`."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

CELL_WIDTH_PX = 320
_STRIP_HEIGHT_PX = 34
_GAP_PX = 4
_TINT = 0.5

Picture = npt.NDArray[np.uint8]


def shrink(picture: Picture) -> Picture:
    """Resize (H, W, 3) uint8 to a cell's width."""
    height_px = max(1, round(picture.shape[0] * CELL_WIDTH_PX / picture.shape[1]))
    return np.asarray(cv2.resize(picture, (CELL_WIDTH_PX, height_px), interpolation=cv2.INTER_AREA), np.uint8)


def draw_row(pictures: Sequence[Picture], title: str, columns: int) -> Picture:
    """A title and below it a band of cells.

    Args:
        pictures: at most `columns` of (h, CELL_WIDTH_PX, 3) uint8 of one height, as `shrink` makes them.
        title: characters outside ASCII show as "?".
        columns: cells that the row has room for.

    Returns:
        (H, W, 3) uint8.
    """
    width_px = columns * (CELL_WIDTH_PX + _GAP_PX) - _GAP_PX
    strip = np.full((_STRIP_HEIGHT_PX, width_px, 3), 255, np.uint8)
    cv2.putText(strip, title, (8, 23), cv2.FONT_HERSHEY_DUPLEX, 0.6, (30, 30, 30), 1, cv2.LINE_AA)
    if not pictures:
        return strip
    band = np.full((pictures[0].shape[0], width_px, 3), 255, np.uint8)
    for column, picture in enumerate(pictures):
        left = column * (CELL_WIDTH_PX + _GAP_PX)
        band[:, left : left + CELL_WIDTH_PX] = picture
    return np.concatenate((strip, band))


def shade(picture: Picture, mask: npt.NDArray[np.bool_], color: tuple[int, int, int]) -> Picture:
    """Return a copy of a picture (H, W, 3) with a mask (H, W) in a colour."""
    shaded = picture.copy()
    shaded[mask] = np.rint((1 - _TINT) * picture[mask] + _TINT * np.array(color)).astype(np.uint8)
    return shaded


def outline(picture: Picture, mask: npt.NDArray[np.bool_], color: tuple[int, int, int]) -> Picture:
    """Return a copy of a picture (H, W, 3) with the outline of a mask (H, W)."""
    outlined = np.ascontiguousarray(picture).copy()
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(outlined, contours, -1, color, max(1, round(min(mask.shape) / 160)))
    return outlined
