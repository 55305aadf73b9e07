"""The pyramid that recognises things without a word."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from samwise_ros.config import ModelConfig, RefSamConfig, preset
from samwise_ros.errors import CheckpointError
from samwise_ros.model.build import load_network, new_network
from samwise_ros.model.checkpoint import save_weights
from samwise_ros.model.pyramid import ConvPyramid, pyramid_widths
from samwise_ros.model.samwise import Samwise

IDS = torch.tensor([[0, 5, 6, 7, 2]])


@pytest.fixture
def network() -> Samwise:
    """A fresh `compact` for small pictures."""
    torch.manual_seed(0)
    config = preset("compact")
    assert isinstance(config, ModelConfig)
    network = new_network(config).eval()
    network.set_image_side(128)
    return network


@torch.inference_mode()
def test_maps_have_the_backbones_strides():
    maps = ConvPyramid(32, (0, 1)).eval()(torch.randn(2, 3, 128, 64))
    strides = (4, 8, 16, 32)
    expected = [(2, width, 128 // s, 64 // s) for width, s in zip(pyramid_widths(32), strides, strict=True)]
    assert [tuple(level.shape) for level in maps] == expected
    assert all((level > 0).any() for level in maps)


@torch.inference_mode()
def test_fine_maps_know_what_the_coarse_ones_see():
    torch.manual_seed(0)
    pyramid = ConvPyramid(32, (0, 1)).eval()
    image = torch.zeros(1, 3, 256, 256)
    far = image.clone()
    far[..., -16:, -16:] = 5.0
    change = (pyramid(far)[0] - pyramid(image)[0]).abs().amax(1)[0]
    assert change[20, 20] > 0, "200 pixels away, which the convolutions of stride 4 do not reach"


@torch.inference_mode()
def test_a_fresh_pyramid_leaves_the_backbone_as_it_is(network: Samwise):
    images = torch.randn(1, 1, 3, 128, 128)
    with_it = network(images, IDS).frames[0].decoded.mask_logits
    config = replace(network.config, pyramid=False)
    plain = new_network(config).eval()
    plain.load_state_dict({key: v for key, v in network.state_dict().items() if not key.startswith("pyramid.")})
    assert torch.equal(plain(images, IDS).frames[0].decoded.mask_logits, with_it)
    assert network.pyramid is not None
    for hint in network.pyramid.hand_over:
        before = network(images, IDS).frames[0].decoded.mask_logits
        torch.nn.init.normal_(hint.weight)
        assert not torch.allclose(network(images, IDS).frames[0].decoded.mask_logits, before, atol=1e-3), (
            "then it tells"
        )


@torch.inference_mode()
def test_a_fresh_pyramid_leaves_refsams_image_embedding_as_it_is_and_is_a_middle_map():
    torch.manual_seed(0)
    config = preset("refsam_compact")
    assert isinstance(config, RefSamConfig)
    images = torch.randn(2, 3, 64, 64)
    network = new_network(config).eval()
    plain = new_network(replace(config, pyramid=False)).eval()
    shapes = {key: value.shape for key, value in plain.state_dict().items()}
    plain.load_state_dict(
        {k: v[:, : shapes[k][1]] if "reduce.w" in k else v for k, v in network.state_dict().items() if k in shapes}
    )
    (*middle, recognised, embedding), (*expected, plain_embedding) = network.see(images), plain.see(images)
    assert torch.equal(embedding, plain_embedding)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(middle, expected, strict=True))
    assert torch.equal(recognised, network.pyramid(images)[1])
    words = network.encode_text(IDS)
    dense = network.prompt(network.encode_images(images), words)
    torch.nn.init.zeros_(
        network.hierarchical_attention.reduce.weight[:, shapes["hierarchical_attention.reduce.weight"][1] :]
    )
    assert not torch.allclose(network.prompt(network.encode_images(images), words), dense, atol=1e-3), "words met it"
    torch.nn.init.normal_(network.pyramid.hand_over[0].weight)
    assert not torch.allclose(network.see(images)[-1], plain_embedding, atol=1e-3), "then it tells"


def test_half_a_pyramid_is_refused(network: Samwise, tmp_path: Path):
    del network.pyramid.hand_over
    path = tmp_path / "half.safetensors"
    save_weights(network, "compact", path)
    with pytest.raises(CheckpointError, match=r"4 missing \(pyramid\.hand_over\.0\.bias"):
        load_network(path)


@torch.inference_mode()
def test_folding_changes_no_map():
    torch.manual_seed(0)
    pyramid = ConvPyramid(32, (0, 1))
    for _ in range(3):
        pyramid(2 * torch.randn(4, 3, 64, 64) + 1)  # statistics to be folded in
    images = torch.randn(2, 3, 64, 64)
    before = pyramid.eval()(images)
    pyramid.fold_batch_norms()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in pyramid.modules())
    for ours, theirs in zip(pyramid(images), before, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)
    pyramid.fold_batch_norms()  # has nothing left to do
