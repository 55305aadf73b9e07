"""`samwise synthesize` writes what the world films."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samwise_ros.cli.clip_folder import draw_clip, write_clip
from samwise_ros.cli.main import main
from samwise_ros.data.expressions import Expression
from samwise_ros.data.synthetic import Clip, render_clip
from samwise_ros.data.vocabulary import EXPRESSION_KINDS
from samwise_ros.engine.sheet import CELL_WIDTH_PX

ROW_PX = 34 + 240


def read(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(Image.open(path))


def expressions_in(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "expressions.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("held_out", [False, True])
def test_files_are_what_the_world_films(held_out: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "deep" / "out"
    more = ["--held-out"] if held_out else []
    size = ["--clips", "2", "--frames", "3", "--size", "64x48"]
    assert main(["synthesize", "--seed", "7", "--out", str(out), *size, *more]) == 0
    assert capsys.readouterr().out == f"2 clips in {out}: index.png shows them all\n"
    assert sorted(path.name for path in out.iterdir()) == ["000007", "000008", "index.png"]
    for seed in (7, 8):
        clip, folder = render_clip(seed, frames=3, height=48, width=64, held_out=held_out), out / f"{seed:06d}"
        assert sorted(path.name for path in folder.iterdir()) == ["expressions.json", "instances", "rgb", "sheet.png"]
        for name, pictures in (("rgb", clip.rgb), ("instances", clip.instances)):
            files = sorted((folder / name).iterdir())
            assert [file.name for file in files] == ["000000.png", "000001.png", "000002.png"]
            np.testing.assert_array_equal(np.stack([read(file) for file in files]), pictures)
        assert Image.open(folder / "instances" / "000000.png").mode == "L"
        said = expressions_in(folder)
        assert [one["text"] for one in said] == [one.text for one in clip.expressions]
        labels = np.stack([read(file) for file in sorted((folder / "instances").iterdir())])
        for one, expression in zip(said, clip.expressions, strict=True):
            assert set(one) == {field.name for field in fields(Expression)}
            assert one["noun"] == asdict(expression.noun)
            assert (one["landmark_noun"] is None) == (one["landmark"] is None)
            assert (one["called"], one["landmark"]) == (list(expression.called), expression.landmark or None)
            after = np.arange(3)[:, None, None] >= one["since"]
            np.testing.assert_array_equal((labels == one["object_index"]) & after, clip.mask(expression))
        kinds = {one["kind"] for one in said}
        assert read(folder / "sheet.png").shape[0] == (1 + len(kinds)) * ROW_PX
    assert read(out / "index.png").shape == (2 * ROW_PX, 5 * CELL_WIDTH_PX + 4 * 4, 3)


@pytest.fixture
def clip() -> Clip:
    """Ten grey frames of a cell's size; one object, spoken of in two ways, and nothing."""
    instances = np.zeros((10, 240, CELL_WIDTH_PX), np.uint8)
    instances[:, 40:80, 60:100] = 3
    said = (
        Expression("the thing that came last", "late", 3, since=5),
        Expression("a mug", "absent", 0),
        Expression("the cup", "kind", 3),
        Expression("the mug", "kind", 3),
    )
    return Clip(np.full((*instances.shape, 3), 200, np.uint8), instances, (), said)


def test_what_is_absent_has_no_object(clip: Clip, tmp_path: Path) -> None:
    write_clip(clip, tmp_path)
    assert expressions_in(tmp_path)[:2] == [
        {
            "text": "the thing that came last",
            "kind": "late",
            "object_index": 3,
            "since": 5,
            "called": [],
            "landmark": None,
            "noun": None,
            "landmark_noun": None,
        },
        {
            "text": "a mug",
            "kind": "absent",
            "object_index": None,
            "since": 0,
            "called": [],
            "landmark": None,
            "noun": None,
            "landmark_noun": None,
        },
    ]


def test_the_sheet_shows_one_expression_of_each_kind(clip: Clip, tmp_path: Path) -> None:
    write_clip(clip, tmp_path)
    rows = read(tmp_path / "sheet.png").reshape(4, ROW_PX, -1, 3)
    drawn = [
        draw_clip(clip, None, "as filmed"),
        *(draw_clip(clip, clip.expressions[number], "") for number in (2, 0, 1)),
    ]
    assert sorted(("kind", "late", "absent"), key=EXPRESSION_KINDS.index) == ["kind", "late", "absent"]
    for row, wanted in zip(rows, drawn, strict=True):
        np.testing.assert_array_equal(row, wanted)


def test_a_row_marks_the_true_masks(clip: Clip) -> None:
    cells = [slice(left, left + CELL_WIDTH_PX) for left in range(0, 5 * (CELL_WIDTH_PX + 4), CELL_WIDTH_PX + 4)]
    plain, cup, late, absent = (
        draw_clip(clip, one, "")[34:] for one in (None, *(clip.expressions[i] for i in (2, 0, 1)))
    )
    for number, cell in enumerate(cells):
        assert (plain[:, cell] == 200).all()
        assert (absent[:, cell] == 100).all()
        for row, marked in ((cup, True), (late, number > 2)):
            picture = row[:, cell]
            assert (picture[45:75, 65:95] == (200 if marked else 100)).all()
            assert (picture[40, 60:100] == ((0, 255, 255) if marked else 100)).all()
            assert (picture[90:] == 100).all()


def test_the_title_names_clip_expression_and_object(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    monkeypatch.setattr("samwise_ros.cli.clip_folder.draw_row", lambda cells, title, columns: titles.append(title))
    for one in (None, *clip.expressions[:2]):
        draw_clip(clip, one, "clip 7")
    assert titles == [
        "clip 7",
        'clip 7   "the thing that came last" (late: object 3 since frame 5)',
        'clip 7   "a mug" (absent: nothing)',
    ]


def test_a_short_clip_shows_each_frame_once() -> None:
    clip = Clip(np.full((2, 48, 64, 3), (100, 0, 0), np.uint8), np.zeros((2, 48, 64), np.uint8), (), ())
    row = draw_clip(clip, None, "")[34:]
    assert (row[:, 2 * (CELL_WIDTH_PX + 4) :] == 255).all()
    assert (row[:, CELL_WIDTH_PX + 4 : 2 * CELL_WIDTH_PX + 4] == (100, 0, 0)).all()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--clips", "201"], "201 clips were asked for, expected at most 200: write the others with another --seed"),
        (
            ["--frames", "500"],
            "500 frames of 640 x 480 are 154 million pixels, expected at most 100 million: "
            "choose fewer --frames or a smaller --size",
        ),
        (["--seed", "-1"], "seed is -1, expected 0 or more: choose another seed"),
        (["--size", "64x8"], "picture is 64 x 8 pixels, expected at least 32 x 32: choose a larger width or height"),
    ],
)
def test_what_cannot_be_filmed_is_refused(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["synthesize", "--out", str(tmp_path / "out"), *arguments]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"samwise: {sentence}"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", ["640", "x480", "640x480x3", "-64x48", "a x b"])
def test_a_size_is_two_numbers(size: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["synthesize", "--out", str(tmp_path), f"--size={size}"])
    assert f"'{size}' is not a width and a height such as 640x480" in capsys.readouterr().err


def test_a_place_that_holds_something_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "notes.txt"):
        assert main(["synthesize", "--out", str(out)]) == 2
        sentence = f"--out is '{out}', which holds something, expected a new or an empty folder: name another"
        assert capsys.readouterr().err == f"samwise: {sentence}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
