"""J on the synthetic world, with models whose answer is known."""

import pytest
import torch

from samwise_ros.data.synthetic import FIRST_TRAINING_SEED, render_clip
from samwise_ros.errors import DatasetError
from samwise_ros.evaluation.synthetic import ABSENT, evaluate_clips, format_table, one_per_kind
from samwise_ros.model.segmenter import Past, Prediction, Ring


class ConstantSegmenter:
    """Says the same of every pixel."""

    image_side_px = 64
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


def test_a_blind_model_is_right_only_where_there_is_nothing():
    scores = list(evaluate_clips(ConstantSegmenter(-1.0), range(6), frames=4, height_px=48, width_px=64))
    absent = [clip.pop(ABSENT) for clip in scores if ABSENT in clip]
    assert absent
    assert set(absent) == {1.0}
    rest = [value for clip in scores for kind, value in clip.items() if kind != "motion"]
    assert rest
    assert set(rest) == {0.0}


def test_a_model_that_sees_it_everywhere_scores_the_objects_share():
    (scores,) = evaluate_clips(ConstantSegmenter(1.0), [3], frames=2, height_px=48, width_px=64)
    clip = render_clip(3, frames=2, height=48, width=64)
    for kind, expression in one_per_kind(clip.expressions).items():
        assert scores[kind] == pytest.approx(clip.mask(expression).mean() if kind != ABSENT else 0.0)


def test_training_seeds_are_refused():
    with pytest.raises(DatasetError, match="seed 1000000 belongs to the training set"):
        next(evaluate_clips(ConstantSegmenter(1.0), [FIRST_TRAINING_SEED], frames=1, height_px=48, width_px=64))


def test_table_has_a_mean_per_kind_and_one_over_all():
    table = format_table([{"colour": 1.0, "place": 0.0}, {"colour": 0.5}])
    assert "| colour | 2 | 0.750 |" in table
    assert "| place | 1 | 0.000 |" in table
    assert "| **all** | 3 | **0.500** |" in table
