"""SAMWISE: SAM 2 made to understand language and time. Weights only; the video's state is handed in and out.

`model.streaming` runs it frame by frame for the engine, `training` runs whole clips.

Source: Cuttano et al., "SAMWISE: Infusing Wisdom in SAM2 for Text-Driven Video Segmentation", CVPR 2025
(arXiv 2411.17646), and the behaviour of its reference implementation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from samwise_ros.config import ModelConfig
from samwise_ros.model import fusion, sam2_bridge
from samwise_ros.model import sam2_steps as steps
from samwise_ros.model.cme import ConditionalMemoryEncoder
from samwise_ros.model.fusion import EncodedImages, EncodedText, Fused
from samwise_ros.model.sam2_bridge import MEMORY_FRAMES, MEMORY_POINTERS
from samwise_ros.model.sam2_steps import NO_OBJECT_LOGIT, Decoded, Features
from samwise_ros.model.text import PAD_ID, TextEncoder

CME_WINDOW = 4
"""The Conditional Memory Encoder waits for more frames than this, and `CME_WINDOW - 1` frames after a switch."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What B targets' past frames left, oldest first.

    Attributes:
        maps: (K, B, M, h, w), K = 1..6.
        pointers: (P, B, C), P = 1..15.
    """

    maps: Tensor
    pointers: Tensor


@dataclass(frozen=True, slots=True)
class Tracked:
    """One frame of B targets, decoded and ready to be remembered.

    Attributes:
        decoded: the decoder's raw predictions.
        mask_logits: (B, 1, S/4, S/4); all `NO_OBJECT_LOGIT` where the object is not in view.
        pointer: (B, C) object pointer.
        memory_map: (B, M, h, w) memory entry.
        cme_logits: (B, 2) where the Conditional Memory Encoder ran, else None.
        memoryless: the memory-less prediction where the Conditional Memory Encoder ran, else None.
        switched: (B,) bool, where it put the memory-less prediction into the memory.
    """

    decoded: Decoded
    mask_logits: Tensor
    pointer: Tensor
    memory_map: Tensor
    cme_logits: Tensor | None
    memoryless: Decoded | None
    switched: Tensor


@dataclass(frozen=True, slots=True)
class Clip:
    """B clips of T frames.

    Attributes:
        fused: the fused encoders' outputs.
        frames: T entries.
    """

    fused: Fused
    frames: list[Tracked]


class Samwise(nn.Module):
    """The network of any preset.

    Args:
        config: the preset.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.text_encoder = TextEncoder(config.text)
        self.sam = sam2_bridge.build_sam2(config)
        self.adapters = fusion.build_adapters(config)
        self.project_text = prompt_projector(config.text.width, config.width)
        self.cme = ConditionalMemoryEncoder(config.width)

    def set_image_side(self, side_px: int) -> None:
        """Take images of another size; no weight depends on it.

        Args:
            side_px: side S of the square images, a multiple of 64.
        """
        self.config = replace(self.config, image_side_px=side_px)
        sam2_bridge.set_image_side(self.sam, side_px)

    def encode_text(self, ids: Tensor) -> EncodedText:
        """Run the text layers that no image reaches.

        Args:
            ids: (B, L) int64 token ids, padded with `PAD_ID`.

        Returns:
            The tokens before adapter 0.
        """
        padding = ids == PAD_ID
        tokens = self.text_encoder.run_layers(self.text_encoder.embed(ids), padding, 0, self.config.text.cuts[1])
        return EncodedText(tokens, padding)

    def encode_images(self, images: Tensor) -> EncodedImages:
        """Run the image stages that no text reaches, on (N, 3, S, S) normalised images."""
        return fusion.encode_images(self.sam, images)

    def fuse(self, images: EncodedImages, text: EncodedText, past: Sequence[Tensor] | None = None) -> Fused:
        """Run the rest of both encoders; see `fusion.fuse`."""
        return fusion.fuse(self.sam, self.text_encoder, self.adapters, self.config.text.cuts, images, text, past)

    def features(self, fused: Fused) -> Features:
        """The levels that the decoder uses, of the B * T frames."""
        return steps.run_neck(self.sam, list(fused.stages))

    def track(self, features: Features, text_state: Tensor, memory: Memory | None, *, check_memory: bool) -> Tracked:
        """Decode one frame and encode what it leaves.

        Args:
            features: of B images.
            text_state: (B, D).
            memory: what past frames left; None on the first frame.
            check_memory: whether the Conditional Memory Encoder runs on this frame.

        Returns:
            The frame's predictions and memory entry. The published mask is never changed by the Conditional Memory
            Encoder, only the memory.
        """
        prompt = self.project_text(text_state)
        if memory is None:
            conditioned = steps.add_no_memory(self.sam, features.top)
        else:
            conditioned = steps.read_memory(self.sam, features.top, memory.maps, memory.pointers)
        decoded = steps.decode_mask(self.sam, features, conditioned, prompt)
        mask_logits = self._hide_absent(decoded)
        pointer = steps.object_pointer(self.sam, decoded)
        memory_logits = steps.high_resolution(self.sam, mask_logits)

        cme_logits, memoryless = None, None
        switched = torch.zeros(mask_logits.shape[0], dtype=torch.bool, device=mask_logits.device)
        if check_memory:
            memoryless = steps.decode_mask(self.sam, features, steps.add_no_memory(self.sam, features.top), prompt)
            cme_logits = self.cme(pointer.detach(), memoryless.early_token.detach())
            if not self.training:
                switched = cme_logits.argmax(1) == 1
                other = steps.high_resolution(self.sam, self._hide_absent(memoryless))
                take = switched[:, None, None, None] & (other > 0)
                memory_logits = torch.where(take, 10 * other, memory_logits)
        memory_map = steps.write_memory(self.sam, features.top, memory_logits)
        return Tracked(decoded, mask_logits, pointer, memory_map, cme_logits, memoryless, switched)

    def forward(self, images: Tensor, ids: Tensor) -> Clip:
        """Run whole clips from their first frame, all T frames in one window.

        Args:
            images: (B, T, 3, S, S) normalised.
            ids: (B, L) int64 token ids, padded with `PAD_ID`.

        Returns:
            T frames of predictions. In training mode masks are not hidden by the object score and the memory is
            never switched, as in the reference.
        """
        b, t = images.shape[:2]
        fused = self.fuse(self.encode_images(images.flatten(0, 1)), self.encode_text(ids))
        features = self.features(fused)
        rows = torch.arange(b, device=images.device) * t
        tracked: list[Tracked] = []
        for frame in range(t):
            memory = None
            if tracked:
                memory = Memory(
                    torch.stack([past.memory_map for past in tracked[-MEMORY_FRAMES:]]),
                    torch.stack([past.pointer for past in tracked[-MEMORY_POINTERS:]]),
                )
            recent = tracked[-(CME_WINDOW - 2) :]
            check = may_check_memory(frame, [bool(past.switched.any()) for past in recent])
            tracked.append(self.track(features.frames(rows + frame), fused.text_state, memory, check_memory=check))
        return Clip(fused, tracked)

    def _hide_absent(self, decoded: Decoded) -> Tensor:
        """Mask logits with the object score applied: (B, 1, S/4, S/4)."""
        if self.training:
            return decoded.mask_logits
        in_view = decoded.score_logits[..., None, None] > 0
        return torch.where(in_view, decoded.mask_logits, NO_OBJECT_LOGIT)


def may_check_memory(frame: int, recently_switched: Sequence[bool]) -> bool:
    """Whether the Conditional Memory Encoder runs on a frame.

    Args:
        frame: number of frames processed before it.
        recently_switched: for the last `CME_WINDOW - 2` frames, whether the memory was switched.

    Returns:
        True after the first `CME_WINDOW` frames while no recent switch still has to settle.

    Source: reference implementation: `t - last_switch >= window - 1 and t > window`.
    """
    return frame > CME_WINDOW and not any(recently_switched)


def prompt_projector(text_width: int, width: int) -> nn.Module:
    """The MLP that turns the text's sentence vector (N, D) into a prompt token (N, C)."""
    return nn.Sequential(
        nn.Linear(text_width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
    )
