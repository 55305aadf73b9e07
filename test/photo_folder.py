"""A folder of photographs that tests make."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def make_photographs(folder: Path) -> Path:
    """Write a surface and two things.

    The surface is red on its left and blue on its right, and twice as bright above as below. The things are a green
    disc that is twice as wide as high, and, without a colour's name, a square that lacks its lower right quarter and is
    white above and black below.
    """
    surface = np.zeros((64, 96, 3), np.uint8)
    surface[:, :48], surface[:, 48:] = (0, 0, 255), (255, 0, 0)
    surface[32:] //= 2
    disc = np.zeros((60, 100, 4), np.uint8)
    cv2.ellipse(disc, (50, 30), (40, 20), 0, 0, 360, (0, 255, 0, 255), -1)
    square = np.zeros((40, 40, 4), np.uint8)
    square[5:35, 5:35, 3], square[5:20, 5:35, :3] = 255, 255
    square[20:35, 20:35, 3] = 0
    for name, picture in (
        ("surfaces/wall.png", surface),
        ("things/green/round/disc.png", disc),
        ("things/flag.png", square),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), picture)
    return folder
