"""Both trackers, and frames for them."""

import numpy as np
import pytest

from samwise_ros.model.refsam_segmenter import RefSamSegmenter
from samwise_ros.model.samwise_segmenter import SamwiseSegmenter
from samwise_ros.types import Frame


@pytest.fixture(params=["samwise", "refsam"])
def plain(request, network, refsam, tokenizer) -> SamwiseSegmenter | RefSamSegmenter:
    """Each tracker's segmenter in turn, whose steps run as they are written."""
    if request.param == "refsam":
        return RefSamSegmenter(refsam, tokenizer)
    return SamwiseSegmenter(network, tokenizer)


@pytest.fixture
def frames() -> list[Frame]:
    """36 frames of noise, always the same."""
    rng = np.random.default_rng(0)
    return [Frame(rng.integers(0, 256, (96, 128, 3), np.uint8)) for _ in range(36)]
