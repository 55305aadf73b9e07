"""The mean of the weights."""

import pytest
import torch
from torch import nn

from samwise_ros.training.ema import Ema


def test_weights_are_averaged_and_buffers_copied():
    network = nn.BatchNorm2d(2)
    ema = Ema(network, 0.75)
    assert not ema.network.training
    with torch.no_grad():
        network.weight.fill_(2.0)
        network.running_mean.fill_(5.0)
        ema.update(network, 1000)
        assert ema.network.weight.tolist() == [1.25, 1.25]
        network.weight.fill_(3.25)
        ema.update(network, 1001)
    assert ema.network.weight.tolist() == [1.75, 1.75]
    assert ema.network.running_mean.tolist() == [5.0, 5.0]


def test_the_start_is_soon_forgotten():
    network = nn.Linear(1, 1)
    ema = Ema(network, 0.999)
    with torch.no_grad():
        network.weight += 1
    for step in range(1, 31):
        ema.update(network, step)
    assert ema.network.weight.item() == pytest.approx(network.weight.item(), abs=1e-3)


def test_frozen_weights_are_left_alone():
    network = nn.Linear(1, 1)
    network.weight.requires_grad_(False)
    ema = Ema(network, 0.5)
    with torch.no_grad():
        network.weight += 1
        network.bias += 1
    ema.update(network, 1000)
    assert ema.network.weight.item() == pytest.approx(network.weight.item() - 1)
    assert ema.network.bias.item() == pytest.approx(network.bias.item() - 0.5)
