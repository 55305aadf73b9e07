"""What RefSAM adds to SAM 1, against small cases that are worked out by hand."""

import math

import torch
from torch import nn

from samwise_ros.model.refsam_parts import (
    BlockAdapters,
    CrossModalMlp,
    DenseAttention,
    HierarchicalDenseAttention,
    ImplicitTracking,
    bottleneck,
)


def test_an_adapter_has_a_quarter_of_the_width_and_starts_as_nothing():
    adapter = bottleneck(8)
    down, act, up = adapter
    assert (down.weight.shape, up.weight.shape) == ((2, 8), (8, 2))
    assert isinstance(act, nn.GELU)
    assert torch.equal(adapter(torch.randn(3, 5, 8)), torch.zeros(3, 5, 8))
    assert down.weight.abs().max() > 0, "else it would never learn"
    assert [name for name, _ in BlockAdapters(8).named_children()] == ["after_attention", "beside_mlp"]


def test_the_mlp_halves_the_width_and_gives_vectors_of_length_one():
    mlp = CrossModalMlp(6, 2)
    widths = [tuple(layer.weight.shape) for layer in mlp.layers if isinstance(layer, nn.Linear)]
    assert widths == [(3, 6), (3, 3), (2, 3)]
    assert torch.allclose(mlp(torch.randn(4, 5, 6)).norm(dim=-1), torch.ones(4, 5))
    with torch.no_grad():
        for layer in mlp.layers[::2]:
            layer.weight.copy_(torch.eye(*layer.weight.shape))
            layer.bias.fill_(0)
    # Negative values end at the ReLU; (3, 4, …) is of length 5.
    assert torch.allclose(mlp(torch.tensor([3.0, 4, -9, 7, 7, 7])), torch.tensor([0.6, 0.8]))


def dense_attention(width: int) -> DenseAttention:
    """Its convolution passes the language map through and drops the image."""
    attention = DenseAttention(width)
    with torch.no_grad():
        attention.mix.weight.copy_(torch.cat((torch.zeros(width, width), torch.eye(width)), 1)[..., None, None])
        attention.mix.bias.fill_(0.5)
    return attention


def test_dense_attention_by_hand():
    text = torch.tensor([[[1.0, 0], [0, 1]]])
    features = torch.tensor([[[[3.0, 0]], [[0, 7]]]])  # one cell along each token, of length 3 and 7
    dense = dense_attention(2)(features, text, None)
    # Cells have length 1, so each scores 1 / sqrt(2) with its own token and 0 with the other.
    own = math.exp(1 / math.sqrt(2)) / (math.exp(1 / math.sqrt(2)) + 1)
    assert torch.allclose(dense - 0.5, torch.tensor([[[[own, 1 - own]], [[1 - own, own]]]]))


def test_dense_attention_is_the_convolution_of_image_and_language_map():
    attention = DenseAttention(4)
    features, text = torch.randn(2, 4, 3, 5), torch.randn(2, 6, 4)
    long = features.flatten(2).transpose(1, 2)
    unit = long / long.norm(dim=-1, keepdim=True)
    language = (unit @ text.transpose(1, 2) / 2).softmax(-1) @ text
    both = torch.cat((unit, language), -1).transpose(1, 2).unflatten(2, (3, 5))
    assert torch.allclose(attention(features, text, None), attention.mix(both), atol=1e-6)


def test_padded_words_do_not_count_and_one_image_serves_all_texts():
    attention = DenseAttention(4)
    features, text = torch.randn(1, 4, 3, 3), torch.randn(2, 5, 4)
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    together = attention(features, text, padding)
    assert together.shape == (2, 4, 3, 3)
    assert torch.allclose(together[:1], attention(features, text[:1], None), atol=1e-6)
    assert torch.allclose(together[1:], attention(features, text[1:, :3], None), atol=1e-6)


def test_hierarchical_attention_reduces_the_maps_and_attends_on_them():
    hierarchical = HierarchicalDenseAttention(12, 4)
    assert hierarchical.reduce.weight.shape == (4, 12, 1, 1)
    reduced, text = hierarchical.reduce(torch.randn(1, 12, 3, 3)), torch.randn(2, 5, 4)
    assert torch.equal(hierarchical(reduced, text, None), hierarchical.attention(reduced, text, None))


def test_the_track_token_by_hand():
    tracking = ImplicitTracking(2)
    assert [tuple(layer.weight.shape) for layer in tracking.mlp if isinstance(layer, nn.Linear)] == [(8, 2), (2, 8)]
    with torch.no_grad():
        for layer in tracking.mlp[::2]:
            layer.weight.fill_(0)
            layer.bias.fill_(0)
        tracking.mlp[0].weight[0, 0] = 1.0  # the first channel, where it is positive,
        tracking.mlp[2].weight[0, 0] = 2.0  # is added twice more
    # First frame: (1, -1) + (2, 0) = (3, -1), normed (1, -1). Later: (1, -1) + (-4, 1) = (-3, 0), normed (-1, 1).
    token = torch.tensor([[1.0, -1]])
    assert torch.allclose(tracking(token, None), torch.tensor([[1.0, -1]]), atol=1e-4)
    assert torch.allclose(tracking(token, torch.tensor([[-4.0, 1]])), torch.tensor([[-1.0, 1]]), atol=1e-4)
    assert torch.equal(tracking(token, torch.zeros(1, 2)), tracking(token, None))
