"""From a batch to its losses, as one module that `accelerate` can wrap. Called by `training.loop`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from samwise_ros.config import RefSamConfig
from samwise_ros.model.build import Network
from samwise_ros.model.fusion import EncodedImages, look_through_time
from samwise_ros.model.pyramid import pyramid_widths
from samwise_ros.model.refsam import RefSam, middle_widths
from samwise_ros.model.samwise import Samwise, Tracked
from samwise_ros.training.auxiliary import AuxiliaryHeads, cells_choice_loss
from samwise_ros.training.losses import cme_loss, mask_losses, padding_of, score_loss


class Objective(nn.Module):
    """A network and what it is trained for.

    Args:
        network: its frozen parts stay as they are, batch statistics included.
        weights: of each loss of `training.recipe.LOSSES`; one with weight 0 is not computed.
        classes: numbers of names that the samples count in.
    """

    def __init__(self, network: Network, weights: Mapping[str, float], classes: tuple[int, ...]) -> None:
        super().__init__()
        self.network = network
        self.heads = build_heads(network, classes) if weights["auxiliary"] else None
        self._weights = dict(weights)

    def train(self, mode: bool = True) -> Objective:
        """Enter training mode, or leave it; frozen parts are always in evaluation mode."""
        super().train(mode)
        for part in self.network.config.frozen:
            self.network.get_submodule(part).eval()
        return self

    def forward(
        self, images: Tensor, sizes_px: Tensor, ids: Tensor, mask: Tensor, shown: Tensor, things: Tensor
    ) -> dict[str, Tensor]:
        """Run B clips and compare with the truth.

        Args:
            images: (R, T, 3, H, W) normalised; R divides B, and each clip's expressions follow one another.
            sizes_px: (R, 2) int64, rows and columns of the pictures without what is padded.
            ids: (B, L) int64 token ids.
            mask: (B * T, H, W) bool.
            shown: (R * T, 1 + N + 3, H, W) int8, see `AuxiliaryHeads`.
            things: (B, 2, 3) int64, likewise.

        Returns:
            Scalars by name, without their weights.
        """
        if not len(ids):
            assert self.heads is not None
            return {"auxiliary": self.heads.name_all(*self._see(images), shown)}
        padding = padding_of(sizes_px, *mask.shape[-2:]).repeat_interleave(len(ids) // len(images), 0)
        clip: Any = self.network(images, ids)
        logits = torch.stack([frame.decoded.mask_logits for frame in clip.frames], 1).flatten(0, 1)
        # RefSAM has no object score: that nothing is there, its masks alone have to say, each for its own frame.
        together = 1 if isinstance(self.network, RefSam) else len(clip.frames)
        losses = mask_losses(logits, mask, padding, together) | self._choice(logits, mask, shown, len(clip.frames))
        if isinstance(self.network, Samwise):
            losses |= self._of_samwise(self.network, clip.frames, mask, padding)
        if self.heads is not None:
            losses["auxiliary"] = self.heads(*self._named(clip), mask, shown, things)
        return {name: loss for name, loss in losses.items() if self._weights[name]}

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of `forward`'s losses."""
        return torch.stack([self._weights[name] * loss for name, loss in losses.items()]).sum()

    def _see(self, images: Tensor) -> tuple[Sequence[Tensor], Tensor | None]:
        """What `AuxiliaryHeads.name_all` takes, of clips of which nothing is said."""
        if isinstance(self.network, RefSam) or images.shape[1] == 1:
            return self.network.see(images.flatten(0, 1)), None
        tables = self.network.make_tables().crop(images.shape[-2], images.shape[-1])
        return self._look(self.network, *self.network.encode_and_see(images, tables))

    def _look(
        self, network: Samwise, encoded: EncodedImages, seen: list[Tensor] | None
    ) -> tuple[Sequence[Tensor], Tensor | None]:
        """The same of clips that are encoded already."""
        assert self.heads is not None
        through_time = self.heads.move is not None and encoded.reduced.shape[1] > 1
        looked = look_through_time(network.adapters, encoded).flatten(0, 1) if through_time else None
        return seen or network.see_further(encoded.stage1.flatten(0, 1)), looked

    def _choice(self, logits: Tensor, mask: Tensor, shown: Tensor, frames: int) -> dict[str, Tensor]:
        """Which thing the logits (B * T, 1, h, w) choose; real data do not number theirs."""
        if not self._weights["choice"]:
            return {}
        return {"choice": cells_choice_loss(logits[:, 0].float(), mask, shown[:, 0], frames)}

    def _of_samwise(
        self, network: Samwise, frames: Sequence[Tracked], mask: Tensor, padding: Tensor
    ) -> dict[str, Tensor]:
        """What SAMWISE alone has to learn: whether the object is in view, and when the memory misleads."""
        losses = {}
        if self._weights["score"] and network.config.object_score:
            scores = torch.stack([frame.decoded.score_logits for frame in frames], 1).flatten(0, 1)
            losses["score"] = score_loss(scores, mask)
        checked = [frame for frame in frames if frame.check is not None]
        if self._weights["cme"] and checked:
            losses["cme"] = cme_loss(checked, padding)
        return losses

    def _named(self, clip: Any) -> tuple[Sequence[Tensor], Tensor | None, Sequence[Tensor], Tensor]:
        """What `AuxiliaryHeads` names in a clip that was spoken of, and the sentence vectors."""
        if isinstance(self.network, RefSam):
            return clip.maps, None, clip.maps, clip.text.sentence
        seen, looked = self._look(self.network, clip.images, clip.seen)
        return seen, looked, [stage.flatten(0, 1) for stage in clip.fused.stages[1:]], clip.fused.text_state


def build_heads(network: Network, classes: tuple[int, ...]) -> AuxiliaryHeads:
    """Heads for the maps that `network.see` gives, and for those that the text has reached.

    Args:
        network: SAMWISE, whose fused maps are of stride 8, 16 and 32, the last too coarse to be a mask; or RefSAM,
            whose maps are of one size, the last two the nearest to the text.
        classes: numbers of names of each sort.

    Returns:
        The heads, freshly initialised.
    """
    config = network.config
    if isinstance(config, RefSamConfig):
        seen = [*middle_widths(config), config.width]
        return AuxiliaryHeads(seen, 0, seen, (len(seen) - 2, len(seen) - 1), config.width, classes)
    fused = [config.hiera.embed_dim * factor for factor in (2, 4, 8)]
    seen = list(pyramid_widths(config.hiera.embed_dim)) if config.pyramid else fused
    looked = config.adapter_width if config.temporal_attention or config.frame_change else 0
    return AuxiliaryHeads(seen, looked, fused, (0, 1), config.text.width, classes)
