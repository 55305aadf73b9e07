"""What one stream's past frames left, bounded. Called by `engine.tracker`.

The model says by name how many past frames of each thing it reads; the bank keeps just so many, and forgets the oldest.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import torch
from torch import Tensor

from samwise_ros.errors import ShapeError
from samwise_ros.model.segmenter import Past, Ring


class MemoryBank:
    """A ring per name, with a row for each target.

    Args:
        spec: by name, how the model wants it kept.
    """

    def __init__(self, spec: Mapping[str, Ring]) -> None:
        self._spec = dict(spec)
        self._ages: dict[Hashable, int] = {}
        self._rings: dict[str, Tensor] = {}

    def select(self, keys: Sequence[Hashable]) -> None:
        """Say whose memory is kept from now on; everyone else is forgotten.

        Args:
            keys: N different targets, in the order of the rows. One that is new has age 0.
        """
        rows = [list(self._ages).index(key) if key in self._ages else None for key in keys]
        if not any(row is not None for row in rows):
            self._rings = {}
        elif rows != list(range(len(self._ages))):
            self._rings = {
                name: ring if self._spec[name].shared else _take_rows(ring, rows) for name, ring in self._rings.items()
            }
        self._ages = {key: self._ages.get(key, 0) for key in keys}

    def read(self) -> Past:
        """What the model may read for the next frame."""
        return Past(tuple(self._ages.values()), dict(self._rings))

    def write(self, remember: Mapping[str, Tensor]) -> None:
        """Keep what a frame leaves, and count it for every target.

        Args:
            remember: for every name of the spec a tensor (N, …), or (1, …) where shared.

        Raises:
            ShapeError: a name is missing or unknown.
        """
        if remember.keys() != self._spec.keys():
            raise ShapeError(
                f"a frame leaves {', '.join(remember)}, expected {', '.join(self._spec)}: "
                "make the model remember what its memory_spec names"
            )
        for name, new in remember.items():
            ring = self._rings.get(name)
            if ring is None:
                ring = new.new_zeros((new.shape[0], self._spec[name].frames, *new.shape[1:]))
            self._rings[name] = torch.cat((ring[:, 1:], new[:, None]), 1)
        self._ages = {key: age + 1 for key, age in self._ages.items()}


def _take_rows(ring: Tensor, rows: Sequence[int | None]) -> Tensor:
    """Rows of a ring in a new order, zeros where there is none."""
    empty = torch.zeros_like(ring[0])
    return torch.stack([empty if row is None else ring[row] for row in rows])
