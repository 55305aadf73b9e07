"""A demo at a glance: a few of its pictures in rows, each row under the words that it answers. `report` fills it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

CELL_WIDTH_PX = 320
_STRIP_HEIGHT_PX = 34
_GAP_PX = 4

Picture = npt.NDArray[np.uint8]


class ContactSheet:
    """Keeps a row of pictures for each part of a film.

    Args:
        parts: (first frame, one past the last frame) of each row.
        columns: pictures per row.
    """

    def __init__(self, parts: list[tuple[int, int]], columns: int = 5) -> None:
        self._waiting = [
            (row, int(number))
            for row, (start, stop) in enumerate(parts)
            for number in np.linspace(start, stop, columns, endpoint=False) + (stop - start) / (2 * columns)
        ]
        self._rows: list[list[Picture]] = [[] for _ in parts]

    def add(self, number: int, picture: Picture) -> None:
        """Offer a picture; it is kept where it is the first at or after a wanted one.

        Args:
            number: of the frame; rises from call to call.
            picture: (H, W, 3) uint8, RGB.
        """
        taken = [row for row, wanted in self._waiting if wanted <= number]
        if taken:
            height_px = max(1, round(picture.shape[0] * CELL_WIDTH_PX / picture.shape[1]))
            small = cv2.resize(picture, (CELL_WIDTH_PX, height_px), interpolation=cv2.INTER_AREA)
            self._rows[taken[-1]].append(np.asarray(small, np.uint8))
            self._waiting = self._waiting[len(taken) :]

    def save(self, path: Path, titles: list[str]) -> None:
        """Write the sheet as a PNG; without a picture there is none.

        Args:
            path: the file.
            titles: one per row; characters outside ASCII show as "?".
        """
        if not any(self._rows):
            return
        columns = max(len(row) for row in self._rows)
        width_px = columns * (CELL_WIDTH_PX + _GAP_PX) - _GAP_PX
        bands = [
            band for row, title in zip(self._rows, titles, strict=True) for band in _draw_row(row, title, width_px)
        ]
        cv2.imwrite(str(path), cv2.cvtColor(np.concatenate(bands), cv2.COLOR_RGB2BGR))


def _draw_row(pictures: list[Picture], title: str, width_px: int) -> list[Picture]:
    """Return a strip with the title and, where there are pictures, the band of them below it."""
    strip = np.full((_STRIP_HEIGHT_PX, width_px, 3), 255, np.uint8)
    cv2.putText(strip, title, (8, 23), cv2.FONT_HERSHEY_DUPLEX, 0.6, (30, 30, 30), 1, cv2.LINE_AA)
    if not pictures:
        return [strip]
    band = np.full((pictures[0].shape[0], width_px, 3), 255, np.uint8)
    for column, picture in enumerate(pictures):
        left = column * (CELL_WIDTH_PX + _GAP_PX)
        band[:, left : left + CELL_WIDTH_PX] = picture
    return [strip, band]
