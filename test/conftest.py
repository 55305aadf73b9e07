"""Fixtures that several folders of tests share."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer

from samwise_ros.config import VitConfig, preset
from samwise_ros.model.refsam import RefSam
from samwise_ros.model.samwise import Samwise
from samwise_ros.model.text import load_tokenizer
from samwise_ros.training.tokens import train_tokenizer


@pytest.fixture(scope="module", autouse=True)
def same_numbers_for_fixtures() -> None:
    """Make what a file's fixtures draw the same in every run, whichever tests ran before."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def same_numbers_for_tests() -> None:
    """Make what a test draws the same in every run: a rare draw must not decide whether it passes."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def network() -> Samwise:
    """SAMWISE of the compact size at 128 px with fixed random weights that make every part matter."""
    torch.manual_seed(0)
    network = Samwise(replace(preset("compact"), image_side_px=128))
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("gamma") or "pos_embed" in name or "tpos" in name:
                value.normal_(0, 0.3)
            if "hand_over" in name or "change.tell" in name:
                value.normal_(0, 0.05)
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
        # Random weights see nothing at all, and a mask that is hidden shows no mistake.
        network.sam.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(1.0)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def refsam() -> RefSam:
    """RefSAM with a tiny image encoder at 64 px, with fixed random weights that make every part matter."""
    torch.manual_seed(1)
    vit = VitConfig(width=32, layers=4, heads=2, global_blocks=(0, 1, 3), patch_px=8, window=3)
    network = RefSam(replace(preset("refsam_compact"), image_side_px=64, vit=vit))
    with torch.no_grad():
        for name, value in network.named_parameters():
            if "rel_pos" in name or "pos_embed" in name or (name.startswith("adapters") and ".2." in name):
                value.normal_(0, 0.3)
            elif name.startswith("sam.") and value.ndim > 1:
                value.normal_(0, 1.5 * value[0].numel() ** -0.5)
            elif "hand_over" in name:
                value.normal_(0, 0.05)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """A tokenizer for `network` that was made of a few words."""
    path = tmp_path_factory.mktemp("tokens") / "tokenizer.json"
    train_tokenizer(["the red ball", "the mug", "the second mug on the left of it"] * 5, 300, path)
    return load_tokenizer(path, preset("compact").text)
