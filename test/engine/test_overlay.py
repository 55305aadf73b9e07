"""The overlay that people look at."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ImageFont

from samwise_ros.engine import overlay
from samwise_ros.engine.overlay import PALETTE, draw_overlay, target_color
from samwise_ros.types import Frame, FrameResult, Target, TrackedObject

Box = tuple[int, int, int, int]


def found(target_id: int, text: str, box: Box | None, score: float = 0.9) -> TrackedObject:
    """A target that fills its box."""
    if box is None:
        return TrackedObject(Target(target_id, text), score, None, np.zeros((0, 0), np.bool_), None, 0)
    left, top, right, bottom = box
    mask = np.ones((bottom - top, right - left), np.bool_)
    return TrackedObject(Target(target_id, text), score, box, mask, ((left + right) / 2, (top + bottom) / 2), mask.size)


def draw(*objects: TrackedObject, width_px: int = 320, height_px: int = 240) -> npt.NDArray[np.uint8]:
    """Draw over a mid-grey frame that, like a camera's message, must not be written to."""
    rgb = np.full((height_px, width_px, 3), 128, np.uint8)
    rgb.flags.writeable = False
    return draw_overlay(FrameResult(Frame(rgb), objects, np.zeros((height_px, width_px), np.uint8)))


def changed_box(image: npt.NDArray[np.uint8]) -> Box:
    rows, columns = np.nonzero((image != 128).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_without_objects_it_is_a_copy() -> None:
    image = draw()
    assert (image == 128).all()
    assert image.flags.writeable


def test_the_mask_is_tinted_outlined_and_boxed_in_the_color_of_its_target() -> None:
    disc = np.hypot(*np.ogrid[-40:40, -40:40]) < 30
    target = TrackedObject(Target(1, "disc"), 0.5, (100, 100, 180, 180), disc, (140.0, 140.0), int(disc.sum()))
    image = draw(target)
    color = np.array(target_color(1))
    assert np.allclose(image[140, 140], 0.55 * 128 + 0.45 * color, atol=1), "inside the mask"
    assert (image[105, 105] == 128).all(), "inside the box, outside the mask"
    assert (image[100, 140] == color).all(), "on the box"
    assert (image[179, 179] == color).all(), "the box is half-open"
    assert (image[140, 111] == color).all(), "on the outline"
    assert (image[140, 90] == 128).all(), "outside"


def test_a_tag_stands_above_its_box() -> None:
    left, top, right, bottom = changed_box(draw(found(1, "horse", (50, 100, 90, 140))))
    assert (left, bottom) == (50, 140)
    assert 80 <= top <= 90
    assert right > 90


@pytest.mark.parametrize("box", [(0, 0, 20, 20), (300, 0, 320, 240), (0, 220, 320, 240), (0, 0, 320, 240)])
def test_a_tag_stays_in_the_frame(box: Box) -> None:
    tag = np.all(draw(found(1, "horse", box)) == target_color(1), axis=2)
    assert tag.sum() > 500


def test_tags_of_targets_in_one_place_do_not_cover_each_other() -> None:
    box = (50, 100, 60, 110)
    alone = [np.all(draw(found(i, "horse", box)) == target_color(i), axis=2).sum() for i in (1, 2, 3)]
    image = draw(*(found(i, "horse", box) for i in (1, 2, 3)))
    for i in (1, 2, 3):
        assert np.all(image == target_color(i), axis=2).sum() > 0.75 * alone[i - 1]


def test_targets_out_of_view_are_listed_bottom_left_in_their_order() -> None:
    image = draw(found(1, "horse", None), found(2, "rider", None))
    assert changed_box(image)[0] == 0
    assert changed_box(image)[3] == 240
    rows = [np.nonzero(np.all(image == target_color(i), axis=2))[0].mean() for i in (1, 2)]
    assert 200 < rows[0] < rows[1]


def test_a_color_belongs_to_an_id() -> None:
    assert len(set(PALETTE)) == 12
    assert [target_color(i) for i in range(1, 13)] == list(PALETTE)
    assert target_color(13) == target_color(1)


def test_tags_and_lines_grow_with_the_frame() -> None:
    def tag_height_px(width_px: int, height_px: int) -> int:
        top = height_px // 2
        drawn = draw(found(1, "horse", (0, top, 40, top + 40)), width_px=width_px, height_px=height_px)
        return top - changed_box(drawn)[1]

    assert 12 <= tag_height_px(320, 240) <= 20
    assert 35 <= tag_height_px(1920, 1080) <= 55
    assert tag_height_px(1080, 1920) == tag_height_px(1920, 1080)


@pytest.mark.parametrize("text", ["the horse " * 100, "m" * 1000])
def test_a_long_text_is_cut(text: str) -> None:
    left, _, right, _ = changed_box(draw(found(1, text, (10, 100, 20, 110))))
    assert 120 < right - left <= 0.6 * 320 + 1
    assert overlay._fit(text, 11, 100).endswith("…")


def test_a_text_that_fits_is_not_cut() -> None:
    assert overlay._fit("the  red\ncar\x00 ", 11, 200) == "the red car"


@pytest.mark.parametrize("text", ["Pferd für Übung", "左の馬", "🐎", "\udcff", "a\nb\tc\x00", "العربية"])
def test_any_text_can_be_drawn(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one_line = changed_box(draw(found(1, "horse", (50, 100, 90, 140))))
    assert changed_box(draw(found(1, text, (50, 100, 90, 140))))[1] == one_line[1], "one line high"
    overlay._font.cache_clear()
    monkeypatch.setattr(ImageFont, "truetype", _only_built_in_fonts)
    assert changed_box(draw(found(1, text, (50, 100, 90, 140))))[1] == one_line[1], "also where no font is installed"


@pytest.fixture(autouse=True)
def _fresh_fonts() -> None:
    overlay._font.cache_clear()
    overlay._fit.cache_clear()


def _only_built_in_fonts(font: object, *args: Any, **settings: Any) -> ImageFont.FreeTypeFont:
    if isinstance(font, str):
        raise OSError("cannot open resource")
    return ImageFont.FreeTypeFont(font, *args, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("width_px", "height_px"), [(1, 1), (16, 16), (200, 3)])
def test_tiny_frames_are_drawn_too(width_px: int, height_px: int) -> None:
    objects = (found(1, "horse", (0, 0, width_px, height_px)), found(2, "rider", None), found(3, "a", (0, 0, 1, 1)))
    assert draw(*objects, width_px=width_px, height_px=height_px).shape == (height_px, width_px, 3)
