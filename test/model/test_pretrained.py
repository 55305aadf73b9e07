"""What others trained: SAM 2, and text encoders. `test_sam1_released` has SAM 1."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from metas_sam import write_sam1
from released import released_state, write_released, write_roberta, write_sam2, write_t5
from torch import nn
from transformers import T5EncoderModel

from samwise_ros import config
from samwise_ros.config import TextConfig, preset
from samwise_ros.errors import CheckpointError
from samwise_ros.model.build import start_network
from samwise_ros.model.pretrained import read_sam, read_text_encoder
from samwise_ros.model.refsam import RefSam
from samwise_ros.model.samwise import Samwise

USUAL = preset("compact").text


def is_frozen(part: nn.Module) -> bool:
    return not any(value.requires_grad for value in part.parameters())


def test_sam2_and_roberta_make_a_samwise(network: Samwise, tmp_path: Path):
    sam2, roberta = write_sam2(tmp_path / "sam2.pt", network), write_roberta(tmp_path / "roberta", network)
    start = start_network(sam2, roberta)
    assert start.config == preset("compact")
    assert all(torch.equal(value, network.sam.state_dict()[key]) for key, value in start.sam.state_dict().items())
    words = start.text_encoder.roberta.embeddings.word_embeddings.weight
    assert not torch.equal(words, network.text_encoder.roberta.embeddings.word_embeddings.weight)
    assert not any(value.is_meta for value in start.state_dict().values())


@pytest.mark.parametrize("gated", [False, True])
def test_sam1_and_t5_make_a_refsam(refsam: RefSam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gated: bool):
    published = replace(refsam.config, text=config.T5Config(), frozen=preset("refsam_b").frozen)
    monkeypatch.setitem(config.PRESETS, "refsam_compact", published)
    sam1 = write_sam1(tmp_path / "sam_vit.pth", refsam)
    t5 = write_t5(tmp_path / "t5", feed_forward_proj="gated-gelu" if gated else "relu")
    start = start_network(sam1, t5)
    text = config.T5Config(vocab_size=50, width=16, layers=2, heads=2, head_width=4, ffn=32, gated=gated)
    assert start.config == replace(published, text=text)
    theirs = torch.load(sam1)
    assert torch.equal(start.sam.pos_embed, theirs["image_encoder.pos_embed"])
    words = T5EncoderModel.from_pretrained(t5).shared.weight
    assert torch.equal(start.text_encoder.t5.embed_tokens.weight, words)
    assert is_frozen(start.text_encoder)
    assert is_frozen(start.sam.vision_encoder)
    assert not is_frozen(start.sam.mask_decoder)


def test_roberta_of_another_size_makes_a_refsam_too(
    refsam: RefSam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: Samwise
):
    sizes = {"hidden_size": 128, "num_attention_heads": 2, "num_hidden_layers": 5, "intermediate_size": 96}
    roberta = network.text_encoder.roberta.config
    type(network.text_encoder.roberta)(type(roberta)(**roberta.to_dict() | sizes)).save_pretrained(tmp_path / "roberta")
    monkeypatch.setitem(config.PRESETS, "refsam_compact", replace(refsam.config, text=config.T5Config()))
    start = start_network(write_sam1(tmp_path / "sam_vit.pth", refsam), tmp_path / "roberta")
    assert isinstance(start.config.text, TextConfig)
    assert (start.config.text.width, start.config.text.layers, start.config.text.heads) == (128, 5, 2)


def test_sam_of_the_wrong_kind(network: Samwise, tmp_path: Path):
    later = {"model": network.sam.state_dict() | {"no_obj_embed_spatial": torch.zeros(1, 16)}}
    torch.save(later, tmp_path / "later.pt")
    with pytest.raises(CheckpointError, match=r"is of SAM 2\.1, expected SAM 2\.0"):
        read_sam(tmp_path / "later.pt")
    with pytest.raises(CheckpointError, match=r"holds keys such as .*, expected a SAM 2\.0 file, for SAMWISE .*RefSAM"):
        read_sam(write_released(tmp_path / "w.pth", released_state(network)))


def test_sam_that_is_not_there(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"sam\.pth is missing, expected a"):
        read_sam(tmp_path / "sam.pth")
    with pytest.raises(CheckpointError, match=r"has neither model\.safetensors nor pytorch_model\.bin, expected one"):
        read_sam(tmp_path)


def test_text_encoder_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"cannot be read from .*nothing .*`samwise download roberta`"):
        read_text_encoder(tmp_path / "nothing", USUAL)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"cannot be read from .*expected config\.json and model\.safetensors"):
        read_text_encoder(tmp_path, USUAL)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match=r"is 'bert', expected one of roberta, t5: take another folder"):
        read_text_encoder(tmp_path, USUAL)


def test_text_encoder_without_some_weights(network: Samwise, tmp_path: Path):
    folder = write_roberta(tmp_path / "roberta", network)
    sizes = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(sizes | {"num_hidden_layers": 9}))
    with pytest.raises(CheckpointError, match=r"lacks keys such as encoder\.layer\.4\.\S+, .*: get it again"):
        read_text_encoder(folder, USUAL)


def test_text_encoder_that_computes_something_else(network: Samwise, tmp_path: Path):
    folder = write_roberta(tmp_path / "roberta", network)
    sizes = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(sizes | {"num_attention_heads": 8}))
    with pytest.raises(CheckpointError, match="has attention heads 8, expected 4: this kind is not supported"):
        read_text_encoder(folder, USUAL)
    t5 = write_t5(tmp_path / "t5", feed_forward_proj="gated-silu")
    with pytest.raises(CheckpointError, match="has feed-forward gated-silu, expected gated-gelu: this kind"):
        read_text_encoder(t5, USUAL)


def test_text_encoder_that_does_not_fit_samwise(network: Samwise, tmp_path: Path):
    sam2 = write_sam2(tmp_path / "sam2.pt", network)
    with pytest.raises(CheckpointError, match="t5 is another than 'compact' has, expected RoBERTa-base: choose it"):
        start_network(sam2, write_t5(tmp_path / "t5"))
