"""From a batch to its losses, as one module that `accelerate` can wrap. Called by `training.loop`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from samwise_ros.model.samwise import Samwise
from samwise_ros.training.losses import AuxiliaryHeads, cme_loss, mask_losses, score_loss


class Objective(nn.Module):
    """A network and what it is trained for.

    Args:
        network: its frozen parts stay as they are, batch statistics included.
        weights: of each loss of `training.recipe.LOSSES`; one with weight 0 is not computed.
        classes: numbers of names that the samples count in.
    """

    def __init__(self, network: Samwise, weights: Mapping[str, float], classes: tuple[int, ...]) -> None:
        super().__init__()
        self.network = network
        config = network.config
        widths = tuple(config.hiera.embed_dim * factor for factor in (2, 4, 8))
        self.heads = AuxiliaryHeads(widths, config.text.width, classes) if weights["auxiliary"] else None
        self._weights = dict(weights)

    def train(self, mode: bool = True) -> Objective:
        """Enter training mode, or leave it; frozen parts are always in evaluation mode."""
        super().train(mode)
        for part in self.network.config.frozen:
            self.network.get_submodule(part).eval()
        return self

    def forward(self, images: Tensor, ids: Tensor, mask: Tensor, names: Tensor) -> dict[str, Tensor]:
        """Run B clips and compare with the truth.

        Args:
            images: (R, T, 3, S, S) normalised; R divides B, and each clip's expressions follow one another.
            ids: (B, L) int64 token ids.
            mask: (B * T, S, S) bool.
            names: (R * T, N, S, S) int64, see `AuxiliaryHeads`.

        Returns:
            Scalars by name, without their weights.
        """
        if not len(ids):
            assert self.heads is not None
            return {"auxiliary": self.heads.name_cells(self.network.see(images.flatten(0, 1)), names)}
        clip = self.network(images, ids)
        frames = clip.frames
        logits = torch.stack([frame.decoded.mask_logits for frame in frames], 1).flatten(0, 1)
        losses = mask_losses(logits, mask, len(frames))
        if self._weights["score"] and self.network.config.object_score:
            scores = torch.stack([frame.decoded.score_logits for frame in frames], 1).flatten(0, 1)
            losses["score"] = score_loss(scores, mask)
        checked = [frame for frame in frames if frame.check is not None]
        if self._weights["cme"] and checked:
            losses["cme"] = cme_loss(checked, mask.shape[-1])
        if self.heads is not None:
            losses["auxiliary"] = self.heads(clip.fused, mask, names)
        return {name: loss for name, loss in losses.items() if self._weights[name]}

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of `forward`'s losses."""
        return torch.stack([self._weights[name] * loss for name, loss in losses.items()]).sum()
