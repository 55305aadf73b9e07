"""RefSAM: SAM 1 told by words what to segment, frame by frame. Weights only; the video's state is handed in and out.

`model.refsam_segmenter` runs it step by step for the engine, training runs whole clips.

Source: Li et al., "RefSAM: Efficiently Adapting Segmenting Anything Model for Referring Video Object Segmentation",
Neural Networks 2025 (arXiv 2307.00997): its abstract, figures and parameter counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from samwise_ros.config import RefSamConfig
from samwise_ros.model import sam1_steps as steps
from samwise_ros.model.pyramid import ConvPyramid, pyramid_widths
from samwise_ros.model.refsam_parts import (
    BlockAdapters,
    CrossModalMlp,
    DenseAttention,
    HierarchicalDenseAttention,
    ImplicitTracking,
)
from samwise_ros.model.refsam_text import build_text_encoder, mean_word
from samwise_ros.model.sam1_bridge import Sam1
from samwise_ros.model.sam1_steps import Decoded
from samwise_ros.model.stages import stage

PYRAMID_LEVEL = 1
"""The pyramid's map whose cells are those of the image embedding, of stride 8."""


@dataclass(frozen=True, slots=True)
class EncodedText:
    """N expressions in the space of SAM's prompts, all vectors of length 1.

    Attributes:
        sentence: (N, C).
        words: (N, L, C).
        padding: (N, L) bool, True where a word is padding; None where none is.
    """

    sentence: Tensor
    words: Tensor
    padding: Tensor | None


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """What no text reaches of P images.

    Attributes:
        embedding: (P, C, h, w), SAM's image embedding.
        middle: (P, C, h, w), the middle maps for Hierarchical Dense Attention; None where there is none.
    """

    embedding: Tensor
    middle: Tensor | None

    def at(self, first: int, step: int | None = None, times: int = 1) -> EncodedImages:
        """Some of the images.

        Args:
            first: index of the first.
            step: distance to the next; None for the first alone.
            times: how often each is repeated, one after the other.

        Returns:
            Those images.
        """
        chosen = slice(first, first + 1) if step is None else slice(first, None, step)
        middle = None if self.middle is None else self.middle[chosen].repeat_interleave(times, 0)
        return EncodedImages(self.embedding[chosen].repeat_interleave(times, 0), middle)


@dataclass(frozen=True, slots=True)
class Tracked:
    """One frame of N targets.

    Attributes:
        decoded: the decoder's predictions.
        track: (N, C), the track token for the next frame; None where there is no tracking module.
    """

    decoded: Decoded
    track: Tensor | None


@dataclass(frozen=True, slots=True)
class Clip:
    """B clips of T frames.

    Attributes:
        maps: as `RefSam.see` gives them, of the R * T images.
        text: B expressions.
        frames: T entries of B targets.
    """

    maps: list[Tensor]
    text: EncodedText
    frames: list[Tracked]


class RefSam(nn.Module):
    """The network of any RefSAM preset.

    Args:
        config: the preset.

    Differs: the mask decoder is given SAM's image embedding as it comes, at the scale that its weights know; only dense
    attention sees it with length 1. `refsam_compact` has a convolutional pyramid besides, whose map of stride 8 is
    added to the image embedding and is one more middle map (docs/decisions/0007).
    """

    def __init__(self, config: RefSamConfig) -> None:
        super().__init__()
        self.config = config
        vit, width = config.vit, config.width
        middle_width = sum(middle_widths(config))
        self.text_encoder = build_text_encoder(config.text)
        self.sam = Sam1(config)
        self.adapters = nn.ModuleList(BlockAdapters(vit.width) for _ in range(vit.layers // 2))
        self.cross_modal_mlp = CrossModalMlp(config.text.width, width)
        self.dense_attention = DenseAttention(width) if config.dense_attention else None
        self.hierarchical_attention = (
            HierarchicalDenseAttention(middle_width, width) if config.hierarchical_attention else None
        )
        self.tracking = ImplicitTracking(width) if config.tracking else None
        self.pyramid = ConvPyramid(pyramid_width(config), (PYRAMID_LEVEL,)) if config.pyramid else None
        for part in config.frozen:
            self.get_submodule(part).requires_grad_(False)

    def set_image_side(self, side_px: int) -> None:
        """Take images of another size: position embeddings are stretched as they are read, and no weight changes.

        Args:
            side_px: side S of the square images, a multiple of the patch's, and of 32 where there is a pyramid.
        """
        self.config = replace(self.config, image_side_px=side_px)

    def encode_text(self, ids: Tensor) -> EncodedText:
        """Run all that no image reaches.

        Args:
            ids: (B, L) int64 token ids, padded as the tokenizer pads.

        Returns:
            The expressions, with `padding` given.
        """
        padding = ids == self.config.text.special_ids["<pad>"]
        words = self.text_encoder(ids, padding).to(next(self.cross_modal_mlp.parameters()).dtype)
        sentence = self.cross_modal_mlp(mean_word(words, padding))
        return EncodedText(sentence, self.cross_modal_mlp(words), padding)

    def see(self, images: Tensor) -> list[Tensor]:
        """Run the image encoder, and the pyramid where there is one.

        Args:
            images: (P, 3, S, S) normalised.

        Returns:
            The middle maps (P, V_k, h, w), V_k being `middle_widths`, and the image embedding (P, C, h, w).
        """
        *middle, embedding = steps.run_encoder(self.sam, [*self.adapters], images)
        if self.pyramid is None:
            return [*middle, embedding]
        seen = self.pyramid(images)
        return [*middle, seen[PYRAMID_LEVEL], embedding + self.pyramid.tell(seen)[0]]

    def encode_images(self, images: Tensor) -> EncodedImages:
        """Run all that no text reaches.

        Args:
            images: (P, 3, S, S) normalised.

        Returns:
            Maps of P images.
        """
        return self.reduce(self.see(images))

    def reduce(self, maps: Sequence[Tensor]) -> EncodedImages:
        """What the mask decoder needs of the maps that `see` gives."""
        if self.hierarchical_attention is None:
            return EncodedImages(maps[-1], None)
        return EncodedImages(maps[-1], self.hierarchical_attention.reduce(torch.cat([*maps[:-1]], 1)))

    def prompt(self, images: EncodedImages, text: EncodedText) -> Tensor:
        """The dense prompt embeddings.

        Args:
            images: of R images; R is N, or 1 where all expressions are about the same image.
            text: N expressions.

        Returns:
            (N, C, h, w); where there is no dense attention SAM's own (1, C, 1, 1) for images without a mask.
        """
        tokens = torch.cat((text.sentence[:, None], text.words), 1)
        padding = None if text.padding is None else nn.functional.pad(text.padding, (1, 0))
        dense = []
        if self.dense_attention is not None:
            dense.append(self.dense_attention(images.embedding, tokens, padding))
        if self.hierarchical_attention is not None:
            dense.append(self.hierarchical_attention(images.middle, tokens, padding))
        if not dense:
            no_mask = self.sam.prompt_encoder.no_mask_embed
            assert no_mask is not None
            return no_mask.weight[..., None, None]
        return torch.stack(dense).sum(0)

    def track(
        self, images: EncodedImages, text: EncodedText, track: Tensor | None, new: Tensor | None = None
    ) -> Tracked:
        """Decode one frame.

        Args:
            images: of R images; R is N, or 1 where all targets are in the same image.
            text: N expressions.
            track: (N, C) track tokens that the frame before left; None where this is the first frame of all targets.
            new: (N,) bool, for which targets this is the first frame and `track` is zero; None where it is for none.

        Returns:
            The frame's masks and track tokens. The decoder's tokens are SAM's own, the track token, then the words.
        """
        sparse, hidden = text.words, text.padding
        if track is not None:
            sparse = torch.cat((track[:, None], sparse), 1)
            if new is not None or hidden is not None:
                nowhere = torch.zeros(text.words.shape[:2], dtype=torch.bool, device=track.device)
                hidden = torch.cat(
                    (nowhere[:, :1] if new is None else new[:, None], nowhere if hidden is None else hidden), 1
                )
        with stage("dense attention"):
            dense = self.prompt(images, text)
        with stage("decode"):
            decoded = steps.decode_mask(self.sam, images.embedding, dense, sparse, hidden)
        with stage("memory write"):
            return Tracked(decoded, None if self.tracking is None else self.tracking(decoded.mask_token, track))

    def forward(self, images: Tensor, ids: Tensor) -> Clip:
        """Run whole clips from their first frame.

        Args:
            images: (R, T, 3, S, S) normalised.
            ids: (B, L) int64 token ids; R divides B, and B / R expressions after one another are about the same clip.

        Returns:
            T frames of predictions.
        """
        maps = self.see(images.flatten(0, 1))
        encoded, text = self.reduce(maps), self.encode_text(ids)
        frames: list[Tracked] = []
        for time in range(images.shape[1]):
            now = encoded.at(time, images.shape[1], len(ids) // len(images))
            frames.append(self.track(now, text, frames[-1].track if frames else None))
        return Clip(maps, text, frames)


def middle_widths(config: RefSamConfig) -> list[int]:
    """Channels of the maps that words meet besides the image embedding: the global blocks', and the pyramid's."""
    widths = [config.vit.width] * (len(config.vit.global_blocks) - 1)
    return [*widths, config.width] if config.pyramid else widths


def pyramid_width(config: RefSamConfig) -> int:
    """The pyramid's width, with which its map has as many channels as the image embedding."""
    return config.width // pyramid_widths(1)[PYRAMID_LEVEL]
