"""What training minimises. Called by `training.objective` and `training.auxiliary`.

The papers' losses on masks and on the Conditional Memory Encoder's decision, one on the object score, which SAM 2's
weights already bring and `compact` has to learn. `training.auxiliary` has what helps and is gone after training.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from samwise_ros.model.sam2_steps import NO_OBJECT_LOGIT
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


def padding_of(sizes_px: Tensor, height_px: int, width_px: int) -> Tensor:
    """Where pictures are padded.

    Args:
        sizes_px: (R, 2) int64, rows and columns of the pictures, which are above and to the left of what is padded.
        height_px: rows H with what is padded.
        width_px: columns W, likewise.

    Returns:
        (R, H, W) bool.
    """
    rows, columns = (torch.arange(side, device=sizes_px.device) for side in (height_px, width_px))
    return (rows[None, :, None] >= sizes_px[:, :1, None]) | (columns[None, None] >= sizes_px[:, 1:, None])


def mask_losses(logits: Tensor, mask: Tensor, padding: Tensor, frames: int) -> dict[str, Tensor]:
    """Focal and dice loss of low-resolution logits at the mask's own size, over whole clips, without what is padded.

    Args:
        logits: (B * T, 1, h, w).
        mask: (B * T, H, W) bool, False where padded.
        padding: (B, H, W) bool, where the clips' pictures are padded.
        frames: length T of what is one mask together.

    Returns:
        Scalars `focal` and `dice`, means over the B clips.

    Source: SAMWISE, losses of the reference implementation: a clip's pixels are taken for one long mask.
    """
    logits = F.interpolate(logits.float(), mask.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    padding = padding.repeat_interleave(len(mask) // len(padding), 0)
    whole = (-1, frames * mask.shape[-2], mask.shape[-1])
    logits, target = logits.masked_fill(padding, NO_OBJECT_LOGIT).reshape(whole), mask.float().reshape(whole)
    # Where padded both losses have nothing to add; but of focal loss there are so many pixels less.
    pictured = 1 - padding.float().reshape(whole).mean((-2, -1))
    return {"focal": (focal_loss(logits, target) / pictured).mean(), "dice": dice_loss(logits, target).mean()}


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

    Differs: where one mask is empty and the other is not, the label is 1, as the original's comment says; its code
    divides 0 by 0 there, and the label is 0. `cme_loss` brings the logits to the image's size by nearest neighbour; the
    original interpolates bilinearly.
    """
    mask, other = logits > 0, memoryless_logits > 0
    area, other_area = mask.flatten(1).sum(1), other.flatten(1).sum(1)
    overlap = (mask & other).flatten(1).sum(1)
    labels = (overlap < 0.1 * torch.minimum(area, other_area).clamp(min=1)).long()
    ignore = (area <= EMPTY_MASK_PX) & (other_area <= EMPTY_MASK_PX) | (memoryless_score_logits[:, 0] < 0)
    return labels.masked_fill(ignore, -1)


def cme_loss(frames: Sequence[Tracked], padding: Tensor) -> Tensor:
    """Cross-entropy of the Conditional Memory Encoder's decisions, class weights 1 and 2.

    Args:
        frames: those on which the Conditional Memory Encoder ran; at least one.
        padding: (B, H, W) bool, where the clips' pictures are padded; masks are compared at this size, without that.

    Returns:
        Scalar, the weighted mean over all decisions of all processes; 0 where every one is to be ignored.
    """
    logits, labels = [], []
    for tracked in frames:
        assert tracked.check is not None
        memoryless = tracked.check.memoryless
        masks = [
            F.interpolate(d.mask_logits.float(), padding.shape[-2:])[:, 0].masked_fill(padding, NO_OBJECT_LOGIT)
            for d in (tracked.decoded, memoryless)
        ]
        logits.append(tracked.check.logits.float())
        labels.append(cme_labels(masks[0], masks[1], memoryless.score_logits))
    label = torch.cat(labels)
    weight = 1.0 + label  # 0 for those to be ignored
    total = (weight * F.cross_entropy(torch.cat(logits), label, ignore_index=-1, reduction="none")).sum()
    return total / mean_over_processes(weight.sum()).clamp(min=TINY)
