"""Collect photographs for training: of surfaces, and of things that were cut out; about 720 MB are downloaded.

    python tools/photographs.py --out runs/photographs

They are parts of Debian packages, which are fetched with `apt-get download` (so this needs Debian 12, or a machine with
its package lists) and unpacked aside; nothing is installed, and no administrator is needed. What the pictures may be
used for each package's copyright file tells. None of them is in this project.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

WALLPAPERS = (
    "plasma-workspace-wallpapers",
    "gnome-backgrounds",
    "mate-backgrounds",
    "lomiri-wallpapers-16.04",
    "lomiri-wallpapers-20.04",
    "ukui-wallpapers",
)
"""Of these each picture gives two squares."""

TEXTURES = "ufoai-textures"
THINGS = "tuxpaint-stamps-default"

TEXTURE_FOLDERS = ("furniture", "shop", "tech", "material", "pics", "buildings", "misc", "nature")
TEXTURE_COUNT = 200
"""Of a thousand textures, so that wallpapers are as many."""

NO_SURFACE = re.compile(r"icon|screenshot|normal|glow|_(nm|gm|rm|sm|spec)\.", re.IGNORECASE)
"""Names of files that are no wallpaper, and of textures that hold directions or gloss instead of colours."""

NO_THING = re.compile(r"^(symbols|space|military|seasonal|town/flags|town/roadsigns)|cartoon|mirror")

COLOURED: dict[str, tuple[str, ...]] = {
    "red": (
        *("food/fruit/Cherry_Stella", "food/fruit/Strawberry2", "food/fruit/apple_red", "food/fruit/pomegranate"),
        *("food/fruit/raspberry", "household/cylinder", "household/tools/toolbox", "plants/flowers/anemone_red"),
        *("plants/flowers/rose", "sports/australian_rules_football", "sports/cricketball", "town/uk_post_box"),
        "vehicles/auto/beetle",
    ),
    "orange": (
        *("food/fruit/Apricot_whole", "food/fruit/mandarine", "food/fruit/orange_seville", "food/fruit/orange"),
        *("food/fruit/sliced_orange", "food/vegetables/pumpkin_small", "sports/basketball"),
    ),
    "yellow": ("food/fruit/lemon", "household/rubberduck", "plants/flowers/marigold", "plants/flowers/yellow-flower"),
    "green": (
        *("food/fruit/apple_green", "food/vegetables/broccoli", "food/vegetables/lettuce", "household/wheelie_bin"),
        *("plants/lettuce_bolted", "plants/trees/holly_leaves", "sports/tennis_ball"),
        "vehicles/masstransit/green_korean_bus",
    ),
    "blue": ("town/usps_mailbox",),
    "purple": ("food/vegetables/eggplant",),
    "brown": (*("food/fruit/kiwi", "food/nuts/walnut", "hobbies/music/percussion/cymbal_crash", "sports/football"),),
    "black": (
        *("animals/birds/blackbird", "animals/insects/Woodlouse", "animals/mammals/bovines/bull"),
        *("animals/mammals/rhino_black", "food/fruit/avocado", "hobbies/camera_35mm", "household/dishes/teapot"),
    ),
    "white": ("household/toilet",),
    "grey": ("household/home_compost_bin",),
}
"""Things that everybody would call by this colour, by where their files are; taken whatever they look like."""

MIN_SHADES = 500
"""So many colours, of 64 shades each of red, green and blue, a photograph of a thing has, and a drawing has not."""

Picture = npt.NDArray[np.uint8]


def main() -> None:
    """Fetch, choose and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder for the photographs")
    out = parser.parse_args().out
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        sys.exit("error: apt-get and dpkg-deb are missing, expected Debian or Ubuntu: run this in a container of one")
    if out.exists():
        sys.exit(f"error: '{out}' exists, expected a new folder: name another, or remove it")
    with tempfile.TemporaryDirectory() as place:
        packages = fetch((*WALLPAPERS, TEXTURES, THINGS), Path(place))
        walls = write(out / "surfaces", (("", square) for square in squares(packages)))
        things = write(out / "things", cut_things(packages[THINGS] / "usr/share/tuxpaint/stamps"))
    print(f"{walls} surfaces and {things} things in {out}")


def fetch(names: tuple[str, ...], place: Path) -> dict[str, Path]:
    """Download Debian packages and unpack each into a folder of its own."""
    if subprocess.run(("apt-get", "download", *names), cwd=place, check=False).returncode:
        sys.exit("error: apt-get could not download all packages, see above: update its lists, or ask in Debian 12")
    folders = {}
    for name in names:
        (package,) = place.glob(f"{name}_*.deb")
        folders[name] = place / name
        subprocess.run(("dpkg-deb", "-x", package, folders[name]), check=True)
        package.unlink()
    return folders


def squares(packages: dict[str, Path]) -> Iterator[Picture]:
    """Choose squares of photographs, (512, 512, 3) BGR."""
    rng = np.random.default_rng(5)
    for name in WALLPAPERS:
        for path in largest(surfaces(packages[name] / "usr/share")):
            yield from cut(path, rng, count=2, least_px=500)
    for archive in sorted(packages[TEXTURES].rglob("*.pk3")):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(packages[TEXTURES])
    textures = packages[TEXTURES] / "textures"
    paths = [path for name in TEXTURE_FOLDERS for path in surfaces(textures / f"tex_{name}")]
    for index in rng.permutation(len(paths))[:TEXTURE_COUNT]:
        yield from cut(paths[index], rng, count=1, least_px=200)


def surfaces(folder: Path) -> list[Path]:
    """The files of a folder that may be photographs of surfaces."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png", ".webp"))
    return [path for path in paths if not NO_SURFACE.search(str(path.relative_to(folder)))]


def largest(paths: list[Path]) -> list[Path]:
    """One file of each wallpaper: those of KDE lie in several sizes in one folder."""
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(str(path).split("/contents/")[0], []).append(path)
    return [max(group, key=lambda path: path.stat().st_size) for group in groups.values()]


def cut(path: Path, rng: np.random.Generator, count: int, least_px: int) -> Iterator[Picture]:
    """Cut squares out of a photograph, unless it is small, grey, a drawing, or mostly black or white."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None or min(picture.shape[:2]) < least_px:
        return
    for _ in range(count):
        side = int(min(picture.shape[:2]) * (1 if count == 1 else rng.uniform(0.55, 1)))
        top, left = (int(rng.integers(length - side + 1)) for length in picture.shape[:2])
        square = cv2.resize(picture[top : top + side, left : left + side], (512, 512), interpolation=cv2.INTER_AREA)
        small = square[::4, ::4].reshape(-1, 3).astype(np.int64)
        shades = len(np.unique((small >> 3) @ [1, 32, 1024]))
        grey = np.ptp(small, axis=1).mean() < 2
        white, black = (small.min(1) > 246).mean() > 0.25, (small.max(1) < 10).mean() > 0.3
        if shades > 60 and not (grey or white or black):
            yield np.asarray(square, np.uint8)


def cut_things(folder: Path) -> Iterator[tuple[str, Picture]]:
    """Choose stamps that are photographs, (H, W, 4) BGR and alpha, and say which colour they are called by, or ""."""
    colours = {name: colour for colour, names in COLOURED.items() for name in names}
    for path in sorted(folder.rglob("*.png")):
        name = str(path.relative_to(folder).with_suffix(""))
        stamp = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if stamp is None or stamp.dtype != np.uint8 or stamp.shape[2:] != (4,):
            continue
        colour = colours.pop(name, "")
        if colour or (not NO_THING.search(name) and is_photograph(stamp)):
            yield colour, np.asarray(stamp, np.uint8)
    if colours:
        sys.exit(f"error: {THINGS} has no {', '.join(colours)}: take them out of COLOURED")


def is_photograph(stamp: npt.NDArray[np.uint8]) -> bool:
    """Whether a stamp has a photograph's shades, and enough of it is opaque."""
    opaque = stamp[..., 3] > 128
    shades = len(np.unique((stamp[opaque][:, :3] >> 2).astype(np.int64) @ [1, 64, 4096]))
    row, column = np.nonzero(opaque)
    if shades < MIN_SHADES or len(row) < 1500:
        return False
    height, width = int(np.ptp(row)) + 1, int(np.ptp(column)) + 1
    return bool(opaque.sum() > 0.3 * height * width and max(height, width) < 3.2 * min(height, width))


def write(folder: Path, chosen: Iterator[tuple[str, Picture]]) -> int:
    """Write pictures into folders of their colours' names; how many they are."""
    count = 0
    for colour, picture in chosen:
        path = folder / colour / f"{count:04d}.{'png' if picture.shape[2] == 4 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture)
        count += 1
    return count


if __name__ == "__main__":
    main()
