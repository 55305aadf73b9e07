"""The mean of the weights over the last steps, which is what gets evaluated and shipped. Called by `training.loop`."""

from __future__ import annotations

from copy import deepcopy

import torch

from samwise_ros.model.build import Network


class Ema:
    """An exponential moving average of a network's weights.

    Args:
        network: where the average starts; it is copied.
        decay: what a step leaves of the average; less in the first steps, so that the start is forgotten.

    Attributes:
        network: the averaged network in evaluation mode.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = deepcopy(network).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: Network, step: int) -> None:
        """Take in the weights after a step; buffers, such as batch statistics, are copied.

        Args:
            network: in training.
            step: its number, counted from 1.
        """
        pairs = [
            pair for pair in zip(self.network.parameters(), network.parameters(), strict=True) if pair[1].requires_grad
        ]
        decay = min(self._decay, step / (9 + step))
        torch._foreach_lerp_([mine for mine, _ in pairs], [theirs for _, theirs in pairs], 1 - decay)
        for mine, theirs in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(theirs)
