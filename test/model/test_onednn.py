"""Linear layers by oneDNN."""

import pytest
import torch
from torch import Tensor, nn

from samwise_ros.model import onednn
from samwise_ros.model.onednn import OneDnnLinear, use_onednn


@pytest.fixture
def layers() -> tuple[nn.Linear, nn.Linear]:
    """The same layer twice, the second by oneDNN where this PyTorch has it."""
    plain, fast = nn.Linear(64, 96), nn.Linear(64, 96)
    fast.load_state_dict(plain.state_dict())
    use_onednn(nn.Sequential(fast))
    if type(fast) is nn.Linear:
        pytest.skip("this PyTorch is built without oneDNN")
    return plain, fast


@pytest.mark.parametrize("shape", [(2, 64), (300, 64), (2, 5, 30, 64)])
def test_computes_the_same(layers, shape: tuple[int, ...]):
    x = torch.randn(shape)
    with torch.inference_mode():
        assert torch.allclose(layers[0](x), layers[1](x), atol=1e-5)
        turned = torch.randn(64, 300).T
        assert torch.allclose(layers[0](turned), layers[1](turned), atol=1e-5)


@pytest.mark.parametrize("rows", [2, 300])
def test_gelu_may_follow_at_once(layers, rows: int):
    x = torch.randn(rows, 64)
    wanted = nn.functional.gelu(layers[0](x))
    weights = [value.detach() for value in layers[1].parameters()]

    def compute(x: Tensor) -> Tensor:
        return onednn.linear(x, *weights, gelu=True)

    found = [compute(x)]
    with torch.inference_mode():
        found += [compute(x), torch.jit.trace(compute, x)(x)]
    for result in found:
        assert torch.allclose(result, wanted, atol=1e-5)


def test_large_products_go_to_onednn_and_only_in_inference(layers, monkeypatch: pytest.MonkeyPatch):
    counted = []
    monkeypatch.setattr(onednn.F, "linear", lambda x, weight, bias: counted.append(x) or x)
    with torch.inference_mode():
        layers[1](torch.randn(300, 64))
        assert not counted
        layers[1](torch.randn(2, 64))
        layers[1](torch.randn(300, 64, dtype=torch.float64))
    layers[1](torch.randn(300, 64))
    assert len(counted) == 3


def test_gradients_flow(layers):
    layers[1](torch.randn(300, 64)).sum().backward()
    assert layers[1].weight.grad is not None


def test_names_of_the_weights_stay(layers):
    assert layers[0].state_dict().keys() == layers[1].state_dict().keys()
    assert isinstance(layers[1], OneDnnLinear)


def test_without_onednn_all_stays_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(onednn, "HAS_ONEDNN", False)
    network = nn.Sequential(nn.Linear(2, 2))
    use_onednn(network)
    assert type(network[0]) is nn.Linear
