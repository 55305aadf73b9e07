"""SAMWISE: SAM 2 made to understand language and time. Weights only; the video's state is handed in and out.

`model.samwise_segmenter` runs it step by step for the engine, `training` runs whole clips.

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
from samwise_ros.model.fusion import EncodedImages, EncodedText, Fused, Windows
from samwise_ros.model.memory_attention import read_memory
from samwise_ros.model.pyramid import ConvPyramid
from samwise_ros.model.sam2_bridge import MEMORY_FRAMES, MEMORY_POINTERS
from samwise_ros.model.sam2_steps import NO_OBJECT_LOGIT, Decoded, Features, Tables
from samwise_ros.model.stages import stage
from samwise_ros.model.text import PAD_ID, TextEncoder

CME_WINDOW = 4
"""The Conditional Memory Encoder waits for more frames than this, and `CME_WINDOW - 1` frames after a switch."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What past frames left of B targets, newest frame last. Targets may be of different age.

    Attributes:
        ages: B numbers of frames that have been processed for each target.
        maps: (B, K, M, h, w), K up to 6; the last min(age, K) entries are a target's own.
        pointers: (B, P, C), P up to 15; likewise.
        switched: (B, Q) bool, Q up to `CME_WINDOW - 2`: whether the memory was switched; False where there was no
            frame.
    """

    ages: tuple[int, ...]
    maps: Tensor
    pointers: Tensor
    switched: Tensor


@dataclass(frozen=True, slots=True)
class Check:
    """What the Conditional Memory Encoder found in one frame of B targets.

    Attributes:
        due: (B,) bool, for which targets the question was due.
        logits: (B, 2), class 1 being another object.
        memoryless: the prediction without memory that it looked at.
    """

    due: Tensor
    logits: Tensor
    memoryless: Decoded


@dataclass(frozen=True, slots=True)
class Tracked:
    """One frame of B targets, decoded and ready to be remembered.

    Attributes:
        decoded: the decoder's raw predictions.
        mask_logits: (B, 1, H/4, W/4); all `NO_OBJECT_LOGIT` where the object is not in view.
        pointer: (B, C) object pointer.
        memory_map: (B, M, h, w) memory entry.
        check: what the Conditional Memory Encoder found, where it ran for any target.
        switched: (B,) bool, where it put the memory-less prediction into the memory.
    """

    decoded: Decoded
    mask_logits: Tensor
    pointer: Tensor
    memory_map: Tensor
    check: Check | None
    switched: Tensor


@dataclass(frozen=True, slots=True)
class Clip:
    """B clips of T frames.

    Attributes:
        images: the R pictured clips as far as no text reaches; R divides B.
        seen: the pyramid's maps of their R * T frames; None without one.
        fused: the fused encoders' outputs.
        frames: T entries.
    """

    images: EncodedImages
    seen: list[Tensor] | None
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
        self.cme = ConditionalMemoryEncoder(config.width) if config.memory_check else None
        self.pyramid = ConvPyramid(config.hiera.embed_dim, (0, 1)) if config.pyramid else None
        for part in config.frozen:
            self.get_submodule(part).requires_grad_(False)

    def set_image_side(self, side_px: int) -> None:
        """Take images of another size; no weight depends on it.

        Args:
            side_px: side S of the square images, a multiple of 64.
        """
        self.config = replace(self.config, image_side_px=side_px)
        sam2_bridge.set_image_side(self.sam, side_px)

    def make_tables(self) -> Tables:
        """All that depends on the image's size alone; to be made anew where the size or the weights change."""
        return steps.make_tables(self.sam)

    def encode_text(self, ids: Tensor) -> EncodedText:
        """Run the text layers that no image reaches.

        Args:
            ids: (B, L) int64 token ids, padded with `PAD_ID`; one expression alone has no padding.

        Returns:
            The tokens before adapter 0.
        """
        padding = None if len(ids) == 1 else ids == PAD_ID
        tokens = self.text_encoder.run_layers(self.text_encoder.embed(ids), padding, 0, self.config.text.cuts[1])
        return EncodedText(tokens, padding)

    def see(self, images: Tensor) -> list[Tensor]:
        """Recognise what there is, without a word: with the pyramid, or where there is none with the backbone alone.

        Args:
            images: (P, 3, H, W) normalised.

        Returns:
            The pyramid's maps of strides 4, 8, 16 and 32, or the backbone's of strides 8, 16 and 32: (P, C_k, h_k,
            w_k).
        """
        if self.pyramid is not None:
            return list(self.pyramid(images))
        tables = self.make_tables().crop(images.shape[-2], images.shape[-1])
        patches = steps.embed_patches(self.sam, tables, images)
        return self.see_further(steps.run_stage(self.sam, 1, steps.run_stage(self.sam, 0, patches)))

    def see_further(self, stage1: Tensor) -> list[Tensor]:
        """Run the rest of the image backbone alone.

        Args:
            stage1: (P, H/8, W/8, C_1), channels last, the first two stages' map.

        Returns:
            The backbone's maps of strides 8, 16 and 32: (P, C_k, h_k, w_k).
        """
        stage2 = steps.run_stage(self.sam, 2, stage1)
        maps = (stage1, stage2, steps.run_stage(self.sam, 3, stage2))
        return [level.permute(0, 3, 1, 2) for level in maps]

    def encode_images(self, images: Tensor, tables: Tables) -> EncodedImages:
        """Run all that no text reaches on (R, T, 3, H, W) normalised images; see `fusion.encode_images`."""
        return self.encode_and_see(images, tables)[0]

    def encode_and_see(self, images: Tensor, tables: Tables) -> tuple[EncodedImages, list[Tensor] | None]:
        """What `encode_images` gives, and the pyramid's maps of the R * T images, None without one."""
        if self.pyramid is None:
            return fusion.encode_images(self.sam, tables, self.adapters, images), None
        seen = self.pyramid(images.flatten(0, 1))
        fine, coarse = (told.permute(0, 2, 3, 1) for told in self.pyramid.tell(seen))
        return fusion.encode_images(self.sam, tables, self.adapters, images, (fine, coarse)), seen

    def fuse(self, images: EncodedImages, text: EncodedText, windows: Windows | None = None) -> Fused:
        """Run the rest of both encoders; see `fusion.fuse`."""
        return fusion.fuse(self.sam, self.text_encoder, self.adapters, self.config.text.cuts, images, text, windows)

    def features(self, fused: Fused) -> list[Features]:
        """The levels that the decoder uses, for each of the T frames."""
        return steps.run_neck(self.sam, fused.stages)

    def track(self, features: Features, text_state: Tensor, memory: Memory | None, tables: Tables) -> Tracked:
        """Decode one frame and encode what it leaves.

        Args:
            features: of B targets.
            text_state: (B, D).
            memory: what past frames left; None where this is the first frame of all targets.
            tables: from `make_tables`.

        Returns:
            The frame's predictions and memory entry. The published mask is never changed by the Conditional Memory
            Encoder, only the memory.
        """
        prompt = self.project_text(text_state)
        with stage("memory read"):
            conditioned = self._read_memory(features.top, memory, tables)
        with stage("decode"):
            decoded, memoryless = self._decode(features, conditioned, prompt, memory, tables)
            mask_logits = self._hide_absent(decoded)
            pointer = steps.object_pointer(self.sam, decoded)
        with stage("memory check"):
            check = None if memory is None or memoryless is None else self._check(memoryless, pointer, memory)
        with stage("memory write"):
            switched, memory_logits = self._choose_memory(mask_logits, check)
            memory_map = steps.write_memory(self.sam, features.top, memory_logits)
        return Tracked(decoded, mask_logits, pointer, memory_map, check, switched)

    def _choose_memory(self, mask_logits: Tensor, check: Check | None) -> tuple[Tensor, Tensor]:
        """Which targets' memory is switched (B,), and the mask logits to remember (B, 1, H, W)."""
        memory_logits = steps.high_resolution(mask_logits)
        if check is None or self.training:
            switched = torch.zeros(mask_logits.shape[0], dtype=torch.bool, device=mask_logits.device)
        else:
            switched = check.due & (check.logits[:, 1] > check.logits[:, 0])
            other = steps.high_resolution(self._hide_absent(check.memoryless))
            take = switched[:, None, None, None] & (other > 0)
            memory_logits = torch.where(take, 10 * other, memory_logits)
        return switched, memory_logits

    def forward(self, images: Tensor, ids: Tensor) -> Clip:
        """Run whole clips from their first frame, all T frames in one window.

        Args:
            images: (R, T, 3, H, W) normalised; H and W are S or less, multiples of 64.
            ids: (B, L) int64 token ids, padded with `PAD_ID`; R divides B, and B / R expressions after one another are
                about the same clip.

        Returns:
            T frames of predictions. In training mode masks are not hidden by the object score and the memory is
            never switched, as in the reference.
        """
        tables = self.make_tables().crop(images.shape[-2], images.shape[-1])
        encoded, seen = self.encode_and_see(images, tables)
        fused = self.fuse(encoded.repeat(len(ids) // len(images)), self.encode_text(ids))
        tracked: list[Tracked] = []
        for features in self.features(fused):
            tracked.append(self.track(features, fused.text_state, _memory_of(tracked), tables))
        return Clip(encoded, seen, fused, tracked)

    def _read_memory(self, top: Tensor, memory: Memory | None, tables: Tables) -> Tensor:
        """Condition top-level features (B, C, h, w) on each target's memory; one pass for each length of memory."""
        if memory is None:
            return steps.add_no_memory(self.sam, top)
        lengths = [min(age, MEMORY_POINTERS) for age in memory.ages]
        if len(set(lengths)) == 1:
            return self._read_frames(top, memory.maps, memory.pointers, lengths[0], tables)
        conditioned = torch.empty_like(top)
        for length in set(lengths):
            rows = [row for row, own in enumerate(lengths) if own == length]
            conditioned[rows] = self._read_frames(top[rows], memory.maps[rows], memory.pointers[rows], length, tables)
        return conditioned

    def _read_frames(self, top: Tensor, maps: Tensor, pointers: Tensor, length: int, tables: Tables) -> Tensor:
        """Condition features on the last `length` pointers and as many of the maps as there are."""
        if length == 0:
            return steps.add_no_memory(self.sam, top)
        maps, pointers = maps[:, -min(length, MEMORY_FRAMES) :], pointers[:, -length:]
        return read_memory(self.sam, tables.memory, top, maps, pointers)

    def _decode(
        self, features: Features, conditioned: Tensor, prompt: Tensor, memory: Memory | None, tables: Tables
    ) -> tuple[Decoded, Decoded | None]:
        """Decode with the memory; without it, too, where the Conditional Memory Encoder may be due for any target."""
        if self.cme is None or memory is None or max(memory.ages) <= CME_WINDOW:
            return steps.decode_mask(self.sam, tables, features, conditioned, prompt), None
        # In one batch: the decoder's operations are so small that their number counts.
        both = torch.cat((conditioned, steps.add_no_memory(self.sam, features.top)))
        return steps.decode_mask(self.sam, tables, features.twice(), both, prompt.repeat(2, 1)).halves()

    def _check(self, memoryless: Decoded, pointer: Tensor, memory: Memory) -> Check:
        """Ask the Conditional Memory Encoder, and for which targets it is due.

        Source: reference implementation: `t - last_switch >= window - 1 and t > window`.
        """
        assert self.cme is not None
        due = ~memory.switched.any(1)
        if min(memory.ages) <= CME_WINDOW:
            due &= torch.tensor([age > CME_WINDOW for age in memory.ages], device=pointer.device)
        logits = self.cme(pointer.detach(), memoryless.early_token.detach())
        return Check(due, logits, memoryless)

    def _hide_absent(self, decoded: Decoded) -> Tensor:
        """Mask logits with the object score applied: (B, 1, H/4, W/4)."""
        if self.training:
            return decoded.mask_logits
        in_view = decoded.score_logits[..., None, None] > 0
        return torch.where(in_view, decoded.mask_logits, NO_OBJECT_LOGIT)


def _memory_of(tracked: Sequence[Tracked]) -> Memory | None:
    """What the frames of a clip left so far, all targets being as old as the clip."""
    if not tracked:
        return None
    return Memory(
        ages=(len(tracked),) * len(tracked[0].pointer),
        maps=torch.stack([past.memory_map for past in tracked[-MEMORY_FRAMES:]], 1),
        pointers=torch.stack([past.pointer for past in tracked[-MEMORY_POINTERS:]], 1),
        switched=torch.stack([past.switched for past in tracked[-(CME_WINDOW - 2) :]], 1),
    )


def prompt_projector(text_width: int, width: int) -> nn.Module:
    """The MLP that turns the text's sentence vector (N, D) into a prompt token (N, C)."""
    return nn.Sequential(
        nn.Linear(text_width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
    )
