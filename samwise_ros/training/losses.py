"""What training minimises. Called by `training.loop`.

The papers' losses on masks and on the Conditional Memory Encoder's decision, one on the object score, which SAM 2's
weights already bring and `compact` has to learn, and two auxiliary ones that are gone after training.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samwise_ros.model.samwise import Tracked
from samwise_ros.training.processes import mean_over_processes

EMPTY_MASK_PX = 50
"""Masks with at most so many pixels count as empty when the two predictions of a frame are compared."""

TINY = 1e-6
"""Stands for a sum of weights that is zero, so that nothing is divided by it."""


def focal_loss(logits: Tensor, mask: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Binary focal loss, averaged over pixels.

    Args:
        logits: (..., H, W).
        mask: (..., H, W) 0 or 1, floating point.
        alpha: weight of the positive pixels; the negative ones have 1 - alpha.
        gamma: how fast easy pixels lose their weight.

    Returns:
        (...), at least 0.

    Source: Lin et al., "Focal Loss for Dense Object Detection".
    """
    entropy = F.binary_cross_entropy_with_logits(logits, mask, reduction="none")
    prob = torch.sigmoid(logits)
    miss = prob * (1 - mask) + (1 - prob) * mask
    weight = alpha * mask + (1 - alpha) * (1 - mask)
    return (weight * miss**gamma * entropy).mean((-2, -1))


def dice_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """One minus the smoothed Dice coefficient.

    Args:
        logits: (..., H, W).
        mask: (..., H, W) 0 or 1, floating point.

    Returns:
        (...), 0..1.
    """
    prob = torch.sigmoid(logits)
    overlap = (prob * mask).sum((-2, -1))
    return 1 - (2 * overlap + 1) / (prob.sum((-2, -1)) + mask.sum((-2, -1)) + 1)


def mask_losses(logits: Tensor, mask: Tensor, frames: int) -> dict[str, Tensor]:
    """Focal and dice loss of low-resolution logits at the mask's own size, over whole clips.

    Args:
        logits: (B * T, 1, h, w).
        mask: (B * T, H, W) bool.
        frames: length T of a clip.

    Returns:
        Scalars `focal` and `dice`, means over the B clips.

    Source: SAMWISE, losses of the reference implementation: a clip's pixels are taken for one long mask.
    """
    logits = F.interpolate(logits.float(), mask.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    whole = (-1, frames * mask.shape[-2], mask.shape[-1])
    logits, target = logits.reshape(whole), mask.float().reshape(whole)
    return {"focal": focal_loss(logits, target).mean(), "dice": dice_loss(logits, target).mean()}


def score_loss(score_logits: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of the object score against whether the object has any pixel.

    Args:
        score_logits: (N, 1).
        mask: (N, H, W) bool.

    Returns:
        Scalar.
    """
    return F.binary_cross_entropy_with_logits(score_logits[:, 0].float(), mask.flatten(1).any(1).float())


def cme_labels(logits: Tensor, memoryless_logits: Tensor, memoryless_score_logits: Tensor) -> Tensor:
    """Whether the memory-less prediction shows another object than the one that read the memory.

    Args:
        logits: (B, H, W) mask logits of the prediction that read the memory.
        memoryless_logits: (B, H, W).
        memoryless_score_logits: (B, 1).

    Returns:
        (B,) int64: 1 another object (their overlap is under a tenth of the smaller one), 0 the same, -1 to be ignored
        (both masks are empty or the memory-less prediction sees no object).

    Source: SAMWISE, training of the Conditional Memory Encoder.
    """
    mask, other = logits > 0, memoryless_logits > 0
    area, other_area = mask.flatten(1).sum(1), other.flatten(1).sum(1)
    overlap = (mask & other).flatten(1).sum(1)
    labels = (overlap < 0.1 * torch.minimum(area, other_area).clamp(min=1)).long()
    ignore = (area <= EMPTY_MASK_PX) & (other_area <= EMPTY_MASK_PX) | (memoryless_score_logits[:, 0] < 0)
    return labels.masked_fill(ignore, -1)


def cme_loss(frames: Sequence[Tracked], side_px: int) -> Tensor:
    """Cross-entropy of the Conditional Memory Encoder's decisions, class weights 1 and 2.

    Args:
        frames: those on which the Conditional Memory Encoder ran; at least one.
        side_px: side of the image; masks are compared at this size.

    Returns:
        Scalar, the weighted mean over all decisions of all processes; 0 where every one is to be ignored.
    """
    size = (side_px, side_px)
    logits, labels = [], []
    for tracked in frames:
        assert tracked.check is not None
        memoryless = tracked.check.memoryless
        masks = [F.interpolate(d.mask_logits.float(), size)[:, 0] for d in (tracked.decoded, memoryless)]
        logits.append(tracked.check.logits.float())
        labels.append(cme_labels(masks[0], masks[1], memoryless.score_logits))
    label = torch.cat(labels)
    weight = torch.tensor([1.0, 2.0], device=label.device)
    total = F.cross_entropy(torch.cat(logits), label, weight, ignore_index=-1, reduction="sum")
    counted = torch.where(label >= 0, weight[label.clamp(min=0)], 0.0).sum()
    return total / mean_over_processes(counted).clamp(min=TINY)


class AuxiliaryHeads(nn.Module):
    """Losses on the maps themselves; without them only colour is learnt from scratch. Not part of the model.

    (a) Linear layers name objectness, colour, kind and material of every cell of the image encoder's maps before any
    text has reached them; afterwards they would learn the names from the text.
    (b) The dot product of the text's sentence vector with two of them has to be the down-sampled mask.

    Args:
        widths: channels of each map.
        matched: which of them (b) is about.
        text_width: channels D of the sentence vector.
        classes: numbers of names of each sort.
    """

    def __init__(
        self, widths: Sequence[int], matched: tuple[int, int], text_width: int, classes: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.classes, self._matched = classes, matched
        self.name = nn.ModuleList(nn.Conv2d(width, 1 + sum(classes), 1) for width in widths)
        self.project_text = nn.ModuleList(nn.Linear(text_width, 64) for _ in matched)
        self.project_map = nn.ModuleList(nn.Conv2d(widths[index], 64, 1) for index in matched)

    def forward(
        self, seen: Sequence[Tensor], fused: Sequence[Tensor], sentence: Tensor, mask: Tensor, names: Tensor
    ) -> Tensor:
        """Sum both losses.

        Args:
            seen: (R * T, C_k, h_k, w_k), maps that no text has reached; R divides B.
            fused: (P * T, C_k, h_k, w_k), P being R where no text has reached these maps either, else B.
            sentence: (B, D), of B expressions.
            mask: (B * T, H, W) bool, the described object.
            names: (R * T, N, H, W) int64, names of N sorts where any object is, else -1. The expressions of a clip
                follow one another.

        Returns:
            Scalar.
        """
        return self.name_cells(seen, names) + self._match_text(fused, sentence, mask)

    def name_cells(self, maps: Sequence[Tensor], names: Tensor) -> Tensor:
        """Loss (a), the mean over the maps.

        Args:
            maps: (P, C_k, h_k, w_k).
            names: (P, N, H, W) int64.

        Returns:
            Scalar.
        """
        losses = [self._name(head(level).float(), names) for head, level in zip(self.name, maps, strict=True)]
        return torch.stack(losses).mean()

    def _name(self, logits: Tensor, names: Tensor) -> Tensor:
        step = names.shape[-1] // logits.shape[-1]
        # The cell's label is that of the pixel in its middle.
        labels = names[:, :, step // 2 :: step, step // 2 :: step]
        there = labels[:, 0] >= 0
        total = F.binary_cross_entropy_with_logits(logits[:, 0], there.float())
        known = mean_over_processes(there.sum().float()).clamp(min=TINY)
        for part, of_sort in zip(logits[:, 1:].split(self.classes, 1), labels.unbind(1), strict=True):
            total = total + F.cross_entropy(part, of_sort, ignore_index=-1, reduction="sum") / known
        return total

    def _match_text(self, maps: Sequence[Tensor], sentence: Tensor, mask: Tensor) -> Tensor:
        total = sentence.new_zeros(())
        frames = len(mask) // len(sentence)
        for index, project_text, project_map in zip(self._matched, self.project_text, self.project_map, strict=True):
            text = project_text(sentence).repeat_interleave(frames, 0)
            level = repeat_clips(project_map(maps[index]), frames, len(mask))
            logits = torch.einsum("nc,nchw->nhw", text, level).float() / 8.0
            target = F.interpolate(mask[:, None].float(), logits.shape[-2:], mode="area")[:, 0]
            total = total + 5 * F.binary_cross_entropy_with_logits(logits, target) + dice_loss(logits, target).mean()
        return total


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
