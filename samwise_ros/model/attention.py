"""Multi-head attention as PyTorch's layer computes it, in the memory layout that the adapters need.

Called by `model.adapter`.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from samwise_ros.model.onednn import linear


class Attention(nn.MultiheadAttention):
    """Attention of one sequence to another, batch first; names of the weights are PyTorch's.

    Args:
        width: channels A.
        heads: attention heads.

    Differs from PyTorch's layer: the queries of one row may serve several rows of keys, or the other way round, and are
    multiplied once; and no sequence is transposed, which on a CPU takes as long as the attention itself (docs/log.md).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads, batch_first=True)

    def forward(self, queries: Tensor, keys: Tensor, padding: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """Attend.

        Args:
            queries: (R, Lq, A); R is B or 1.
            keys: (S, Lk, A), which are the values too; S is B or 1.
            padding: (S, Lk) bool, True for keys that nobody attends to; at least one of a row is False.

        Returns:
            (B, Lq, A).
        """
        width = self.embed_dim
        asked = linear(queries, self.in_proj_weight[:width], self.in_proj_bias[:width])
        offered = linear(keys, self.in_proj_weight[width:], self.in_proj_bias[width:])
        rows = max(len(queries), len(keys))
        q, k, v = (
            x.expand(rows, -1, -1).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for x in (asked, *offered.chunk(2, -1))
        )
        attended = F.scaled_dot_product_attention(q, k, v, None if padding is None else ~padding[:, None, None])
        return linear(attended.transpose(1, 2).flatten(2), self.out_proj.weight, self.out_proj.bias)
