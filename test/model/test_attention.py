"""Attention in the adapters' layout."""

import pytest
import torch
from torch import nn

from samwise_ros.model.attention import Attention


@pytest.fixture
def layers() -> tuple[nn.MultiheadAttention, Attention]:
    """PyTorch's layer and ours with the same weights."""
    ours = Attention(16, 4).eval()
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.3)  # answers of about 1, which the tolerances are made for
    theirs = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    theirs.load_state_dict(ours.state_dict())
    return theirs, ours


def test_computes_what_pytorch_s_layer_computes(layers):
    theirs, ours = layers
    queries, keys = torch.randn(3, 5, 16), torch.randn(3, 7, 16)
    assert torch.allclose(ours(queries, keys), theirs(queries, keys, keys)[0], atol=1e-5)


def test_nobody_attends_to_padding(layers):
    theirs, ours = layers
    queries, keys = torch.randn(2, 5, 16), torch.randn(2, 7, 16)
    padding = torch.tensor([[False] * 7, [False] * 4 + [True] * 3])
    expected = theirs(queries, keys, keys, key_padding_mask=padding)[0]
    assert torch.allclose(ours(queries, keys, padding), expected, atol=1e-5)
    assert torch.allclose(ours(queries[1:], keys[1:, :4]), expected[1:], atol=1e-5)


@pytest.mark.parametrize(("rows", "others"), [(1, 3), (3, 1)])
def test_one_row_serves_several(layers, rows: int, others: int):
    _, ours = layers
    queries, keys = torch.randn(rows, 5, 16), torch.randn(others, 7, 16)
    expected = ours(queries.expand(3, -1, -1), keys.expand(3, -1, -1))
    assert torch.allclose(ours(queries, keys), expected, atol=1e-5)
