"""What the engine asks of a model: the protocol that SAMWISE and RefSAM both meet.

A segmenter holds weights only. What it wants to remember of a frame it hands back by name, and says in `memory_spec`
how many past frames of each it reads; the engine keeps just so many (`engine.memory`), whatever the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

ImagesT = TypeVar("ImagesT")
TextT = TypeVar("TextT")
FramesT = TypeVar("FramesT")
EncodedT = TypeVar("EncodedT")


@dataclass(frozen=True, slots=True)
class Ring:
    """How one thing that a model remembers is kept.

    Attributes:
        frames: how many of the last frames are kept, at least 1.
        shared: whether it belongs to the stream, not to a target: one row for all targets.
    """

    frames: int
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """What past frames left for N targets, which may be of different age.

    Attributes:
        ages: for each target, how many frames have been processed for it so far.
        tensors: by name (N, L, …), or (1, L, …) where shared, L being the ring's length, newest frame last. A target's
            own are the last min(age, L) entries; the others are zero, or in a shared ring older than the target. Empty
            where no frame has been processed for any target.
    """

    ages: tuple[int, ...]
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Seen(Generic[EncodedT]):
    """T images as far as no text reaches.

    Attributes:
        encoded: what the network makes of them.
        images: (T, 3, H, W) normalised.
    """

    encoded: EncodedT
    images: Tensor


@dataclass(frozen=True, slots=True)
class Prediction:
    """N targets in one frame.

    Attributes:
        mask_logits: (N, h, w) of the whole image, > 0 inside a mask; a quarter or half as large as it, or as large.
        score_logits: (N,), > 0 where the object is in view.
        remember: by name of `memory_spec`, (N, …) or (1, …) where shared: what this frame leaves to later ones.
    """

    mask_logits: Tensor
    score_logits: Tensor
    remember: Mapping[str, Tensor]


class Segmenter(Protocol[ImagesT, TextT, FramesT]):
    """A model that finds described objects, step after step."""

    @property
    def image_side_px(self) -> int:
        """Side S of the square into which a frame is fitted."""

    @property
    def image_step_px(self) -> int:
        """Height and width of the images are multiples of this, S at most; S itself where they are squares."""

    @property
    def device(self) -> torch.device:
        """Where the weights live."""

    @property
    def frames_per_step(self) -> int:
        """How many frames the model takes together at most: 1 where it answers every frame at once."""

    @property
    def memory_spec(self) -> Mapping[str, Ring]:
        """By name, what the model remembers."""

    def encode_text(self, text: str) -> TextT:
        """All that can be computed of an expression before any image is seen."""

    def encode_images(self, images: Tensor) -> ImagesT:
        """All that can be computed of the T images of a step (T, 3, H, W) without knowing a target."""

    def fuse(self, images: ImagesT, texts: Sequence[TextT], past: Past) -> FramesT:
        """All that can be computed of T images and N expressions together."""

    def decode(self, frames: FramesT, index: int, past: Past) -> Prediction:
        """Find the N targets in frame `index` of the step; frames are decoded in order."""
