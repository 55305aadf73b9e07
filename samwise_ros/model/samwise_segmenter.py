"""SAMWISE as a `Segmenter`: how it uses memory and windows in its two modes.

Called by `model.build`. In `stream` mode, the default, each frame is a step of its own, whose adapters attend to the
last `WINDOW` frames; in `clip` mode a step is `WINDOW` frames that attend to each other, as in the reference
implementation. Everything else is one code path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from tokenizers import Tokenizer
from torch import Tensor

from samwise_ros.config import image_step_px
from samwise_ros.model.edges import follow_edges
from samwise_ros.model.fusion import EncodedImages, EncodedText, Fused, Windows, stack_texts
from samwise_ros.model.sam2_bridge import MEMORY_FRAMES, MEMORY_POINTERS, STRIDE
from samwise_ros.model.sam2_steps import Features, Tables
from samwise_ros.model.samwise import CME_WINDOW, Memory, Samwise
from samwise_ros.model.segmenter import Past, Prediction, Ring, Seen
from samwise_ros.model.stages import stage
from samwise_ros.model.text import tokenize

Mode: TypeAlias = Literal["stream", "clip"]

WINDOW = 8
"""Frames that an adapter sees at once."""

ADAPTERS = ("adapter0", "adapter1", "adapter2")


@dataclass(frozen=True, slots=True)
class FusedFrames:
    """The frames of one step after fusion with N expressions.

    Attributes:
        fused: the fused encoders' outputs.
        features: for each frame what the mask decoder reads.
        images: (T, 3, H, W) normalised.
    """

    fused: Fused
    features: Sequence[Features]
    images: Tensor


class SamwiseSegmenter:
    """A trained SAMWISE with its tokenizer.

    Args:
        network: in evaluation mode, on its device.
        tokenizer: gives the token ids that the network was trained on.
        mode: "stream" (causal, an answer for every frame at once) or "clip" (windows of 8 frames, as published).
        dtype: the network is brought to this precision, in place.

    Source: SAMWISE, inference of the reference implementation.

    Differs: in `stream` mode a mask never waits for, or depends on, future frames. On a target's first frame the two
    modes are equal.
    """

    def __init__(
        self, network: Samwise, tokenizer: Tokenizer, mode: Mode = "stream", dtype: torch.dtype = torch.float32
    ) -> None:
        with torch.inference_mode():
            # In float32, whatever comes later: half precision cannot tell neighbouring places from one another.
            square = network.float().make_tables().to(dtype)
        side = network.config.image_side_px
        self._tables = {(side, side): square}
        self.network = network.to(dtype)
        self.tokenizer = tokenizer
        self.mode = mode

    @property
    def image_side_px(self) -> int:
        """Side S of the square into which images are fitted."""
        return self.network.config.image_side_px

    @property
    def image_step_px(self) -> int:
        """S, or what the adapters' patches divide; in `clip` mode frames are handled as published."""
        return self.image_side_px if self.mode == "clip" else image_step_px(self.network.config)

    @property
    def device(self) -> torch.device:
        """Where the weights live."""
        return next(self.network.parameters()).device

    @property
    def frames_per_step(self) -> int:
        """How many frames go through `fuse` together: 1, or in clip mode up to `WINDOW`."""
        return 1 if self.mode == "stream" else WINDOW

    @property
    def memory_spec(self) -> Mapping[str, Ring]:
        """What is remembered: SAM 2's memory, recent switches, and in stream mode the adapters' windows."""
        spec = {"map": Ring(MEMORY_FRAMES), "pointer": Ring(MEMORY_POINTERS), "switched": Ring(CME_WINDOW - 2)}
        if self.mode == "stream":
            # No text reaches the input of adapter 0, so all targets read the same one.
            spec |= {name: Ring(WINDOW - 1, shared=name == ADAPTERS[0]) for name in ADAPTERS}
        return spec

    @torch.inference_mode()
    def encode_text(self, text: str) -> EncodedText:
        """Tokenise an expression and run the text layers that no image reaches."""
        return self.network.encode_text(tokenize(self.tokenizer, [text], self.device))

    def pad_texts(self, texts: Sequence[EncodedText], tokens: int | None) -> EncodedText | None:
        """One text of several; see `captured.FixedShapes`."""
        if tokens is not None and max(text.tokens.shape[1] for text in texts) > tokens:
            return None
        return stack_texts(texts, tokens)

    @torch.inference_mode()
    def encode_images(self, images: Tensor) -> Seen[EncodedImages]:
        """Run all that no text reaches, on normalised images (T, 3, H, W)."""
        tables = self._tables_of(images.shape[-2], images.shape[-1])
        return Seen(self.network.encode_images(images[None].to(tables.patch_position.dtype), tables), images)

    @torch.inference_mode()
    def fuse(self, images: Seen[EncodedImages], texts: Sequence[EncodedText], past: Past) -> FusedFrames:
        """Let T frames and N expressions meet.

        Args:
            images: T frames.
            texts: N expressions.
            past: what the N targets' earlier frames left.

        Returns:
            What `decode` needs of the frames.
        """
        windows = None
        if self.mode == "stream" and past.tensors:
            first, second, third = (past.tensors[name] for name in ADAPTERS)
            windows = Windows((first, second, third), tuple(min(age, WINDOW - 1) for age in past.ages))
        fused = self.network.fuse(images.encoded, stack_texts(texts), windows)
        return FusedFrames(fused, self.network.features(fused), images.images)

    @torch.inference_mode()
    def decode(self, frames: FusedFrames, index: int, past: Past) -> Prediction:
        """Find N targets in one of the frames.

        Args:
            frames: the frames of this step.
            index: which of them, 0..T-1, in order.
            past: what the targets' earlier frames left, those of this step included.

        Returns:
            Masks, scores and what to remember.
        """
        memory = None
        # The reference takes a clip of one frame, so the last one of 9, 17, … frames, for an image on its own.
        alone = self.mode == "clip" and len(frames.features) == 1
        if past.tensors and not alone:
            memory = Memory(past.ages, past.tensors["map"], past.tensors["pointer"], past.tensors["switched"])
        features = frames.features[index]
        tables = self._tables_of(*(STRIDE * cells for cells in features.top.shape[-2:]))
        tracked = self.network.track(features, frames.fused.text_state, memory, tables)
        remember = {"map": tracked.memory_map, "pointer": tracked.pointer, "switched": tracked.switched}
        if self.mode == "stream":
            remember |= {name: new[:, index] for name, new in zip(ADAPTERS, frames.fused.reduced, strict=True)}
        mask_logits = tracked.mask_logits[:, 0]
        if self.network.config.follow_edges:
            with stage("edges"):
                mask_logits = follow_edges(mask_logits, frames.images[index])
        return Prediction(mask_logits, tracked.decoded.score_logits[:, 0], remember)

    def _tables_of(self, height_px: int, width_px: int) -> Tables:
        """The tables for images of this size, made at the first of them; there are few sizes."""
        size = (height_px, width_px)
        if size not in self._tables:
            self._tables[size] = self._tables[(self.image_side_px,) * 2].crop(*size)
        return self._tables[size]
