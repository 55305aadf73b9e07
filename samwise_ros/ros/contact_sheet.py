"""A demo at a glance: a few of its pictures in rows, each row under the words that it answers. `report` fills it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from samwise_ros.engine.sheet import Picture, draw_row, shrink


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
            self._rows[taken[-1]].append(shrink(picture))
            self._waiting = self._waiting[len(taken) :]

    def save(self, path: Path, titles: list[str]) -> None:
        """Write the sheet as a PNG; without a picture there is none.

        Args:
            path: the file.
            titles: one per row; characters outside ASCII show as "?".

        Raises:
            OSError: the file cannot be written.
        """
        if not any(self._rows):
            return
        columns = max(len(row) for row in self._rows)
        bands = [draw_row(row, title, columns) for row, title in zip(self._rows, titles, strict=True)]
        _, png = cv2.imencode(".png", cv2.cvtColor(np.concatenate(bands), cv2.COLOR_RGB2BGR))
        path.write_bytes(png.tobytes())
