"""Fixtures that several folders of tests share."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from samwise_ros.config import preset
from samwise_ros.model.samwise import Samwise


@pytest.fixture(scope="session")
def network() -> Samwise:
    """SAMWISE of the compact size at 128 px with fixed random weights that make every part matter."""
    torch.manual_seed(0)
    network = Samwise(replace(preset("compact"), image_side_px=128))
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("gamma") or "pos_embed" in name or "tpos" in name:
                value.normal_(0, 0.3)
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
        # Random weights see nothing at all, and a mask that is hidden shows no mistake.
        network.sam.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(1.0)
    return network.eval().requires_grad_(False)
