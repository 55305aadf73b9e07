"""Losses on the maps themselves, which are gone after training. Called by `training.objective`.

Without them only colour is learnt from scratch: a mask says too little of why a thing is meant.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samwise_ros.training.losses import TINY, dice_loss
from samwise_ros.training.processes import mean_over_processes

MAX_THINGS = 9
"""Things of a picture are numbered below this; 0 is none."""

BOX, NORMAL = 4, 3
"""Numbers that a cell says of its thing's box and of its surface."""

USUAL_REACH = 0.2
"""How far a fresh head takes a box to reach to each side, as a share of the picture's side."""

NORMAL_WEIGHT, ROLES_WEIGHT, WORDS_WEIGHT = 1.5, 1.0, 2.0

ROLES = 2
"""Parts of an expression that things may have: its noun, and what it compares with."""

WORDS = 2
"""Sorts of names of which either says one, or none: colours and kinds."""


class AuxiliaryHeads(nn.Module):
    """What cells of maps have to know of what they show, and of what is said. Not part of the model.

    (a) A linear layer says of every cell of the image encoder's maps, before any text has reached them, whether there
    is a thing, its colour, kind and material, the box around what is seen of it, and how its surface is turned.
    Afterwards the names would be learnt from the text. Boxes tell things apart from one another, surfaces tell shapes.
    (b) The dot product of the text's sentence vector with two of the maps that it has reached has to be the
    down-sampled mask, and higher on the described thing than on any other one.
    Two more such products have to be the masks of all things that the noun fits, and of what the described thing is
    compared with: the cups and the ball of "the cup left of the ball". A linear layer says of the sentence vector what
    colour and kind either is said to be: else it would not hold the ball, which most often is not needed.
    (c) A linear layer says of every cell of a thing how it moves, after the cell has looked at the clip's other frames.

    Args:
        seen_widths: channels of each map that no text has reached.
        looked_width: channels of the map that has looked through time; 0 where there is none.
        fused_widths: channels of each map that it has.
        matched: which of the latter (b) is about.
        text_width: channels D of the sentence vector.
        classes: numbers of names of each of N sorts, the last one being motions.
    """

    def __init__(
        self,
        seen_widths: Sequence[int],
        looked_width: int,
        fused_widths: Sequence[int],
        matched: tuple[int, int],
        text_width: int,
        classes: tuple[int, ...],
    ) -> None:
        super().__init__()
        *names, motions = classes
        self._names, self._matched = tuple(names), matched
        self.name = nn.ModuleList(nn.Conv2d(width, 1 + sum(names) + BOX + NORMAL, 1) for width in seen_widths)
        self.move = nn.Linear(looked_width, motions) if looked_width else None
        self.project_text = nn.ModuleList(nn.Linear(text_width, 64) for _ in matched)
        self.project_map = nn.ModuleList(nn.Conv2d(fused_widths[index], 64, 1) for index in matched)
        self.ask_things = nn.ModuleList(nn.Linear(text_width, ROLES * 64) for _ in matched)
        self.offer_things = nn.ModuleList(nn.Conv2d(fused_widths[index], ROLES * 64, 1) for index in matched)
        self._words = tuple(count + 1 for count in names[:WORDS])  # the last of each sort: it is not said
        self.say_words = nn.Linear(text_width, ROLES * sum(self._words))

    def forward(
        self,
        seen: Sequence[Tensor],
        looked: Tensor | None,
        fused: Sequence[Tensor],
        sentence: Tensor,
        mask: Tensor,
        shown: Tensor,
        things: Tensor,
    ) -> Tensor:
        """Sum the losses.

        Args:
            seen: (R * T, C_k, h_k, w_k), maps that no text has reached; R divides B.
            looked: (R * T, h, w, A), a map that has looked through time; None where there is none, or one frame only.
            fused: (P * T, C_k, h_k, w_k), P being R where no text has reached these maps either, else B.
            sentence: (B, D), of B expressions.
            mask: (B * T, H, W) bool, the described object.
            shown: (R * T, 1 + N + 3, H, W) int8: of the thing at each pixel its number below MAX_THINGS, 0 for none,
                its names of N sorts, -1 for none or an unknown one, and its outward normal in any unit. The expressions
                of a clip follow one another.
            things: (B, 2, 3) int64, of the noun and of what the described thing is compared with: the set of things
                that are so called, whose bit k stands for number k, and the names of the first two sorts that it has,
                -1 for none.

        Returns:
            Scalar.
        """
        numbers, frames = shown[:, 0], len(mask) // len(sentence)
        total = self.name_all(seen, looked, shown) + self._match_text(fused, sentence, mask, numbers, frames)
        total = total + ROLES_WEIGHT * self._find_things(fused, sentence, numbers, things[..., 0], frames)
        return total + WORDS_WEIGHT * self._say_words(sentence, things[..., 1:])

    def name_all(self, seen: Sequence[Tensor], looked: Tensor | None, shown: Tensor) -> Tensor:
        """Losses (a) and (c), which need no text; see `forward`."""
        total = self.name_cells(seen, shown)
        if looked is None:
            return total
        return total + self._name_motions(looked, shown[:, len(self._names) + 1])

    def name_cells(self, maps: Sequence[Tensor], shown: Tensor) -> Tensor:
        """Loss (a), the mean over the maps.

        Args:
            maps: (P, C_k, h_k, w_k).
            shown: (P, 1 + N + 3, H, W) int8.

        Returns:
            Scalar.
        """
        boxes = thing_boxes(shown[:, 0].long(), MAX_THINGS)
        losses = [self._name(head(level).float(), shown, boxes) for head, level in zip(self.name, maps, strict=True)]
        return torch.stack(losses).mean()

    def _name(self, logits: Tensor, shown: Tensor, boxes: Tensor) -> Tensor:
        step = shown.shape[-1] // logits.shape[-1]
        labels = middles(shown, step)
        there = labels[:, 0] > 0
        total = F.binary_cross_entropy_with_logits(logits[:, 0], there.float())
        known = mean_over_processes(there.sum().float()).clamp(min=TINY)
        # All cells are compared and those of things counted: picking these would make a GPU tell how many there are.
        _, *parts, reach, facing = logits.split((1, *self._names, BOX, NORMAL), 1)
        for part, name in zip(parts, labels[:, 1:].unbind(1), strict=False):
            name = name.long().masked_fill(~there, -1)
            total = total + F.cross_entropy(part, name, ignore_index=-1, reduction="sum") / known
        rows, columns = there.shape[1:]
        y, x = (
            (torch.arange(count, device=there.device) * step + step // 2 + 0.5) / (count * step)
            for count in (rows, columns)
        )
        middle = torch.stack((x.expand(rows, columns), y[:, None].expand(rows, columns)), -1).flatten(0, 1)
        box = boxes.gather(1, labels[:, 0].long().flatten(1)[..., None].expand(-1, -1, BOX))
        missed = box_loss(reach.flatten(2).transpose(1, 2), middle, box).unflatten(1, (rows, columns))
        turned = 1 - F.cosine_similarity(facing, labels[:, -NORMAL:].float(), dim=1)
        return total + torch.where(there, missed + NORMAL_WEIGHT * turned, 0.0).sum() / known

    def _name_motions(self, looked: Tensor, motions: Tensor) -> Tensor:
        assert self.move is not None
        labels = middles(motions, motions.shape[-1] // looked.shape[2])
        said = self.move(looked).float().permute(0, 3, 1, 2)
        total = F.cross_entropy(said, labels.long(), ignore_index=-1, reduction="sum")
        return total / mean_over_processes((labels >= 0).sum().float()).clamp(min=TINY)

    def _match_text(
        self, maps: Sequence[Tensor], sentence: Tensor, mask: Tensor, numbers: Tensor, frames: int
    ) -> Tensor:
        total = sentence.new_zeros(())
        for index, ask, offer in zip(self._matched, self.project_text, self.project_map, strict=True):
            logits = products(ask(sentence), offer(maps[index]), frames)[:, 0]
            target = F.interpolate(mask[:, None].float(), logits.shape[-2:], mode="area")[:, 0]
            total = total + match_loss(logits, target).mean() + cells_choice_loss(logits, mask, numbers, frames)
        return total

    def _find_things(
        self, maps: Sequence[Tensor], sentence: Tensor, numbers: Tensor, sets: Tensor, frames: int
    ) -> Tensor:
        total = sentence.new_zeros(())
        sets = sets.repeat_interleave(frames, 0)[..., None, None]
        # Most expressions compare with nothing: were that counted, none would be the best guess.
        asked = (sets[..., 0, 0] > 0).float()
        for index, ask, offer in zip(self._matched, self.ask_things, self.offer_things, strict=True):
            logits = products(ask(sentence), offer(maps[index]), frames)
            cells = middles(numbers, numbers.shape[-1] // logits.shape[-1]).long()
            target = (sets >> repeat_clips(cells, frames, len(logits))[:, None] & 1).float()
            missed = match_loss(logits, target) * asked
            total = total + (missed.sum(0) / mean_over_processes(asked.sum(0)).clamp(min=TINY)).mean()
        return total

    def _say_words(self, sentence: Tensor, words: Tensor) -> Tensor:
        """The mean over roles and sorts, each counted where it says anything."""
        said = self.say_words(sentence).float().unflatten(1, (ROLES, -1)).split(self._words, -1)
        there = (words >= 0).any(-1)
        count = mean_over_processes(there.sum(0).float()).clamp(min=TINY)
        total = sentence.new_zeros((), dtype=torch.float32)
        for logits, word in zip(said, words.unbind(-1), strict=True):
            label = torch.where(word < 0, logits.shape[-1] - 1, word)
            missed = F.cross_entropy(logits.flatten(0, 1), label.flatten(), reduction="none").unflatten(0, there.shape)
            total = total + ((missed * there).sum(0) / count).mean()
        return total / WORDS


def products(asked: Tensor, offered: Tensor, frames: int) -> Tensor:
    """Dot products of vectors that texts ask with and vectors that cells offer.

    Args:
        asked: (B, N * 64).
        offered: (P * T, N * 64, h, w); P divides B, and the texts of a clip follow one another.
        frames: length T of a clip.

    Returns:
        (B * T, N, h, w) float32, over the square root of 64.
    """
    asked = asked.repeat_interleave(frames, 0).unflatten(1, (-1, 64))
    offered = repeat_clips(offered, frames, len(asked)).unflatten(1, (-1, 64))
    return torch.einsum("nrc,nrchw->nrhw", asked, offered).float() / 8.0


def match_loss(logits: Tensor, target: Tensor) -> Tensor:
    """How far logits are from masks (..., h, w) of shares 0..1: cross-entropy and overlap, (...)."""
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none").mean((-2, -1))
    return 5 * entropy + dice_loss(logits, target)


def cells_choice_loss(logits: Tensor, mask: Tensor, numbers: Tensor, frames: int) -> Tensor:
    """The mean of `choice_loss` over all frames of clips: overlap alone lets masks hedge between things that are alike.

    Args:
        logits: (N, h, w), a clip's expressions following one another.
        mask: (N, H, W) bool, the described thing.
        numbers: (P, H, W), of the thing at each pixel; P divides N, and a clip's frames follow one another.
        frames: length of a clip.

    Returns:
        Scalar.
    """
    step = mask.shape[-1] // logits.shape[-1]
    cells = repeat_clips(middles(numbers, step), frames, len(mask)).long()
    return choice_loss(logits, cells, middles(mask, step), mask.flatten(1).any(1)).mean()


def middles(labels: Tensor, step: int) -> Tensor:
    """What is in the middle of each cell of so many pixels: (..., H, W) to (..., H / step, W / step)."""
    return labels[..., step // 2 :: step, step // 2 :: step]


def choice_loss(logits: Tensor, numbers: Tensor, mask: Tensor, is_there: Tensor) -> Tensor:
    """Cross-entropy of which thing is meant: the one on whose cells the logits are highest, or none of them.

    Args:
        logits: (P, h, w) of each cell; that none is meant has 0.
        numbers: (P, h, w) int64, of the thing in each cell, below MAX_THINGS, 0 for none.
        mask: (P, h, w) bool, the cells of the described thing.
        is_there: (P,) bool, whether the described thing is in the picture.

    Returns:
        (P,), at least 0; 0 where the described thing is in the picture and too small to have a cell.
    """
    member = F.one_hot(numbers.flatten(1), MAX_THINGS).to(logits.dtype)
    size = member.sum(1)
    of_things = torch.einsum("pc,pcn->pn", logits.flatten(1), member) / size.clamp(min=1)
    of_things = of_things.masked_fill(size == 0, -torch.inf)
    of_things = torch.cat((torch.zeros_like(of_things[:, :1]), of_things[:, 1:]), 1)
    meant = (numbers * mask).flatten(1).amax(1)
    return F.cross_entropy(of_things, meant.masked_fill(is_there & (meant == 0), -1), ignore_index=-1, reduction="none")


def thing_boxes(numbers: Tensor, count: int) -> Tensor:
    """Boxes around what is seen of each thing.

    Args:
        numbers: (P, H, W) int64, of the thing at each pixel, below `count`.
        count: N.

    Returns:
        (P, N, 4): left, top, right, bottom as shares of the picture's sides; of things that are not seen it means
        nothing.
    """
    is_there = F.one_hot(numbers, count).bool()
    lines = is_there.any(1), is_there.any(2)  # columns and rows of each thing: (P, W or H, N)
    first, last = [], []
    for line in lines:
        size = line.shape[1]
        place = torch.arange(size, device=line.device)[:, None]
        first.append(torch.where(line, place, size).amin(1) / size)
        last.append((torch.where(line, place, -1).amax(1) + 1) / size)
    return torch.stack((*first, *last), -1)


def box_loss(reach_logits: Tensor, middle: Tensor, boxes: Tensor) -> Tensor:
    """Minus the logarithm of the overlap (IoU) between a box as a point in it tells it and the true one.

    Args:
        reach_logits: (..., 4), logarithms of how far the box reaches from the point to the left, top, right and bottom,
            relative to USUAL_REACH.
        middle: (..., 2), x and y of the point, in the boxes' units.
        boxes: (..., 4), as `thing_boxes` gives them.

    Returns:
        (...), at least 0.

    Source: Yu et al., "UnitBox" (arXiv 1608.01471).
    """
    least = 1e-3
    truth = torch.cat((middle - boxes[..., :2], boxes[..., 2:] - middle), -1).clamp(min=least)
    reach = USUAL_REACH * reach_logits.clamp(-6, 3).exp()
    both = torch.minimum(reach, truth)
    common, area, true_area = (
        (box[..., 0] + box[..., 2]) * (box[..., 1] + box[..., 3]) for box in (both, reach, truth)
    )
    return -(common / (area + true_area - common)).clamp(min=least).log()


def repeat_clips(values: Tensor, frames: int, count: int) -> Tensor:
    """Each clip as often as makes so many frames of all clips, one after the other.

    Args:
        values: (P * T, …).
        frames: length T of a clip.
        count: a multiple of P * T.

    Returns:
        (count, …).
    """
    if len(values) == count:
        return values
    clips: Tensor = values.unflatten(0, (-1, frames))
    return clips.repeat_interleave(count // len(values), 0).flatten(0, 1)
