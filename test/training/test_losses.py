"""What training minimises, by hand."""

import math
from types import SimpleNamespace

import pytest
import torch

from samwise_ros.training.losses import (
    cme_labels,
    cme_loss,
    dice_loss,
    focal_loss,
    mask_losses,
    padding_of,
    score_loss,
)


def test_focal_loss_of_one_pixel():
    logit, prob = 0.7, 1 / (1 + math.exp(-0.7))
    positive = 0.25 * (1 - prob) ** 2 * -math.log(prob)
    negative = 0.75 * prob**2 * -math.log(1 - prob)
    assert focal_loss(torch.tensor([[logit]]), torch.ones(1, 1)).item() == pytest.approx(positive, rel=1e-5)
    assert focal_loss(torch.tensor([[logit]]), torch.zeros(1, 1)).item() == pytest.approx(negative, rel=1e-5)


def test_dice_loss_from_perfect_to_wrong():
    mask = torch.zeros(4, 4)
    mask[:2] = 1
    sure = 100 * (2 * mask - 1)
    assert dice_loss(sure, mask).item() == pytest.approx(0, abs=1e-5)
    assert dice_loss(-sure, mask).item() == pytest.approx(1 - 1 / 17, abs=1e-5)
    assert dice_loss(torch.full((4, 4), -100.0), torch.zeros(4, 4)).item() == pytest.approx(0, abs=1e-5)


def test_mask_losses_compare_at_the_masks_size():
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[:, :4] = True
    logits = torch.full((1, 1, 2, 2), -20.0)
    logits[:, :, 0] = 20.0
    right, wrong = (mask_losses(one, mask, torch.zeros_like(mask), 1) for one in (logits, -logits))
    assert right["focal"] < 0.1
    assert right["dice"] < 0.15
    assert wrong["focal"] > 1
    assert wrong["dice"] > 0.8


def test_dice_is_of_the_whole_clip():
    mask = torch.zeros(2, 4, 4, dtype=torch.bool)
    mask[0] = True
    logits = torch.full((2, 1, 4, 4), -100.0)
    logits[0] = 100.0
    unpadded = torch.zeros(1, 4, 4, dtype=torch.bool)
    logits[1, 0, 0, 0] = 100.0  # one pixel where the object is not in view
    assert mask_losses(logits, mask, unpadded, 2)["dice"].item() == pytest.approx(1 - 33 / 34, abs=1e-5)
    assert mask_losses(logits, mask, unpadded, 1)["dice"].item() == pytest.approx((1 - 1 / 2) / 2, abs=1e-5)


def test_what_is_padded_does_not_count():
    """A wide picture and a high one, padded to a square, are as learnt from as they are without."""
    torch.manual_seed(0)
    sizes = torch.tensor([[4, 8], [8, 6]])
    padding = padding_of(sizes, 8, 8)
    assert [(~one).sum().item() for one in padding] == [32, 48]
    assert not padding[0, :4].any()
    assert not padding[1, :, :6].any()
    logits, mask = torch.randn(4, 1, 8, 8), torch.rand(4, 8, 8) > 0.5  # two frames each
    mask &= ~padding.repeat_interleave(2, 0)
    together = mask_losses(logits, mask, padding, 2)
    assert together == mask_losses(logits.masked_fill(padding.repeat_interleave(2, 0)[:, None], 9.0), mask, padding, 2)
    alone = []
    for clip, (rows, columns) in enumerate(sizes.tolist()):
        cut = logits[2 * clip : 2 * clip + 2, :, :rows, :columns], mask[2 * clip : 2 * clip + 2, :rows, :columns]
        alone.append(mask_losses(*cut, torch.zeros(1, rows, columns, dtype=torch.bool), 2))
    for name, loss in together.items():
        assert loss.item() == pytest.approx(sum(one[name].item() for one in alone) / 2, rel=1e-5)


def test_score_loss_asks_whether_there_is_any_pixel():
    masks = torch.zeros(2, 4, 4, dtype=torch.bool)
    masks[0, 1, 1] = True
    assert score_loss(torch.tensor([[9.0], [-9.0]]), masks) < 0.001
    assert score_loss(torch.tensor([[-9.0], [9.0]]), masks) > 8


@pytest.mark.parametrize(
    ("columns", "other_columns", "score", "label"),
    [
        ((0, 10), (0, 10), 1.0, 0),  # the same
        ((0, 10), (8, 18), 1.0, 0),  # a fifth of the smaller one is shared
        ((0, 10), (10, 20), 1.0, 1),  # nothing is shared
        ((0, 10), (0, 0), 1.0, 1),  # the memory-less one is empty
        ((0, 1), (5, 6), 1.0, -1),  # both are too small to tell
        ((0, 10), (10, 20), -1.0, -1),  # the memory-less one sees no object
    ],
)
def test_memory_label(columns: tuple[int, int], other_columns: tuple[int, int], score: float, label: int):
    logits = torch.full((2, 1, 20, 20), -1.0)
    logits[0, ..., slice(*columns)] = 1.0
    logits[1, ..., slice(*other_columns)] = 1.0
    assert cme_labels(logits[0], logits[1], torch.tensor([[score]])).tolist() == [label]


def checked_frame(other_columns: tuple[int, int], score: float, decision: tuple[float, float]) -> SimpleNamespace:
    logits = torch.full((2, 1, 1, 20, 20), -1.0)
    logits[0, ..., :10] = 1.0
    logits[1, ..., slice(*other_columns)] = 1.0
    memoryless = SimpleNamespace(mask_logits=logits[1], score_logits=torch.tensor([[score]]))
    check = SimpleNamespace(memoryless=memoryless, logits=torch.tensor([decision]))
    return SimpleNamespace(decoded=SimpleNamespace(mask_logits=logits[0]), check=check)


def test_decisions_are_weighed_together():
    same, another = checked_frame((0, 10), 1.0, (2.0, 0.0)), checked_frame((10, 20), 1.0, (2.0, 0.0))
    ignored = checked_frame((10, 20), -1.0, (9.0, 0.0))
    unpadded = torch.zeros(1, 20, 20, dtype=torch.bool)
    right, wrong = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert cme_loss([same, another, ignored], unpadded).item() == pytest.approx((right + 2 * wrong) / 3, rel=1e-5)
    assert cme_loss([another], unpadded).item() == pytest.approx(wrong, rel=1e-5)
    assert cme_loss([ignored], unpadded).item() == 0
    padded = unpadded.clone()
    padded[:, 2:] = True  # of either mask 20 px are left: too few to tell
    assert cme_loss([another], padded).item() == 0
