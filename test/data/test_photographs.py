"""Photographs as files and as what stages look up."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from photo_folder import make_photographs

from samwise_ros.data.photographs import (
    CUTOUT_PX,
    LUMINANCE,
    SURFACE_PX,
    Photographs,
    load_photographs,
    look_up_surface,
    look_up_thing,
)
from samwise_ros.errors import DatasetError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photographs(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(scope="module")
def photographs(folder: Path) -> Photographs:
    return load_photographs(folder, CPU)


def test_a_folder_is_read_in_the_order_of_its_paths(photographs: Photographs):
    assert photographs.surfaces.shape == (1, SURFACE_PX, SURFACE_PX, 3)
    assert photographs.cutouts.shape == (2, CUTOUT_PX, CUTOUT_PX, 4)
    assert photographs.surfaces.dtype == photographs.cutouts.dtype == torch.uint8
    assert photographs.colours == ("", "green"), "also in a folder below"
    assert photographs.aspects == pytest.approx((1.0, 81 / 41))
    assert photographs.brightness.tolist() == pytest.approx([2 / 3, LUMINANCE[1]], abs=0.02)
    left, right = photographs.surfaces[0, 100, [50, -50]].tolist()
    assert (left, right) == ([255, 0, 0], [0, 0, 255]), "the square in the middle, as RGB"
    dim = (127 / 255) ** 2.2
    assert photographs.means == pytest.approx(np.array([[(1 + dim) / 4, 0, (1 + dim) / 4]]), abs=0.01)


def test_a_folder_is_read_once(folder: Path, photographs: Photographs):
    assert load_photographs(folder, CPU) is photographs


def test_surfaces_go_on_mirrored(photographs: Photographs):
    u = torch.tensor([-0.3, 0.3, 0.7, 1.3, -0.7, -1.3, 1.7])
    seen = look_up_surface(photographs, torch.zeros(7, dtype=torch.long), u, torch.full((7,), 0.2))
    assert seen.shape == (7, 3)
    assert seen.argmax(1).tolist() == [0, 2, 2, 0, 0, 2, 0]
    assert seen.max() <= 1


def test_surfaces_stand_upright(photographs: Photographs):
    v = torch.tensor([0.3, -0.3, 0.7, 1.3, -0.7])
    seen = look_up_surface(photographs, torch.zeros(5, dtype=torch.long), torch.full((5,), -0.3), v)[:, 0]
    assert (seen > 0.9).tolist() == [True, False, True, False, False]


def test_things_end_where_they_were_cut_out(photographs: Photographs):
    places = torch.tensor([[0.5, 0.5], [0.02, 0.02], [0.98, 0.5], [0.5, 0.02], [0.98, 0.98]])
    colour, shows = look_up_thing(photographs, torch.ones(5, dtype=torch.long), *places.unbind(1))
    assert shows.tolist() == [True, False, True, True, False]
    assert torch.allclose(colour, torch.tensor([0.0, 1.0, 0.0]).expand(5, 3), atol=0.02), "its own colour all around"


def test_a_place_between_pixels_is_blended(photographs: Photographs):
    v = torch.linspace(0.4, 0.6, 9)
    colour, _ = look_up_thing(photographs, torch.zeros(9, dtype=torch.long), torch.full((9,), 0.25), v)
    assert (colour[:, 0].diff() <= 0).all(), "from white above to black below"
    assert colour[0, 0] > 0.99
    assert colour[-1, 0] < 0.01


def test_what_is_black_can_be_seen(tmp_path: Path):
    black = np.zeros((40, 40, 4), np.uint8)
    black[..., 3] = 255
    cv2.imwrite(str(make_photographs(tmp_path) / "things/flag.png"), black)
    assert (load_photographs(tmp_path, CPU).brightness > 0).all()


def break_surfaces(folder: Path) -> None:
    (folder / "surfaces/wall.png").unlink()


def break_things(folder: Path) -> None:
    (folder / "things").rename(folder / "objects")


def spoil(folder: Path) -> None:
    (folder / "surfaces/wall.png").write_bytes(b"no picture")


def deepen(folder: Path) -> None:
    cv2.imwrite(str(folder / "things/flag.png"), np.zeros((40, 40, 4), np.uint16))


def flatten(folder: Path) -> None:
    cv2.imwrite(str(folder / "things/flag.png"), np.zeros((40, 40, 3), np.uint8))


def empty(folder: Path) -> None:
    cv2.imwrite(str(folder / "things/flag.png"), np.zeros((40, 40, 4), np.uint8))


def thin(folder: Path) -> None:
    dots = np.zeros((1200, 1200, 4), np.uint8)
    dots[::100, ::100] = 255
    cv2.imwrite(str(folder / "things/flag.png"), dots)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (break_surfaces, r"'.*surfaces' has no \.jpg or \.jpeg or \.png files: collect some with `python tools/photog"),
        (break_things, r"'.*things' has no \.png files: collect some"),
        (spoil, r"photograph '.*wall\.png' cannot be read as an 8-bit picture: replace it"),
        (deepen, r"photograph '.*flag\.png' cannot be read as an 8-bit picture: replace it"),
        (flatten, r"photograph '.*flag\.png' has no alpha, expected a PNG of a thing alone: cut it out"),
        (empty, r"photograph '.*flag\.png' shows nothing, expected a thing of alpha 128 or more: replace it"),
        (thin, r"photograph '.*flag\.png' shows nothing, expected a thing of alpha 128 or more: replace it"),
    ],
)
def test_what_is_no_folder_of_photographs(harm, message: str, tmp_path: Path):
    harm(make_photographs(tmp_path))
    with pytest.raises(DatasetError, match=message):
        load_photographs(tmp_path, CPU)
