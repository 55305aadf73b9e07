"""`samwise info` counts parameters, arithmetic and memory."""

from __future__ import annotations

import pytest

from samwise_ros.cli.main import main


def rows_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, list[int]]:
    assert main(["info", *arguments]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    return {
        line[0]: [int(cell.replace(",", "")) for cell in line[1:]]
        for line in lines
        if len(line) == 4 and line[1].replace(",", "").isdecimal()
    }


def test_published_sizes_have_the_published_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(capsys, "base_plus")
    assert rows["adapters"] == [4_576_064, 0, 4_576_064]
    assert rows["cme"] == [330_882, 0, 330_882]
    assert rows["project_text"] == [328_448, 0, 328_448]
    assert rows["text_encoder"][2] == rows["sam"][2] == 0
    assert all(total == frozen + trainable for total, frozen, trainable in rows.values())
    parts = [rows[name] for name in ("text_encoder", "sam", "adapters", "project_text", "cme")]
    assert rows["total"] == [sum(column) for column in zip(*parts, strict=True)]


@pytest.mark.parametrize(("name", "millions"), [("tiny", 168.8), ("base_plus", 210.8)])
def test_with_what_is_not_used_it_is_the_whole_file(capsys: pytest.CaptureFixture[str], name: str, millions: float):
    assert main(["info", name]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.endswith(" in all")]
    assert round(int(line.split()[-3].replace(",", "")) / 1e6, 1) == millions


def test_the_default_is_the_model_that_ships(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("compact ")
    assert "released" not in text
    assert "per frame with one target  5." in text
    assert "memory per target          1.1 MB, and 2.9 MB per stream" in text


def test_refsam_trains_what_the_paper_trains(capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(capsys, "refsam_b")
    trainable = {name: row[2] for name, row in rows.items()}
    assert trainable == {
        "text_encoder": 0,
        "sam": 4_058_340,
        "vision_encoder": 0,
        "mask_decoder": 4_058_340,
        "adapters": 3_550_464,
        "cross_modal_mlp": 918_784,
        "dense_attention": 131_328,
        "hierarchical_attention": 721_408,
        "reduce": 590_080,
        "attention": 131_328,
        "tracking": 526_080,
        "total": 9_906_404,
    }


def test_refsam_remembers_a_kilobyte_per_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "refsam_b"]) == 0
    assert "memory per target          1.0 kB, and 0.0 kB per stream" in capsys.readouterr().out


def test_an_unknown_preset_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "gigantic"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("samwise: ")
    assert "gigantic" in error
    assert error.count("\n") == 1
