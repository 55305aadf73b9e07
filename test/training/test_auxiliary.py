"""Losses on the maps themselves, by hand."""

import math

import pytest
import torch

from samwise_ros.training import auxiliary
from samwise_ros.training.auxiliary import (
    MAX_THINGS,
    NORMAL_WEIGHT,
    ROLES_WEIGHT,
    USUAL_REACH,
    WORDS_WEIGHT,
    AuxiliaryHeads,
    box_loss,
    cells_choice_loss,
    choice_loss,
    products,
    thing_boxes,
)


def nothing_shown(pictures: int, sorts: int) -> torch.Tensor:
    """Of so many sorts of names, and of motions."""
    shown = torch.zeros(pictures, 1 + sorts + 1 + 3, 64, 64, dtype=torch.int8)
    shown[:, 1 : 2 + sorts] = -1
    return shown


def test_auxiliary_labels_are_those_of_each_expressions_clip():
    torch.manual_seed(0)
    heads = AuxiliaryHeads((4, 6, 8), 7, (4, 6, 8), (0, 1), 5, (3, 2, 4))
    # 2 clips of 2 frames with 3 expressions each, maps of 8, 4 and 2 cells a side of pictures of 64 px.
    maps = [torch.randn(4, width, side, side) for width, side in ((4, 8), (6, 4), (8, 2))]
    text = torch.randn(6, 5)
    mask = torch.rand(12, 64, 64) > 0.7
    number = torch.randint(0, MAX_THINGS, (4, 1, 64, 64))
    names = torch.cat([torch.randint(0, count, (4, 1, 64, 64)) for count in (3, 2, 4)], 1)
    looked, words = torch.randn(4, 8, 8, 7), torch.randint(-1, 2, (6, 2, 2))
    things = torch.cat((torch.randint(0, 512, (6, 2, 1)), words), -1)
    normal = torch.randint(-127, 128, (4, 3, 64, 64))
    shown = torch.cat((number, names.where(number > 0, -1), normal.where(number > 0, 0)), 1).to(torch.int8)

    def repeat(values: torch.Tensor) -> torch.Tensor:
        return values.unflatten(0, (2, 2)).repeat_interleave(3, 0).flatten(0, 1)

    def loss(fused: list[torch.Tensor], shown: torch.Tensor) -> float:
        return heads(maps, looked, fused, text, mask, shown, things).item()

    repeated = [repeat(level) for level in maps]
    each = heads(repeated, repeat(looked), repeated, text, mask, repeat(shown), things).item()
    assert loss(repeated, shown) == pytest.approx(each, abs=1e-5)
    assert loss(repeated, shown) != pytest.approx(loss(repeated, shown.flip(0)), abs=1e-3)
    assert loss(maps, shown) == pytest.approx(loss(repeated, shown), abs=1e-5), "maps that no text has reached"


def test_the_text_is_compared_with_the_chosen_maps():
    torch.manual_seed(0)
    heads = AuxiliaryHeads((4, 4, 6), 0, (4, 4, 6), (1, 2), 5, (3, 2, 4))
    maps = [torch.randn(1, width, 8, 8, requires_grad=True) for width in (4, 4, 6)]
    mask, shown = torch.rand(2, 64, 64) > 0.7, nothing_shown(1, 2)
    things = torch.tensor(2 * [2 * [(0, -1, -1)]])
    heads(maps, None, maps, torch.randn(2, 5), mask, shown, things).backward()
    grads = [level.grad for level in maps]
    for level in maps:
        level.grad = None
    heads.name_cells(maps, shown).backward()
    same = [torch.allclose(grad, level.grad) for grad, level in zip(grads, maps, strict=True)]
    assert same == [True, False, False]


@pytest.mark.parametrize("rows", [64, 32])
def test_cells_are_named_by_the_pixel_in_their_middle(rows: int):
    heads = AuxiliaryHeads((4, 4, 4), 0, (4, 4, 4), (0, 1), 5, (3, 2, 2))
    shown = nothing_shown(1, 2)[:, :, :rows]
    for head in heads.name:
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
    maps = [torch.zeros(1, 4, rows // stride, 64 // stride) for stride in (8, 16, 32)]
    nothing = math.log(2)
    assert heads.name_cells(maps, shown).item() == pytest.approx(nothing, rel=1e-5), "a picture of nothing"
    # The middle of a cell of stride 8, and of no other stride; its box is this one pixel.
    shown[0, :, 12, 20] = torch.tensor([1, 2, 1, -1, 0, 0, 127])
    middle = torch.tensor([[20.5 / 64, 12.5 / rows]])
    box = torch.tensor([[20.0 / 64, 12.0 / rows, 21.0 / 64, 13.0 / rows]])
    missed = box_loss(torch.zeros(1, 4), middle, box).item()
    named = math.log(3) + math.log(2) + missed + NORMAL_WEIGHT
    assert heads.name_cells(maps, shown).item() == pytest.approx(nothing + named / 3, rel=1e-3)


def test_a_surface_has_to_be_turned_as_it_is():
    heads = AuxiliaryHeads((4,), 0, (4,), (0, 0), 5, (2,))
    shown = nothing_shown(1, 0)
    shown[0, :, :, :] = torch.tensor([1, -1, 0, -127, 0])[:, None, None]
    with torch.no_grad():
        heads.name[0].weight.zero_()
        heads.name[0].bias.copy_(torch.tensor([99.0, 0, 0, 0, 0, 0, -3, 0]))
        right = heads.name_cells([torch.zeros(1, 4, 8, 8)], shown).item()
        heads.name[0].bias[-2] = 3
        assert heads.name_cells([torch.zeros(1, 4, 8, 8)], shown).item() == pytest.approx(right + 2 * NORMAL_WEIGHT)


def test_boxes_hold_what_is_seen_of_each_thing():
    numbers = torch.zeros(2, 4, 8, dtype=torch.long)
    numbers[0, 1, 2] = numbers[0, 2, 5] = 1
    numbers[1, :, :4] = 2
    boxes = thing_boxes(numbers, 3)
    assert boxes.shape == (2, 3, 4)
    assert boxes[0, 1].tolist() == [2 / 8, 1 / 4, 6 / 8, 3 / 4]
    assert boxes[1, 2].tolist() == [0, 0, 0.5, 1]


def test_a_box_costs_what_it_misses():
    point, box = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.3, 0.4, 0.6, 0.7]])
    reach = (torch.tensor([[0.2, 0.1, 0.1, 0.2]]) / USUAL_REACH).log()
    assert box_loss(reach, point, box).item() == pytest.approx(0, abs=1e-5)
    twice_as_wide = reach + torch.tensor([[math.log(2), 0, math.log(2), 0]])
    assert box_loss(twice_as_wide, point, box).item() == pytest.approx(math.log(2), abs=1e-5)


def test_the_described_thing_has_to_stand_out():
    numbers = torch.zeros(4, 4, 4, dtype=torch.long)
    numbers[:, 0, :2], numbers[:, 3, 3] = 1, 2
    mask = torch.zeros(4, 4, 4, dtype=torch.bool)
    mask[0, 0, :2] = mask[1, 3, 3] = True
    logits = torch.zeros(4, 4, 4)
    logits[:, 0, :2] = torch.tensor([1.0, 3.0])  # 2 on average, 1 on the other thing, and 9 where nothing is
    logits[:, 3, 3], logits[:, 2] = 1.0, 9.0
    # Described are thing 1, thing 2, nothing, and something of which no cell shows anything.
    losses = choice_loss(logits, numbers, mask, torch.tensor([True, True, False, True]))
    total = math.log(math.exp(2) + math.exp(1) + 1)
    assert losses.tolist() == pytest.approx([total - 2, total - 1, total, 0], abs=1e-5)


def test_the_mask_has_to_stand_out_on_the_described_thing():
    """Two expressions of one clip of two frames: each frame is compared with what it shows itself."""
    numbers = torch.zeros(2, 8, 8, dtype=torch.int8)
    numbers[0, :4, :4], numbers[0, 4:, 4:] = 1, 2
    numbers[1, :4, 4:] = 1
    mask = torch.stack((numbers == 1, numbers == 2)).flatten(0, 1)
    logits = torch.zeros(4, 2, 2)
    logits[0, 0, 0], logits[1, 0, 1], logits[2, 1, 1] = 2.0, 3.0, 1.0
    with_nothing = [math.log(1 + math.exp(2) + 1) - 2, math.log(1 + math.exp(3)) - 3]
    other_is_there_once = [math.log(1 + math.exp(1) + 1) - 1, math.log(2)]
    expected = sum(with_nothing + other_is_there_once) / 4
    assert cells_choice_loss(logits, mask, numbers, 2).item() == pytest.approx(expected, abs=1e-5)


def test_a_cell_that_looked_through_time_has_to_say_how_its_thing_moves():
    heads = AuxiliaryHeads((4,), 5, (4,), (0, 0), 5, (3, 2, 3))
    shown = nothing_shown(2, 2)
    maps = [torch.zeros(2, 4, 8, 8)]
    looked = torch.zeros(2, 8, 8, 5, requires_grad=True)
    with torch.no_grad():
        heads.move.weight.zero_()
        heads.move.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))

    def loss(looked: torch.Tensor | None) -> torch.Tensor:
        mask, things = torch.zeros(2, 64, 64) > 0, torch.tensor([2 * [(0, -1, -1)]])
        return heads(maps, looked, maps, torch.zeros(1, 5), mask, shown, things)

    without = loss(None).item()
    assert loss(looked).item() == pytest.approx(without), "of nothing a motion is known"
    shown[0, 3, 4, 4], shown[1, 3, 4, 12] = 1, 0  # the middles of two cells
    said = 2 * math.log(2 + math.e) - 1
    assert loss(looked).item() == pytest.approx(without + said / 2, abs=1e-5)


def test_what_the_noun_fits_and_what_is_compared_with_have_to_be_found():
    """Two expressions of one clip of two frames; cells of stride 32."""
    heads = AuxiliaryHeads((4,), 0, (4,), (0,), 5, (3, 2, 3))
    numbers = torch.zeros(2, 64, 64, dtype=torch.int8)
    numbers[0, :32, :32], numbers[0, 32:, 32:], numbers[1, :32, 32:] = 1, 2, 3
    things = torch.tensor([[0b0110, 0b1000], [0b1000, 0]])
    sought = torch.zeros(2, 2, 2, 2, 2)  # expression, frame, role, row, column
    sought[0, 0, 0] = torch.eye(2)
    sought[0, 1, 1, 0, 1] = sought[1, 1, 0, 0, 1] = 1
    found: list[torch.Tensor] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auxiliary, "products", lambda *_: found[-1])
        patch.setattr(auxiliary, "dice_loss", lambda logits, target: torch.zeros(1))
        for right in (1, -1):
            found.append(right * 40 * (sought.flatten(0, 1) - 0.5))
            loss = heads._find_things([torch.zeros(2, 4, 2, 2)], torch.zeros(2, 5), numbers, things, 2)
            assert loss.item() == pytest.approx(0 if right > 0 else 5 * 20, abs=1e-3)
        # The second expression compares with nothing: what its cells say of that counts for nothing.
        found.append(40 * (sought - 0.5))
        found[-1][1, :, 1] = 100.0
        found[-1] = found[-1].flatten(0, 1)
        loss = heads._find_things([torch.zeros(2, 4, 2, 2)], torch.zeros(2, 5), numbers, things, 2)
        assert loss.item() == pytest.approx(0, abs=1e-3)


def test_the_sentence_has_to_say_what_it_names():
    """Of 3 colours and 2 kinds; the last of each sort of logits is that none is said."""
    heads = AuxiliaryHeads((4,), 0, (4,), (0,), 5, (3, 2, 4))
    with torch.no_grad():
        heads.say_words.weight.zero_()
        heads.say_words.bias.copy_(torch.tensor([0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 0, 0.0]))
    sure = [math.log(math.exp(logit) + rest) for logit, rest in ((2, 3), (1, 3), (3, 2))]
    colour, kind, compared_colour, compared_kind = sure[0], math.log(3), sure[1], sure[2]

    def loss(*words: list[list[int]]) -> float:
        return heads._say_words(torch.randn(len(words), 5), torch.tensor(words)).item()

    right = [[1, 0], [-1, 0]]  # "the green ball left of the ball"
    expected = (colour - 2 + kind + compared_colour - 1 + compared_kind - 3) / 4
    assert loss(right) == pytest.approx(expected, abs=1e-5)
    compared_with_nothing = [[1, 1], [-1, -1]]
    assert loss(right, compared_with_nothing) == pytest.approx(expected, abs=1e-5)
    assert loss([[0, 0], [-1, 0]]) == pytest.approx(expected + 0.5, abs=1e-5), "another colour"
    assert loss([[-1, -1], [-1, -1]]) == 0


def test_what_is_seen_and_what_the_words_speak_of_count():
    heads = AuxiliaryHeads((4,), 0, (4,), (0,), 5, (3, 2, 4))
    maps, sentence = [torch.randn(2, 4, 8, 8)], torch.randn(1, 5)
    things = torch.tensor([[[0b10, 2, 1], [0b100, -1, 0]]])
    shown, mask = nothing_shown(2, 2), torch.zeros(2, 64, 64) > 0
    shown[:, 0, :32], shown[:, 0, 40:, :32], mask[:, :32] = 1, 2, True
    numbers = shown[:, 0]
    parts = (
        heads.name_cells(maps, shown),
        heads._match_text(maps, sentence, mask, numbers, 2),
        ROLES_WEIGHT * heads._find_things(maps, sentence, numbers, things[..., 0], 2),
        WORDS_WEIGHT * heads._say_words(sentence, things[..., 1:]),
    )
    assert min(part.item() for part in parts) > 0.1
    total = heads(maps, None, maps, sentence, mask, shown, things)
    assert total.item() == pytest.approx(sum(part.item() for part in parts), rel=1e-5)


def test_products_are_of_each_expression_with_its_own_clip():
    asked, offered = torch.randn(6, 128), torch.randn(4, 128, 2, 3)  # 2 clips of 2 frames, 3 expressions of each
    got = products(asked, offered, 2)
    assert got.shape == (12, 2, 2, 3)
    # The second clip's third expression, its first frame, the second product.
    expected = torch.einsum("c,chw->hw", asked[5, 64:], offered[2, 64:]) / 8
    assert torch.allclose(got[10, 1], expected, atol=1e-5)
