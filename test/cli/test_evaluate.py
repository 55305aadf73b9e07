"""`samwise evaluate`."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from dataset_folders import (
    KnowingSegmenter,
    object_masks,
    write_mevis,
    write_ref_davis,
    write_ref_ytvos,
    write_refcoco,
)

from samwise_ros.cli.evaluate import FRAMES, SUBSET_CLIPS
from samwise_ros.cli.main import main
from samwise_ros.data.expressions import Expression
from samwise_ros.evaluation import synthetic
from samwise_ros.evaluation.synthetic import ClipScores, Judged
from samwise_ros.model import build


@pytest.mark.parametrize("option", ["--clips", "--frames"])
def test_no_clips_and_no_frames_are_refused(option: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", option, "0"])
    assert "'0' is not a whole number of at least 1" in capsys.readouterr().err


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the evaluation is asked for; it finds one red ball."""
    asked: dict[str, Any] = {}

    def evaluate(model: str, seeds: range, **options: Any) -> list[ClipScores]:
        asked.update(options, seeds=seeds)
        return [ClipScores(0, (Judged(Expression("the red ball", "colour", 1), 0.5, 1.0, 0.0),), 4, 2.0)]

    monkeypatch.setattr(build, "build_segmenter", lambda *names, **options: asked.update(options, model=names[0]))
    monkeypatch.setattr(synthetic, "evaluate_clips", evaluate)
    return asked


def test_the_table_is_printed(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", "--clips", "3"]) == 0
    assert "| **all** | 1 | **0.750** |" in capsys.readouterr().out
    assert asked["seeds"] == range(3)
    assert asked["split"] == "test"
    assert asked["image_side_px"] == 320, "a GPU gives the numbers that a CPU gives"
    assert main(["evaluate", "--clips", "3", "--image-side-px", "448"]) == 0
    assert asked["image_side_px"] == 448


def test_json_says_the_same(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]):
    command = ["evaluate", "--dataset", "synthetic", "--split", "held-out", "--weights", "compact", "--all", "--json"]
    assert main(command) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["jf"] == 0.75
    assert summary["by_kind"]["colour"]["jf"] == 0.75
    assert summary["frames_per_s"] == 2.0
    assert asked["seeds"] == range(200)
    assert asked["split"] == "held-out"
    assert (asked["model"], asked["weights"]) == ("compact", None)


def test_a_split_that_there_is_not(capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", "--split", "valid"]) == 2
    assert "split is 'valid', expected test, held-out, reworded: the synthetic world" in capsys.readouterr().err


@pytest.fixture
def _knowing(monkeypatch: pytest.MonkeyPatch):
    """A model that knows the second object of each video."""
    answers = {f"{video} {text}": object_masks(2) for video in ("boats", "cats") for text in ("second", "thing 2")}
    monkeypatch.setattr(build, "build_segmenter", lambda *_, **__: KnowingSegmenter(answers))


@pytest.mark.usefixtures("_knowing")
@pytest.mark.parametrize(
    ("dataset", "split", "write", "row"),
    [
        ("mevis", "valid_u", write_mevis, "| MeViS valid_u | 4 |"),
        ("ref-davis", "valid", write_ref_davis, "mean"),
        ("refcoco", None, write_refcoco, "| 3 | 0.000 | 0.000 |"),
        ("ref-ytvos", "train", write_ref_ytvos, "| Ref-YouTube-VOS train | 4 |"),
    ],
)
def test_a_data_set_with_its_truth_gives_a_table(
    dataset: str, split: str | None, write, row: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write(tmp_path)
    chosen = [] if split is None else ["--split", split]
    assert main(["evaluate", "--dataset", dataset, "--data", str(tmp_path), *chosen]) == 0
    assert row in capsys.readouterr().out


@pytest.mark.usefixtures("_knowing")
@pytest.mark.parametrize(
    ("dataset", "write", "first"),
    [("ref-ytvos", write_ref_ytvos, "Annotations/boats/0/00000.png"), ("mevis", write_mevis, "boats/0/00000.png")],
)
def test_a_data_set_without_its_truth_gives_a_zip(dataset: str, write, first: str, tmp_path: Path):
    write(tmp_path / "data")
    out = tmp_path / "masks.zip"
    assert main(["evaluate", "--dataset", dataset, "--data", str(tmp_path / "data"), "--out", str(out)]) == 0
    names = zipfile.ZipFile(out).namelist()
    assert first in names
    assert len(names) == 2 * 2 * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mevis"], "no folder of mevis was given, expected one that you have: add --data DIR"),
        (
            ["mevis", "--data", "."],
            "mevis valid was chosen, expected a zip to write, since its truth is kept: add --out",
        ),
        (
            ["ref-davis", "--data", ".", "--out", "x.zip"],
            "valid was chosen, expected no zip, since its truth is here: leave out --out FILE.zip",
        ),
        (["refcoco", "--data", ".", "--split", "test"], "test"),
        (
            ["ref-ytvos", "--data", ".", "--split", "train", "--out", "x.zip"],
            "train was chosen, expected no zip, since its truth is here: leave out --out",
        ),
        (["synthetic", "--out", "x.zip"], "--out was given, expected none for the synthetic world: choose a --dataset"),
        (["synthetic", "--frames", "321"], "--frames is 321, expected at most 320, since a clip is in memory"),
        (["synthetic", "--pictures", "worst"], "--pictures is 'worst', expected a name that ends in .png"),
        (["mevis", "--data", ".", "--out", "."], "--out is '.', a folder, expected a zip to write"),
        (["mevis", "--data", ".", "--json"], "--json was given, expected none for mevis: leave it out"),
        (
            ["refcoco", "--data", ".", "--clips", f"{SUBSET_CLIPS}", "--frames", f"{FRAMES}"],
            "--clips, --frames was given, expected none",
        ),
        (["synthetic", "--data", "."], "--data was given, expected none for the synthetic world: choose a --dataset"),
    ],
)
def test_arguments_that_do_not_fit(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", "--dataset", *arguments]) == 2
    assert message in capsys.readouterr().err
