"""SAMWISE one frame at a time: the causal `stream` mode, as a `Segmenter` for the engine.

Called by `model.build`. Each adapter attends to the last `WINDOW` frames instead of a clip's, so that a mask never
waits for future frames; see `docs/design.md`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from tokenizers import Tokenizer
from torch import Tensor

from samwise_ros.model.fusion import EncodedImages, EncodedText
from samwise_ros.model.sam2_bridge import MEMORY_FRAMES, MEMORY_POINTERS
from samwise_ros.model.samwise import CME_WINDOW, Memory, Samwise, may_check_memory
from samwise_ros.model.segmenter import Past, Prediction
from samwise_ros.model.text import tokenize

WINDOW = 8
"""Frames that an adapter sees at once, the new one included."""

ADAPTERS = ("adapter0", "adapter1", "adapter2")


class SamwiseSegmenter:
    """A trained SAMWISE with its tokenizer.

    Args:
        network: in evaluation mode, on its device.
        tokenizer: gives the token ids that the network was trained on.

    Source: SAMWISE.

    Differs: the reference feeds chunks of eight frames, whose masks come eight frames late and have seen the future.
    On a target's first frame the two are equal.
    """

    memory_spec: Mapping[str, int] = {
        "map": MEMORY_FRAMES,
        "pointer": MEMORY_POINTERS,
        "switched": CME_WINDOW - 2,
        **dict.fromkeys(ADAPTERS, WINDOW - 1),
    }

    def __init__(self, network: Samwise, tokenizer: Tokenizer) -> None:
        self.network = network
        self.tokenizer = tokenizer

    @property
    def image_side_px(self) -> int:
        """Side S of the square image that the network sees."""
        return self.network.config.image_side_px

    @property
    def device(self) -> torch.device:
        """Where the weights live."""
        return next(self.network.parameters()).device

    @torch.inference_mode()
    def encode_text(self, text: str) -> EncodedText:
        """Tokenise an expression and run the text layers that no image reaches."""
        return self.network.encode_text(tokenize(self.tokenizer, [text], self.device))

    @torch.inference_mode()
    def encode_image(self, image: Tensor) -> EncodedImages:
        """Run the image stages that no text reaches, on a normalised image (1, 3, S, S)."""
        return self.network.encode_images(image)

    @torch.inference_mode()
    def predict(self, image: EncodedImages, text: EncodedText, past: Past) -> Prediction:
        """Find one target in one frame.

        Args:
            image: one image.
            text: one expression.
            past: what the target's earlier frames left; no frames on its first.

        Returns:
            Mask, score and what to remember.
        """
        kept = past.tensors
        windows = [kept[name].unsqueeze(0) for name in ADAPTERS] if past.frames else None
        memory = Memory(kept["map"].unsqueeze(1), kept["pointer"].unsqueeze(1)) if past.frames else None
        switched = kept["switched"].tolist() if past.frames else []

        fused = self.network.fuse(image, text, windows)
        features = self.network.features(fused)
        check = may_check_memory(past.frames, switched)
        tracked = self.network.track(features, fused.text_state, memory, check_memory=check)
        remember = {"map": tracked.memory_map[0], "pointer": tracked.pointer[0], "switched": tracked.switched[0]}
        remember |= {name: new[0, 0] for name, new in zip(ADAPTERS, fused.reduced, strict=True)}
        return Prediction(tracked.mask_logits[0, 0], tracked.decoded.score_logits[0, 0], remember)
