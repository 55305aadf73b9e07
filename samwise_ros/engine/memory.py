"""What one target's past frames left, bounded. Called by `engine.tracker`.

The model says by name how many past frames of each thing it reads; the bank keeps just so many, and forgets the oldest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import torch
from torch import Tensor

from samwise_ros.errors import ShapeError
from samwise_ros.model.segmenter import Past


class MemoryBank:
    """A ring per name.

    Args:
        spec: by name, how many frames to keep; each at least 1.
    """

    def __init__(self, spec: Mapping[str, int]) -> None:
        self._frames = 0
        self._rings: dict[str, deque[Tensor]] = {name: deque(maxlen=length) for name, length in spec.items()}

    def read(self) -> Past:
        """What the model may read for the next frame.

        Returns:
            The number of frames written so far and, from the first one on, each ring stacked, oldest first.
        """
        tensors = {name: torch.stack(tuple(ring)) for name, ring in self._rings.items() if ring}
        return Past(self._frames, tensors)

    def write(self, remember: Mapping[str, Tensor]) -> None:
        """Keep what a frame leaves.

        Args:
            remember: one tensor for every name of the spec.

        Raises:
            ShapeError: a name is missing or unknown.
        """
        if remember.keys() != self._rings.keys():
            raise ShapeError(
                f"a frame leaves {', '.join(remember)}, expected {', '.join(self._rings)}: "
                "make the model remember what its memory_spec names"
            )
        for name, tensor in remember.items():
            self._rings[name].append(tensor)
        self._frames += 1
