"""What a preset costs, counted and not measured: arithmetic per frame, memory per target. Called by `cli`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from torch.utils.flop_counter import FlopCounterMode

from samwise_ros.config import AnyConfig
from samwise_ros.model.build import empty_network, wrap_network
from samwise_ros.model.segmenter import Past, Segmenter

T = TypeVar("T")

TOKENS = 8
"""Length of the expression that is counted, `<s>` and `</s>` included."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One step of stream mode, once all rings are full.

    Attributes:
        image_flop: floating-point operations per frame, whatever the targets.
        target_flop: per frame and target.
        text_flop: once per expression.
        stream_bytes: remembered per stream, float32.
        target_bytes: remembered per target, float32.
    """

    image_flop: int
    target_flop: int
    text_flop: int
    stream_bytes: int
    target_bytes: int


def count_cost(config: AnyConfig, size: tuple[int, int] | None = None) -> Cost:
    """Run a step on tensors that have shapes and no values, and count.

    Args:
        config: the preset.
        size: (height, width) of the network's images; None for the whole square.

    Returns:
        Its cost. A multiplication with an addition counts as two operations; matrix products, attention and
        convolutions are counted, the rest is small. The Conditional Memory Encoder's second decoding is included.
    """
    meta = torch.device("meta")
    network = empty_network(config).eval().to(meta)
    segmenter: Segmenter[Any, Any, Any] = wrap_network(network, Tokenizer(BPE()))
    height, width = size or (config.image_side_px,) * 2
    with torch.inference_mode():
        ids = torch.zeros(1, TOKENS, dtype=torch.long, device=meta)
        text_flop, text = _count(lambda: network.encode_text(ids))
        image_flop, image = _count(lambda: segmenter.encode_images(torch.zeros(1, 3, height, width, device=meta)))
        first = segmenter.decode(segmenter.fuse(image, [text], Past((0,), {})), 0, Past((0,), {}))
        rings = segmenter.memory_spec
        full = {
            name: new.unsqueeze(1).expand(-1, rings[name].frames, *new.shape[1:])
            for name, new in first.remember.items()
        }
        past = Past((max((ring.frames for ring in rings.values()), default=1),), full)
        target_flop, _ = _count(lambda: segmenter.decode(segmenter.fuse(image, [text], past), 0, past))
    kept = {name: ring.numel() * ring.element_size() for name, ring in full.items()}
    stream_bytes = sum(kept[name] for name, ring in rings.items() if ring.shared)
    return Cost(image_flop, target_flop, text_flop, stream_bytes, sum(kept.values()) - stream_bytes)


def _count(call: Callable[[], T]) -> tuple[int, T]:
    with FlopCounterMode(display=False) as counter:
        result = call()
    return counter.get_total_flops(), result
