import json

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("samwise_ros.msg", reason="needs the built messages: make setup")

from samwise_ros.errors import ConfigError
from samwise_ros.ros.recorder import Record
from samwise_ros.ros.report import Part, PartSummary, Report, Summary, table, verdict

pytestmark = pytest.mark.ros

PARTS = (Part("the dog", 0, 4, 1), Part("the cat", 4, 8, 2))


def square(columns, value):
    picture = np.zeros((64, 96), np.uint8)
    picture[:, columns] = value
    return picture


def record(number, text, labels, truth=None):
    return Record(number, (text,), labels, np.zeros((64, 96, 3), np.uint8), truth, 0.010 * (number + 1))


def summary(**changes):
    fields = {
        "model": "compact",
        "device": "cpu",
        "frames_published": 8,
        "results": 7,
        "dropped": 1,
        "latency_p50_ms": 40.0,
        "latency_p99_ms": 70.0,
        "parts": (PartSummary("the dog", 4, 0.8), PartSummary("the cat", 3, 0.6)),
    }
    return Summary(**(fields | changes))


def test_each_result_is_measured_against_what_its_own_text_names(tmp_path):
    truth = square(slice(0, 40), 1) + square(slice(40, 80), 2)
    report = Report(tmp_path, PARTS, 10.0)
    report.add(record(0, "the dog", square(slice(0, 40), 1), truth))
    report.add(record(4, "the dog", square(slice(0, 20), 1), truth))
    report.add(record(5, "the cat", square(slice(40, 80), 1), truth))
    result = report.finish("compact", "cpu", 8)
    assert result.parts == (PartSummary("the dog", 2, 0.75), PartSummary("the cat", 1, 1.0))
    assert (result.frames_published, result.results, result.dropped) == (8, 3, 5)
    assert (result.latency_p50_ms, result.latency_p99_ms) == (50.0, 59.8)


def test_words_that_are_true_of_nothing_want_an_empty_mask(tmp_path):
    report = Report(tmp_path, (Part("the unicorn", 0, 4, 0),), 10.0)
    report.add(record(0, "the unicorn", square(slice(0, 0), 1), square(slice(0, 40), 1)))
    report.add(record(1, "the unicorn", square(slice(0, 40), 1), square(slice(40, 80), 1)))
    assert report.finish("compact", "cpu", 2).parts[0].mean_j == 0.5


def test_files_are_left_behind(tmp_path):
    report = Report(tmp_path / "new", PARTS, 10.0)
    for number in range(8):
        report.add(record(number, PARTS[number // 4].text, square(slice(0, 40), 1)))
    result = report.finish("compact", "cpu", 8)
    assert json.loads((tmp_path / "new/summary.json").read_text())["parts"][1]["text"] == "the cat"
    assert result.parts[0].mean_j is None
    sheet = cv2.imread(str(tmp_path / "new/contact_sheet.png"))
    assert sheet.shape[1] == 4 * 320 + 3 * 4
    capture = cv2.VideoCapture(str(tmp_path / "new/overlay.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 8


def test_files_of_an_earlier_demo_go(tmp_path):
    (tmp_path / "contact_sheet.png").touch()
    (tmp_path / "mine.txt").touch()
    Report(tmp_path, PARTS, 10.0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot take the results .*: make room or name another folder"):
        Report(tmp_path / "file", PARTS, 10.0)


@pytest.mark.parametrize("name", ["contact_sheet.png", "summary.json"])
def test_a_file_that_cannot_be_written_is_a_sentence(tmp_path, name):
    report = Report(tmp_path, PARTS, 10.0)
    report.add(record(0, PARTS[0].text, square(slice(0, 40), 1)))
    (tmp_path / name).mkdir()
    with pytest.raises(ConfigError, match=r"cannot take the results \(.*\): make room or name another folder"):
        report.finish("compact", "cpu", 1)


def test_a_report_of_nothing_says_so(tmp_path):
    result = Report(tmp_path, PARTS, 10.0).finish("compact", "cpu", 0)
    assert result.latency_p50_ms is None
    assert "no mask came for 0 published images" in verdict(result, "")
    assert "unknown / unknown ms" in table(result)


@pytest.mark.parametrize(
    ("changes", "fault", "sentence"),
    [
        ({}, "", ""),
        ({"parts": (PartSummary("the dog", 4, None),)}, "", ""),
        ({}, "mask came with a stamp", "a header was wrong: mask came with a stamp"),
        ({"results": 0}, "", "no mask came for 8 published images"),
        ({"parts": (PartSummary("the dog", 0, None),)}, "", 'no result answers "the dog"'),
        ({"parts": (PartSummary("the dog", 4, 0.49),)}, "", 'mean J of "the dog" is 0.49, expected 0.5 or more'),
    ],
)
def test_verdict(changes, fault, sentence):
    found = verdict(summary(**changes), fault)
    assert found.startswith(sentence)
    assert bool(found) == bool(sentence)
