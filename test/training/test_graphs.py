"""Losses and gradients as graphs, which are played back on a CPU by running them again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from samwise_ros.training import graphs
from samwise_ros.training.graphs import GraphedGradients

CPU = torch.device("cpu")

NETWORK = nn.ModuleDict({"used": nn.Linear(3, 1), "idle": nn.Linear(3, 1)})


class Replay:
    """Stands for a CUDA graph: runs again, into the outputs that there were."""

    def __init__(self, compute: Callable[[], Mapping[str, Tensor]]) -> None:
        self._compute = compute
        self.replays = 0
        # Capturing computes nothing: gradients stay as they were.
        parameters = [value for value in NETWORK.parameters() if value.grad is not None]
        kept = [value.grad.clone() for value in parameters]
        self.outputs = {name: torch.full_like(loss, torch.nan) for name, loss in compute().items()}
        for value, gradient in zip(parameters, kept, strict=True):
            value.grad.copy_(gradient)

    def replay(self) -> None:
        self.replays += 1
        for name, loss in self._compute().items():
            self.outputs[name].copy_(loss)


class Recorder:
    def __init__(self) -> None:
        self.warmed = 0
        self.captured: list[Replay] = []

    def warm(self, compute: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        self.warmed += 1
        return compute()

    def __call__(self, compute: Callable[[], Mapping[str, Tensor]]) -> tuple[Replay, Mapping[str, Tensor]]:
        self.captured.append(Replay(compute))
        return self.captured[-1], self.captured[-1].outputs


def learn(x: Tensor, y: Tensor) -> dict[str, Tensor]:
    loss = (NETWORK["used"](x)[:, 0] - y).square().mean()
    loss.backward()
    return {"square": loss.detach()}


def expected(x: Tensor, y: Tensor) -> tuple[float, Tensor]:
    weight = NETWORK["used"].weight.detach().clone().requires_grad_()
    loss = ((x @ weight.T + NETWORK["used"].bias.detach())[:, 0] - y).square().mean()
    loss.backward()
    return loss.item(), weight.grad


def draw(count: int) -> tuple[Tensor, Tensor]:
    return torch.randn(count, 3), torch.randn(count)


def test_replayed_gradients_are_those_of_the_batch_alone():
    torch.manual_seed(0)
    recorder = Recorder()
    gradients = GraphedGradients(learn, NETWORK.parameters(), CPU, recorder)
    results = []
    for step in range(graphs.WARMING_STEPS + 3):
        batch = draw(4)
        results.append(gradients(batch))
        loss, weight_gradient = expected(*batch)
        assert results[-1]["square"].item() == pytest.approx(loss)
        assert torch.allclose(NETWORK["used"].weight.grad, weight_gradient)
        assert recorder.warmed == min(step + 1, graphs.WARMING_STEPS)
    assert [graph.replays for graph in recorder.captured] == [3]
    assert NETWORK["idle"].weight.grad is None
    assert len({result["square"].item() for result in results}) == len(results)  # a later step leaves them alone


def test_a_gradient_stays_where_graphs_write_it():
    gradients = GraphedGradients(learn, NETWORK.parameters(), CPU, Recorder())
    gradients(draw(4))
    place = NETWORK["used"].weight.grad.data_ptr()
    for count in (4, 5, 4, 4, 4, 5):
        gradients(draw(count))
        assert NETWORK["used"].weight.grad.data_ptr() == place


def test_what_a_stage_does_not_reach_keeps_no_gradient_of_another_stage():
    def learn_both(x: Tensor, y: Tensor) -> dict[str, Tensor]:
        loss = (NETWORK["used"](x)[:, 0] + NETWORK["idle"](x)[:, 0] - y).square().mean()
        loss.backward()
        return {"square": loss.detach()}

    some, both = (GraphedGradients(learn, NETWORK.parameters(), CPU, Recorder()) for learn in (learn, learn_both))
    for _ in range(graphs.WARMING_STEPS + 2):
        both(draw(4))
        assert NETWORK["idle"].weight.grad.abs().sum() > 0
        batch = draw(4)
        some(batch)
        assert NETWORK["idle"].weight.grad is None, "an optimizer would move it on"
        assert torch.allclose(NETWORK["used"].weight.grad, expected(*batch)[1])


def test_shapes_that_are_rare_or_too_many_are_not_captured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(graphs, "MAX_GRAPHS", 2)
    recorder = Recorder()
    gradients = GraphedGradients(learn, NETWORK.parameters(), CPU, recorder)
    for _ in range(graphs.WARMING_STEPS):
        for count in range(1, 6):
            gradients(draw(count))
    assert not recorder.captured
    for count in range(1, 6):
        batch = draw(count)
        gradients(batch)
        assert torch.allclose(NETWORK["used"].weight.grad, expected(*batch)[1])
    assert len(recorder.captured) == 2


@pytest.mark.gpu
def test_cuda_graphs_give_the_gradients_of_plain_steps():
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA GPU")
    network, device = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).cuda(), torch.device("cuda")

    def learn_there(x: Tensor, y: Tensor) -> dict[str, Tensor]:
        loss = (network(x)[:, 0] - y).square().mean()
        loss.backward()
        return {"square": loss.detach()}

    gradients = GraphedGradients(learn_there, network.parameters(), device)
    for step in range(graphs.WARMING_STEPS + 3):
        batch = draw(4)
        loss = gradients(batch)["square"].item()
        found = [value.grad.clone() for value in network.parameters()]
        assert len(gradients._graphs) == int(step >= graphs.WARMING_STEPS)
        # Of a copy: a loss of the same parameters that lives on while the next batch is captured ties their gradients
        # to the default stream, on which nothing can be captured.
        plain = deepcopy(network)
        wanted = (plain(batch[0].cuda())[:, 0] - batch[1].cuda()).square().mean()
        assert loss == pytest.approx(wanted.item(), rel=1e-4)
        for mine, theirs in zip(found, torch.autograd.grad(wanted, list(plain.parameters())), strict=True):
            assert torch.allclose(mine, theirs, atol=1e-5)
        with torch.no_grad():
            for value, gradient in zip(network.parameters(), found, strict=True):
                value -= 0.1 * gradient
