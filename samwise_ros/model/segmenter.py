"""What the engine asks of a model: the protocol that SAMWISE and RefSAM both meet.

A segmenter holds weights only. What it wants to remember of a frame it hands back by name, and says in `memory_spec`
how many past frames of each it reads; the engine keeps just so many (`engine.memory`), whatever the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

ImageT = TypeVar("ImageT")
TextT = TypeVar("TextT")


@dataclass(frozen=True, slots=True)
class Past:
    """What one target's past frames left.

    Attributes:
        frames: how many frames have been processed for this target so far.
        tensors: by name, the last frames' tensors stacked on a new first axis, oldest first. Empty on the first frame.
    """

    frames: int
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One target in one frame.

    Attributes:
        mask_logits: (S/4, S/4), > 0 inside the mask.
        score_logit: scalar tensor, > 0 where the object is in view.
        remember: by name of `memory_spec`, what this frame leaves to later ones.
    """

    mask_logits: Tensor
    score_logit: Tensor
    remember: Mapping[str, Tensor]


class Segmenter(Protocol[ImageT, TextT]):
    """A model that finds described objects, one frame after the other."""

    @property
    def image_side_px(self) -> int:
        """Side S of the square image that the model sees."""

    @property
    def device(self) -> torch.device:
        """Where the weights live."""

    @property
    def memory_spec(self) -> Mapping[str, int]:
        """By name, how many past frames of it the model reads."""

    def encode_text(self, text: str) -> TextT:
        """All that can be computed of an expression before any image is seen."""

    def encode_image(self, image: Tensor) -> ImageT:
        """All that can be computed of an image (1, 3, S, S) without knowing a target."""

    def predict(self, image: ImageT, text: TextT, past: Past) -> Prediction:
        """Find one target in one frame."""
