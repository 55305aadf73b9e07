"""J&F on the synthetic world, with models whose answer is known."""

import numpy as np
import pytest
import torch

from samwise_ros.data.expressions import Expression
from samwise_ros.data.synthetic import FIRST_TRAINING_SEED, render_clip
from samwise_ros.engine.sheet import CELL_WIDTH_PX, draw_row
from samwise_ros.errors import DatasetError
from samwise_ros.evaluation.pictures import SHOWN_FRAMES, draw_extremes
from samwise_ros.evaluation.synthetic import (
    ClipScores,
    Judged,
    evaluate_clips,
    film_test_clip,
    format_table,
    one_per_kind,
    summarise,
)
from samwise_ros.model.segmenter import Past, Prediction, Ring


class ConstantSegmenter:
    """Says the same of every pixel."""

    image_side_px = 64
    image_step_px = image_side_px
    device = torch.device("cpu")
    memory_spec = {"nothing": Ring(1)}  # noqa: RUF012
    frames_per_step = 1

    def __init__(self, logit: float) -> None:
        self.logit = logit

    def encode_text(self, text: str) -> str:
        return text

    def encode_images(self, images: torch.Tensor) -> None:
        return None

    def fuse(self, images: None, texts: list[str], past: Past) -> int:
        return len(texts)

    def decode(self, frames: int, index: int, past: Past) -> Prediction:
        logits = torch.full((frames,), self.logit)
        return Prediction(logits[:, None, None].expand(-1, 16, 16), logits, {"nothing": torch.zeros(frames)})


SIZE = {"frames": 5, "height_px": 48, "width_px": 64}


def test_a_blind_model_is_right_only_where_there_is_nothing():
    clips = list(evaluate_clips(ConstantSegmenter(-1.0), range(4), **SIZE))
    judged = [one for clip in clips for one in clip.judged]
    assert {one.expression.kind for one in judged} > {"absent", "colour", "place"}
    for one in judged:
        assert one.empty == 1.0
        if one.expression.kind == "absent":
            assert one.j == one.f == one.jf == 1.0
        elif one.expression.kind in ("size", "place", "order"):
            assert one.j == one.f == 0.0
    assert summarise(clips)["empty_rate"] == 1.0


def test_a_model_that_sees_it_everywhere_scores_the_objects_share():
    (scores,) = evaluate_clips(ConstantSegmenter(1.0), [3], **SIZE)
    clip = render_clip(3, frames=5, height=48, width=64)
    for expression, one in zip(one_per_kind(clip.expressions), scores.judged, strict=True):
        assert one.expression == expression
        assert one.j == pytest.approx(clip.mask(expression).mean() if expression.object_index else 0.0)
        assert one.empty == 0.0
    assert scores.seed == 3
    assert scores.frames == 5
    assert scores.tracking_s > 0


def test_held_out_clips_are_other_clips():
    (held_out,) = evaluate_clips(ConstantSegmenter(1.0), [3], **SIZE, split="held-out")
    (usual,) = evaluate_clips(ConstantSegmenter(1.0), [3], **SIZE)
    assert [one.expression for one in held_out.judged] != [one.expression for one in usual.judged]


def test_reworded_clips_are_those_of_test_in_other_words():
    (usual,) = evaluate_clips(ConstantSegmenter(1.0), [3], **SIZE)
    (reworded,) = evaluate_clips(ConstantSegmenter(1.0), [3], **SIZE, split="reworded")
    for one, other in zip(usual.judged, reworded.judged, strict=True):
        assert (one.j, one.f, one.expression.object_index) == (other.j, other.f, other.expression.object_index)
        assert len(other.expression.text.split(" ")) >= len(one.expression.text.split(" ")) + 3
    again = film_test_clip(3, "reworded", **SIZE)
    assert one_per_kind(again.expressions) == [one.expression for one in reworded.judged]


def test_pictures_show_a_median_and_a_worst_answer_of_each_kind():
    clips = list(evaluate_clips(ConstantSegmenter(1.0), [3, 4], **SIZE))
    kinds = {one.expression.kind for clip in clips for one in clip.judged}
    picture = draw_extremes(ConstantSegmenter(1.0), clips, **SIZE, split="test")
    (row_px, width_px, _) = draw_row([np.zeros((240, CELL_WIDTH_PX, 3), np.uint8)], "", SHOWN_FRAMES).shape
    assert picture.shape == (len(kinds) * row_px, 2 * width_px, 3)


def test_training_seeds_are_refused():
    with pytest.raises(DatasetError, match="seed 1000000 belongs to the training set"):
        next(evaluate_clips(ConstantSegmenter(1.0), [FIRST_TRAINING_SEED], **SIZE))


def judged(kind: str, j: float, f: float, empty: float = 0.0) -> Judged:
    return Judged(Expression("it", kind, int(kind != "absent")), j, f, empty)


def test_summary_and_table_have_a_mean_per_kind_and_one_over_all():
    clips = [
        ClipScores(0, (judged("colour", 1.0, 0.5), judged("absent", 0.5, 0.5, 0.5)), 10, 0.5),
        ClipScores(1, (judged("colour", 0.0, 0.0), judged("place", 0.4, 0.6)), 10, 1.5),
    ]
    summary = summarise(clips)
    assert summary["jf"] == pytest.approx((0.75 + 0.5 + 0.0 + 0.5) / 4)
    assert summary["by_kind"]["colour"] == {"count": 2, "jf": 0.375, "j": 0.5, "f": 0.25}
    assert summary["empty_rate"] == 0.5
    assert summary["frames_per_s"] == 10
    assert summary["targets"] == 2
    table = format_table(summary)
    assert "| colour | 2 | 0.375 | 0.500 | 0.250 |" in table
    assert "| **all** | 4 | **0.438** | 0.475 | 0.400 |" in table
    assert "True of nothing: 50.0 % of the frames have an empty mask." in table
    assert "10.0 frames/s with 2.0 targets at once." in table


def test_without_absent_expressions_there_is_no_empty_rate():
    summary = summarise([ClipScores(0, (judged("colour", 1.0, 1.0),), 2, 1.0)])
    assert summary["empty_rate"] is None
    assert "nothing" not in format_table(summary)
