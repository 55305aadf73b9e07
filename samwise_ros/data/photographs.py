"""Photographs that varied stages may show: of surfaces, and of things cut out of what was behind them.

The project has none; `tools/photographs.py` collects some. Called by `data.synthetic`, `data.staging`, `data.filming`
and `data.cutouts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from samwise_ros.data.vocabulary import COLOURS
from samwise_ros.errors import DatasetError

SURFACE_PX, CUTOUT_PX = 256, 128
"""Sides of the squares that photographs of surfaces and of things are kept as: hardly finer than they are filmed."""

SUFFIXES = (".jpg", ".jpeg", ".png")

OPAQUE = 128
"""Least alpha, of 255, of what belongs to a thing."""

DARKEST = 1e-3
"""Least mean luminance of a thing, by which its shades are divided."""

LUMINANCE = (0.21, 0.72, 0.07)
"""Shares of red, green and blue light in brightness."""


@dataclass(frozen=True, slots=True)
class Photographs:
    """K photographs of surfaces and C of things.

    Attributes:
        surfaces: (K, SURFACE_PX, SURFACE_PX, 3) uint8 sRGB.
        cutouts: (C, CUTOUT_PX, CUTOUT_PX, 4) uint8 sRGB and alpha; things are stretched to fill the square.
        aspects: width over height of each thing.
        colours: what a person would call each thing's colour, one of `vocabulary.COLOURS`; "" where none is meant.
        means: (K, 3) mean linear light of each surface, 0..1.
        brightness: (C,) mean linear luminance of each thing, DARKEST..1.
    """

    surfaces: Tensor
    cutouts: Tensor
    aspects: tuple[float, ...]
    colours: tuple[str, ...]
    means: npt.NDArray[np.float64]
    brightness: Tensor


@cache
def load_photographs(folder: Path, device: torch.device) -> Photographs:
    """Read all photographs of a folder, once per process and device.

    Args:
        folder: has JPEG or PNG files in `surfaces` and PNG files with alpha in `things`, in folders below these or not;
            things in and below `things/red` are red, and so on.
        device: where they are looked up.

    Returns:
        The photographs, in the order of their paths.

    Raises:
        DatasetError: a folder is missing or empty, or a file is no such picture.
    """
    surfaces = np.stack([_read_surface(path) for path in _files(folder / "surfaces", SUFFIXES)])
    paths = _files(folder / "things", (".png",))
    cutouts, aspects = zip(*map(_read_thing, paths), strict=True)
    named = [path.relative_to(folder / "things").parts[0] for path in paths]
    return Photographs(
        surfaces=torch.from_numpy(surfaces).to(device),
        cutouts=torch.from_numpy(np.stack(cutouts)).to(device),
        aspects=aspects,
        colours=tuple(name if name in COLOURS else "" for name in named),
        means=np.stack([to_light(torch.from_numpy(surface)).mean((0, 1)).double().numpy() for surface in surfaces]),
        brightness=torch.tensor([_brightness(cutout) for cutout in cutouts], device=device),
    )


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    if not paths:
        raise DatasetError(
            f"folder of photographs '{folder}' has no {' or '.join(suffixes)} files: "
            "collect some with `python tools/photographs.py`, or train without"
        )
    return paths


def _read(path: Path, flag: int) -> npt.NDArray[np.uint8]:
    picture = cv2.imread(str(path), flag)
    if picture is None or picture.dtype != np.uint8:
        raise DatasetError(f"photograph '{path}' cannot be read as an 8-bit picture: replace it")
    return np.asarray(picture, np.uint8)


def _read_surface(path: Path) -> npt.NDArray[np.uint8]:
    """The largest square in the middle, (SURFACE_PX, SURFACE_PX, 3) RGB."""
    picture = _read(path, cv2.IMREAD_COLOR)
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = cv2.resize(
        picture[top : top + side, left : left + side], (SURFACE_PX, SURFACE_PX), interpolation=cv2.INTER_AREA
    )
    return np.asarray(square[..., ::-1])


def _read_thing(path: Path) -> tuple[npt.NDArray[np.uint8], float]:
    """What is opaque, cut close, (CUTOUT_PX, CUTOUT_PX, 4) RGB and alpha, and its width over its height.

    What is not opaque has the thing's mean colour.
    """
    picture = _read(path, cv2.IMREAD_UNCHANGED)
    if picture.ndim != 3 or picture.shape[2] != 4:
        raise DatasetError(f"photograph '{path}' has no alpha, expected a PNG of a thing alone: cut it out")
    row, column = np.nonzero(picture[..., 3] >= OPAQUE)
    if len(row):
        picture = picture[row.min() : row.max() + 1, column.min() : column.max() + 1]
    opaque = picture[..., 3:] >= OPAQUE
    colours = np.where(opaque, picture[..., :3], picture[..., :3].mean((0, 1), where=opaque) if len(row) else 0)
    whole = np.dstack((colours[..., ::-1], picture[..., 3])).astype(np.uint8)
    cutout = cv2.resize(whole, (CUTOUT_PX, CUTOUT_PX), interpolation=cv2.INTER_AREA)
    if not (cutout[..., 3] >= OPAQUE).any():
        raise DatasetError(f"photograph '{path}' shows nothing, expected a thing of alpha {OPAQUE} or more: replace it")
    return np.asarray(cutout, np.uint8), picture.shape[1] / picture.shape[0]


def _brightness(cutout: npt.NDArray[np.uint8]) -> float:
    colours = torch.from_numpy(cutout[cutout[..., 3] >= OPAQUE][:, :3])
    return max(DARKEST, float(to_light(colours).mean(0) @ torch.tensor(LUMINANCE)))


def to_light(srgb: Tensor) -> Tensor:
    """Linear light, 0..1, of sRGB levels, 0..255; a power of 2.2 will do for photographs."""
    return (srgb / 255).clamp(0, 1) ** 2.2


def look_up_surface(photographs: Photographs, which: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Linear light (P, 3) of surfaces (P,) at places to the right and up from their middles, in sides.

    Every other repetition is mirrored.
    """
    right, up = (at + 0.5 for at in (u, v))
    across, above = (1 - (1 - at + 2 * (at / 2).floor()).abs() for at in (right, up))
    return to_light(_blend(photographs.surfaces, which, across, 1 - above))


def look_up_thing(photographs: Photographs, which: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Look things (P,) up at places in their squares, 0..1 from the upper left.

    Returns:
        (P, 3) linear light, and (P,) bool, whether it is the thing that is there.
    """
    values = _blend(photographs.cutouts, which, u.clamp(0, 1), v.clamp(0, 1))
    return to_light(values[:, :3]), values[:, 3] >= OPAQUE


def _blend(bank: Tensor, which: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Bilinear values (P, channels) of pictures of a bank (K, S, S, channels) at places, 0..1."""
    side = bank.shape[1]
    x, y = u * (side - 1), v * (side - 1)
    left, top = x.floor().clamp(max=side - 2), y.floor().clamp(max=side - 2)
    across, down = (x - left)[:, None], (y - top)[:, None]
    pixels, at = bank.flatten(0, 2), which * side**2 + top.long() * side + left.long()
    upper_left, upper_right, lower_left, lower_right = (
        pixels.index_select(0, at + step).float() for step in (0, 1, side, side + 1)
    )
    upper = torch.lerp(upper_left, upper_right, across)
    return torch.lerp(upper, torch.lerp(lower_left, lower_right, across), down)
