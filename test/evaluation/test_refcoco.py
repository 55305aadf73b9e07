"""IoU on photographs, with a model whose answers are known."""

import pytest
from dataset_folders import KnowingSegmenter, box, write_refcoco
from PIL import Image

from samwise_ros.data.refcoco import RefCoco
from samwise_ros.errors import DatasetError
from samwise_ros.evaluation.refcoco import RefCocoScores, evaluate_refcoco, format_refcoco

WHOLE = box(2, 3, 10, 9) | box(12, 3, 14, 5)  # 48 + 4 px


def test_measures(tmp_path):
    write_refcoco(tmp_path)
    answers = {
        "first": [WHOLE],
        "second": [box(2, 3, 8, 9)],  # 36 of 52 px: IoU .692
        "third": [box(2, 0, 3, 8) | box(20, 0, 21, 8)],  # 8 of 16 px, and 8 px too many: IoU 1/3
    }
    segmenter = KnowingSegmenter(answers)
    scores = evaluate_refcoco(segmenter, RefCoco(tmp_path, "refcoco", "val"))
    assert scores == RefCocoScores(
        count=3,
        oiou=pytest.approx((52 + 36 + 8) / (52 + 52 + 24)),
        miou=pytest.approx((1 + 36 / 52 + 8 / 24) / 3),
        precision=pytest.approx((2 / 3, 2 / 3, 1 / 3, 1 / 3, 1 / 3)),
    )
    assert segmenter.batches == [2, 1]


def test_an_iou_at_the_threshold_is_not_above_it(tmp_path):
    write_refcoco(tmp_path)
    clip = list(RefCoco(tmp_path, "refcoco", "val"))[2]
    scores = evaluate_refcoco(KnowingSegmenter({"third": [box(2, 0, 3, 8)]}), [clip])
    assert (scores.miou, scores.precision) == (0.5, (0, 0, 0, 0, 0))


def test_truth_of_another_size(tmp_path):
    write_refcoco(tmp_path)
    Image.new("RGB", (12, 8)).save(tmp_path / "train2014" / "a.jpg")
    with pytest.raises(
        DatasetError, match=r"truth for '.*a\.jpg' has 24x16 px, expected the image's 12x8: take images"
    ):
        evaluate_refcoco(KnowingSegmenter({}), RefCoco(tmp_path, "refcoco", "val"))


def test_no_expression(tmp_path):
    with pytest.raises(DatasetError, match="the data set holds no expression, expected at least one"):
        evaluate_refcoco(KnowingSegmenter({}), [])


def test_table():
    scores = RefCocoScores(3, 0.5, 0.25, (1.0, 0.8, 0.6, 0.4, 0.2))
    assert format_refcoco(scores).splitlines() == [
        "| expressions | oIoU | mIoU | P@0.5 | P@0.6 | P@0.7 | P@0.8 | P@0.9 |",
        "|---|---|---|---|---|---|---|---|",
        "| 3 | 0.500 | 0.250 | 1.000 | 0.800 | 0.600 | 0.400 | 0.200 |",
    ]
