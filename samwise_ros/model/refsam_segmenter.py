"""RefSAM as a `Segmenter`: one track token per target is all that it remembers. Called by `model.build`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from samwise_ros.model.edges import follow_edges
from samwise_ros.model.refsam import EncodedImages, EncodedText, RefSam
from samwise_ros.model.refsam_text import T5Encoder
from samwise_ros.model.segmenter import Past, Prediction, Ring, Seen
from samwise_ros.model.stages import stage
from samwise_ros.model.text import stack_tokens, tokenize


@dataclass(frozen=True, slots=True)
class AskedImages:
    """Images and the expressions that are asked of them.

    Attributes:
        seen: T images.
        text: N expressions.
    """

    seen: Seen[EncodedImages]
    text: EncodedText


class RefSamSegmenter:
    """A trained RefSAM with its tokenizer.

    Args:
        network: in evaluation mode, on its device.
        tokenizer: gives the token ids that the network was trained on.
        dtype: the network is brought to this precision, in place; in float16 a T5 is not, whose values overflow there,
            but to bfloat16, in which T5s were trained.

    Differs: RefSAM has no object score; `Prediction.score_logits` says how sure the mask itself is.
    """

    frames_per_step = 1

    def __init__(self, network: RefSam, tokenizer: Tokenizer, dtype: torch.dtype = torch.float32) -> None:
        for name, part in network.named_children():
            whole_range = name == "text_encoder" and isinstance(part, T5Encoder)
            part.to(torch.bfloat16 if whole_range and dtype == torch.float16 else dtype)
        self.network = network
        self._dtype = dtype
        self.tokenizer = tokenizer

    @property
    def image_side_px(self) -> int:
        """Side S of the square image that the network sees."""
        return self.network.config.image_side_px

    @property
    def image_step_px(self) -> int:
        """S: the images are squares."""
        return self.image_side_px

    @property
    def device(self) -> torch.device:
        """Where the weights live."""
        return next(self.network.parameters()).device

    @property
    def memory_spec(self) -> Mapping[str, Ring]:
        """The track token of the frame before, or nothing where there is no tracking module."""
        return {} if self.network.tracking is None else {"track": Ring(1)}

    @torch.inference_mode()
    def encode_text(self, text: str) -> EncodedText:
        """Run the whole text side: RefSAM's images do not change its words."""
        encoded = self.network.encode_text(tokenize(self.tokenizer, [text], self.device))
        return EncodedText(encoded.sentence, encoded.words, None)

    def pad_texts(self, texts: Sequence[EncodedText], tokens: int | None) -> EncodedText | None:
        """One text of several; see `captured.FixedShapes`."""
        if tokens is not None and max(text.words.shape[1] for text in texts) > tokens:
            return None
        return stack_texts(texts, tokens)

    @torch.inference_mode()
    def encode_images(self, images: Tensor) -> Seen[EncodedImages]:
        """Run all that no text reaches, on normalised images (T, 3, S, S)."""
        return Seen(self.network.encode_images(images.to(self._dtype)), images)

    def fuse(self, images: Seen[EncodedImages], texts: Sequence[EncodedText], past: Past) -> AskedImages:
        """Bring images and expressions together; they meet in `decode`."""
        return AskedImages(images, stack_texts(texts))

    @torch.inference_mode()
    def decode(self, frames: AskedImages, index: int, past: Past) -> Prediction:
        """Find N targets in one of the images.

        Args:
            frames: T images and N expressions.
            index: which image, 0..T-1, in order.
            past: the targets' track tokens.

        Returns:
            Masks (N, 4h, 4w), or (N, S, S) where they follow edges, scores and the new track tokens.
        """
        track, new = None, None
        if past.tensors:
            track = past.tensors["track"][:, -1]
            if 0 in past.ages:
                new = torch.tensor([age == 0 for age in past.ages], device=track.device)
        tracked = self.network.track(frames.seen.encoded.at(index), frames.text, track, new)
        mask_logits = tracked.decoded.mask_logits[:, 0]
        score_logits = sureness(mask_logits)
        if self.network.config.follow_edges:
            with stage("edges"):
                mask_logits = follow_edges(mask_logits, frames.seen.images[index])
        remember = {} if tracked.track is None else {"track": tracked.track}
        return Prediction(mask_logits, score_logits, remember)


def stack_texts(texts: Sequence[EncodedText], length: int | None = None) -> EncodedText:
    """Make one batch of several expressions; see `text.stack_tokens`."""
    words = stack_tokens([(text.words, text.padding) for text in texts], length)
    return EncodedText(torch.cat([text.sentence for text in texts]), *words)


def sureness(mask_logits: Tensor) -> Tensor:
    """How sure a mask is.

    Args:
        mask_logits: (N, h, w).

    Returns:
        (N,) the mean logit inside the mask; where the mask is empty the largest logit, which is not positive.
    """
    mask_logits = mask_logits.float()  # their sum is more than float16 holds
    inside = mask_logits > 0
    area = inside.sum((1, 2))
    mean = (mask_logits * inside).sum((1, 2)) / area.clamp(min=1)
    return torch.where(area > 0, mean, mask_logits.amax((1, 2)))
