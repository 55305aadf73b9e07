"""What training minimises, by hand."""

import math
from types import SimpleNamespace

import pytest
import torch

from samwise_ros.training.losses import (
    AuxiliaryHeads,
    cme_labels,
    cme_loss,
    dice_loss,
    focal_loss,
    mask_losses,
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
    right, wrong = mask_losses(logits, mask, 1), mask_losses(-logits, mask, 1)
    assert right["focal"] < 0.1
    assert right["dice"] < 0.15
    assert wrong["focal"] > 1
    assert wrong["dice"] > 0.8


def test_dice_is_of_the_whole_clip():
    mask = torch.zeros(2, 4, 4, dtype=torch.bool)
    mask[0] = True
    logits = torch.full((2, 1, 4, 4), -100.0)
    logits[0] = 100.0
    logits[1, 0, 0, 0] = 100.0  # one pixel where the object is not in view
    assert mask_losses(logits, mask, 2)["dice"].item() == pytest.approx(1 - 33 / 34, abs=1e-5)
    assert mask_losses(logits, mask, 1)["dice"].item() == pytest.approx((1 - 1 / 2) / 2, abs=1e-5)


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
    right, wrong = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert cme_loss([same, another, ignored], 20).item() == pytest.approx((right + 2 * wrong) / 3, rel=1e-5)
    assert cme_loss([another], 20).item() == pytest.approx(wrong, rel=1e-5)
    assert cme_loss([ignored], 20).item() == 0


def test_auxiliary_labels_are_those_of_each_expressions_clip():
    torch.manual_seed(0)
    heads = AuxiliaryHeads((4, 6, 8), (0, 1), 5, (3, 2))
    # 2 clips of 2 frames with 3 expressions each, maps of 8, 4 and 2 cells a side of pictures of 64 px.
    maps = [torch.randn(4, width, side, side) for width, side in ((4, 8), (6, 4), (8, 2))]
    text = torch.randn(6, 5)
    mask = torch.rand(12, 64, 64) > 0.7
    names = torch.stack([torch.randint(-1, count, (4, 64, 64)) for count in (3, 2)], 1)
    names[(names < 0).any(1, keepdim=True).expand_as(names)] = -1

    def repeat(values: torch.Tensor) -> torch.Tensor:
        return values.unflatten(0, (2, 2)).repeat_interleave(3, 0).flatten(0, 1)

    def loss(fused: list[torch.Tensor], names: torch.Tensor) -> float:
        return heads(maps, fused, text, mask, names).item()

    repeated = [repeat(level) for level in maps]
    each = heads(repeated, repeated, text, mask, repeat(names)).item()
    assert loss(repeated, names) == pytest.approx(each, abs=1e-6)
    assert loss(repeated, names) != pytest.approx(loss(repeated, names.flip(0)), abs=1e-3)
    assert loss(maps, names) == pytest.approx(loss(repeated, names), abs=1e-5), "maps that no text has reached"


def test_the_text_is_compared_with_the_chosen_maps():
    torch.manual_seed(0)
    heads = AuxiliaryHeads((4, 4, 6), (1, 2), 5, (3,))
    maps = [torch.randn(1, width, 8, 8, requires_grad=True) for width in (4, 4, 6)]
    mask, names = torch.rand(2, 64, 64) > 0.7, torch.full((1, 1, 64, 64), -1)
    heads(maps, maps, torch.randn(2, 5), mask, names).backward()
    grads = [level.grad for level in maps]
    for level in maps:
        level.grad = None
    heads.name_cells(maps, names).backward()
    same = [torch.allclose(grad, level.grad) for grad, level in zip(grads, maps, strict=True)]
    assert same == [True, False, False]


def test_cells_are_named_by_the_pixel_in_their_middle():
    heads = AuxiliaryHeads((4, 4, 4), (0, 1), 5, (3, 2))
    names = torch.full((1, 2, 64, 64), -1)
    names[..., 12, 20] = torch.tensor([2, 1])  # the middle of a cell of stride 8, and of no other stride
    for head in heads.name:
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
    maps = [torch.zeros(1, 4, side, side) for side in (8, 4, 2)]
    nothing = math.log(2)
    assert heads.name_cells(maps, names).item() == pytest.approx(nothing + (math.log(3) + math.log(2)) / 3, rel=1e-5)
