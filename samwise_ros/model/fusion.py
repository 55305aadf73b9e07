"""Early fusion: image encoder and text encoder run stage by stage and exchange what they know in between.

Called by `model.samwise`, which owns the parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from samwise_ros.config import ModelConfig
from samwise_ros.model.adapter import CrossModalTemporalAdapter
from samwise_ros.model.sam2_bridge import Sam2
from samwise_ros.model.sam2_steps import Tables, embed_patches, run_stage
from samwise_ros.model.text import TextEncoder, stack_tokens

PATCH_SIDES = (8, 4, 2)
"""Cells along an edge of the temporal attention's patches, for adapters 0, 1, 2."""


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """T frames of each of R clips, as far as no text reaches.

    Attributes:
        stage0: (R, T, H/4, W/4, C1), channels last.
        stage1: (R, T, H/8, W/8, C2), channels last.
        reduced: (R, T, H/8, W/8, A), `stage1` in the width of adapter 0.
    """

    stage0: Tensor
    stage1: Tensor
    reduced: Tensor

    def repeat(self, times: int) -> EncodedImages:
        """Each clip so many times, one after the other."""
        if times == 1:
            return self
        return EncodedImages(*(part.repeat_interleave(times, 0) for part in (self.stage0, self.stage1, self.reduced)))


@dataclass(frozen=True, slots=True)
class EncodedText:
    """B expressions after the text layers that no image reaches.

    Attributes:
        tokens: (B, L, D).
        padding: (B, L) bool, True where a token is padding; None where none is.
    """

    tokens: Tensor
    padding: Tensor | None


@dataclass(frozen=True, slots=True)
class Windows:
    """What a stream's past frames left for the adapters.

    Attributes:
        reduced: for each adapter, (R, n, h, w, A), newest frame last: its inputs in the last n frames. R is B, or 1
            for adapter 0, whose inputs all targets share.
        lengths: B numbers 0..n: how many of those frames each target has seen, and so attends to.
    """

    reduced: tuple[Tensor, Tensor, Tensor]
    lengths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fused:
    """What fusion makes of T frames for each of B expressions.

    Attributes:
        stages: four maps (B, T, C_k, h_k, w_k), strides 4, 8, 16, 32; the first, which no text reaches, has as many
            rows as there were clips.
        text_state: (B, D), the sentence vector after the last step.
        reduced: for each adapter its inputs, (B, T, h, w, A), which a stream keeps; adapter 0 has as many rows as there
            were clips.
    """

    stages: tuple[Tensor, Tensor, Tensor, Tensor]
    text_state: Tensor
    reduced: tuple[Tensor, Tensor, Tensor]


def build_adapters(config: ModelConfig) -> nn.ModuleList:
    """The three adapters, after backbone stages 1, 2 and 3 (of 0..3)."""
    return nn.ModuleList(
        CrossModalTemporalAdapter(
            config.hiera.embed_dim * 2 ** (k + 1),
            config.text.width,
            config.adapter_width,
            config.adapter_heads,
            PATCH_SIDES[k],
            temporal=config.temporal_attention,
            vision_to_text=config.vision_to_text,
            change=config.frame_change and k == 0,
        )
        for k in range(3)
    )


def stack_texts(texts: Sequence[EncodedText], length: int | None = None) -> EncodedText:
    """Make one batch of several expressions; see `text.stack_tokens`."""
    return EncodedText(*stack_tokens([(text.tokens, text.padding) for text in texts], length))


def encode_images(
    sam: Sam2, tables: Tables, adapters: nn.ModuleList, images: Tensor, hints: tuple[Tensor, Tensor] | None = None
) -> EncodedImages:
    """Run all that does not depend on any text.

    Args:
        sam: holds the backbone.
        tables: of the image's size.
        adapters: the three adapters.
        images: (R, T, 3, H, W) normalised.
        hints: what a pyramid adds to the maps, (R * T, H/4, W/4, C1) and (R * T, H/8, W/8, C2); None without one.

    Returns:
        The first two stages' maps.
    """
    clips = images.shape[:2]
    stage0 = run_stage(sam, 0, embed_patches(sam, tables, images.flatten(0, 1)))
    if hints is not None:
        stage0 = stage0 + hints[0]
    stage1 = run_stage(sam, 1, stage0)
    if hints is not None:
        stage1 = stage1 + hints[1]
    reduced = _adapter(adapters, 0).reduce(stage1)
    return EncodedImages(stage0.unflatten(0, clips), stage1.unflatten(0, clips), reduced.unflatten(0, clips))


def look_through_time(adapters: nn.ModuleList, images: EncodedImages) -> Tensor:
    """What adapter 0 makes of each clip's frames by looking at all of them, before it reads a word.

    Args:
        adapters: the three adapters.
        images: R clips of T frames.

    Returns:
        (R, T, H/8, W/8, A).
    """
    return _adapter(adapters, 0).look_back(images.reduced, images.reduced.shape[1])


def fuse(
    sam: Sam2,
    text_encoder: TextEncoder,
    adapters: nn.ModuleList,
    cuts: Sequence[int],
    images: EncodedImages,
    text: EncodedText,
    windows: Windows | None = None,
) -> Fused:
    """Run the remaining stages of both encoders with the adapters between them.

    Args:
        sam: holds the backbone.
        text_encoder: runs the remaining text layers.
        adapters: the three adapters.
        cuts: text layers done after each of the four steps.
        images: T frames of B clips, or of one clip that all texts are about.
        text: B expressions.
        windows: what earlier frames left; None where the T frames are the whole window, which is the published form.

    Returns:
        The fused maps of the T frames.

    Source: SAMWISE, `_early_fusion_stage` of the reference implementation.
    """
    b, frames = text.tokens.shape[0], images.reduced.shape[1]
    vision, new, tokens = images.stage1, images.reduced, text.tokens
    stages = [images.stage0.permute(0, 1, 4, 2, 3)]
    reduced = []
    for k in range(3):
        adapter = _adapter(adapters, k)
        if k > 0:
            vision = run_stage(sam, k + 1, vision.flatten(0, 1))
            tokens = text_encoder.run_layers(tokens, text.padding, cuts[k], cuts[k + 1])
            new = adapter.reduce(vision).unflatten(0, (b, frames))
            vision = vision.unflatten(0, (b, frames))
        if windows is None:
            x, scene = adapter.look_back(new, frames), new.mean(1)
        else:
            lengths = [length + frames for length in windows.lengths]
            x, scene = _look_back(adapter, torch.cat((windows.reduced[k], new), 1), frames, lengths)
        vision_residual, text_residual = adapter.exchange(x, scene, tokens, text.padding)
        vision = vision + vision_residual
        tokens = tokens + text_residual
        stages.append(vision.permute(0, 1, 4, 2, 3))
        reduced.append(new)
    return Fused(
        stages=(stages[0], stages[1], stages[2], stages[3]),
        text_state=tokens[:, 0],
        reduced=(reduced[0], reduced[1], reduced[2]),
    )


def _look_back(
    adapter: CrossModalTemporalAdapter, window: Tensor, queries: int, lengths: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """`look_back` for targets that may have seen different numbers of frames; one pass for each number.

    Args:
        adapter: the adapter.
        window: (R, n, h, w, A), newest frame last, R = B or 1.
        queries: q.
        lengths: B numbers of frames to look at, q..n.

    Returns:
        (B, q, h, w, A) and the windows' means (B, h, w, A); one row each where R = 1 and all lengths are equal.
    """
    if len(set(lengths)) == 1:
        window = window[:, window.shape[1] - lengths[0] :]
        return adapter.look_back(window, queries), window.mean(1)
    seen: dict[int, tuple[Tensor, Tensor]] = {}
    for length in sorted(set(lengths)):
        part = window[:, window.shape[1] - length :]
        if len(window) > 1:
            part = part[[row for row, own in enumerate(lengths) if own == length]]
        seen[length] = adapter.look_back(part, queries), part.mean(1)
    # Each target takes its row of its group, in the targets' order.
    place = [0 if len(window) == 1 else lengths[:row].count(length) for row, length in enumerate(lengths)]
    x, scene = (
        torch.stack([seen[length][part][row] for length, row in zip(lengths, place, strict=True)]) for part in (0, 1)
    )
    return x, scene


def _adapter(adapters: nn.ModuleList, k: int) -> CrossModalTemporalAdapter:
    adapter = adapters[k]
    assert isinstance(adapter, CrossModalTemporalAdapter)
    return adapter
