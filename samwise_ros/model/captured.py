"""A segmenter that runs its usual step in one go; what `model.graphs` and `model.traces` have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from samwise_ros.model.segmenter import FramesT, ImagesT, Past, Prediction, Ring, Segmenter

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TextT = TypeVar("TextT", bound="DataclassInstance")
"""Expressions as a segmenter encodes them: a dataclass of tensors, or None where there is nothing to say."""

CAPTURED_TOKENS = 32
"""Expressions are padded to so many tokens, so that changing one changes no shape; longer ones run uncaptured."""


class FixedShapes(Segmenter[ImagesT, TextT, FramesT], Protocol[ImagesT, TextT, FramesT]):
    """A segmenter whose step branches on no tensor's value, and which can make texts of one shape."""

    @property
    def network(self) -> nn.Module:
        """The weights."""

    def pad_texts(self, texts: Sequence[TextT], tokens: int | None) -> TextT | None:
        """Make one text of several, which `fuse` takes for all of them.

        Args:
            texts: N expressions.
            tokens: how long each is afterwards; None for as long as the longest.

        Returns:
            Tensors of N rows, whose shapes N and `tokens` alone decide where it is given; None where an expression is
            longer.
        """


@dataclass(frozen=True, slots=True)
class Inputs(Generic[TextT]):
    """What a usual step of N targets reads.

    Attributes:
        images: (1, 3, H, W).
        text: N expressions in one.
        past: by name, what the targets remember.
    """

    images: Tensor
    text: TextT
    past: Mapping[str, Tensor]


class CapturedSegmenter(ABC, Generic[ImagesT, TextT, FramesT]):
    """A segmenter whose steps run as a whole once all memories are full, and then have the same shapes again and again.

    All other steps, those of a target's first frames, run as they are written.

    Args:
        segmenter: of one frame per step, on its device.
    """

    def __init__(self, segmenter: FixedShapes[ImagesT, TextT, FramesT]) -> None:
        self._plain = segmenter
        self.network = segmenter.network
        self._full = max((ring.frames for ring in segmenter.memory_spec.values()), default=0)

    @property
    def image_side_px(self) -> int:
        """Side S of the square into which images are fitted."""
        return self._plain.image_side_px

    @property
    def image_step_px(self) -> int:
        """Height and width of the images are multiples of this."""
        return self._plain.image_step_px

    @property
    def device(self) -> torch.device:
        """Where the weights live."""
        return self._plain.device

    @property
    def frames_per_step(self) -> int:
        """1: every frame is answered at once."""
        return self._plain.frames_per_step

    @property
    def memory_spec(self) -> Mapping[str, Ring]:
        """What is remembered."""
        return self._plain.memory_spec

    def encode_text(self, text: str) -> TextT:
        """All that can be computed of an expression before any image is seen."""
        return self._plain.encode_text(text)

    def encode_images(self, images: Tensor) -> Tensor:
        """Leave them to the step, which holds the image encoder, too."""
        return images

    @torch.inference_mode()
    def fuse(self, images: Tensor, texts: Sequence[TextT], past: Past) -> FramesT | Prediction:
        """Run a usual step to its end, or another one as far as the masks.

        Args:
            images: (1, 3, H, W) normalised.
            texts: N expressions.
            past: what the N targets' earlier frames left.

        Returns:
            What `decode` needs.
        """
        text = self._plain.pad_texts(texts, CAPTURED_TOKENS) if min(past.ages) >= self._full else None
        done = None if text is None else self._run_whole(images, text, past)
        return self._plain.fuse(self._plain.encode_images(images), texts, past) if done is None else done

    @torch.inference_mode()
    def decode(self, frames: FramesT | Prediction, index: int, past: Past) -> Prediction:
        """Find N targets in the step's frame."""
        return frames if isinstance(frames, Prediction) else self._plain.decode(frames, index, past)

    def prepare(self, height_px: int, width_px: int) -> None:
        """Capture the usual step of one target, where it is not captured yet, so that no live frame has to wait.

        Args:
            height_px: rows H of the network's images.
            width_px: columns W.
        """

    def settle(self) -> None:
        """Wait until what is being captured can be run."""

    @abstractmethod
    def _run_whole(self, images: Tensor, text: TextT, past: Past) -> Prediction | None:
        """Run a captured step on N expressions of `CAPTURED_TOKENS`; None where there is none for these shapes."""

    @torch.inference_mode()
    def _make_inputs(self, height_px: int, width_px: int, targets: int) -> Inputs[TextT]:
        """Inputs of no meaning, whose shapes a first step tells."""
        images = torch.zeros(1, 3, height_px, width_px, device=self.device)
        text = self._plain.pad_texts([self.encode_text("something")] * targets, CAPTURED_TOKENS)
        assert text is not None
        nothing = Past((0,) * targets, {})
        first = self._plain.decode(self._plain.fuse(self._plain.encode_images(images), [text], nothing), 0, nothing)
        past = {
            name: new.new_zeros((new.shape[0], self.memory_spec[name].frames, *new.shape[1:]))
            for name, new in first.remember.items()
        }
        return Inputs(images, text, past)

    @torch.inference_mode()
    def _run(self, images: Tensor, text: TextT, past: Mapping[str, Tensor], targets: int) -> Prediction:
        """The step that is captured."""
        full = Past((self._full,) * targets, past)
        return self._plain.decode(self._plain.fuse(self._plain.encode_images(images), [text], full), 0, full)


def text_tensors(text: DataclassInstance) -> dict[str, Tensor]:
    """The tensors of expressions, by name."""
    values = {field.name: getattr(text, field.name) for field in fields(text)}
    return {name: value for name, value in values.items() if value is not None}
