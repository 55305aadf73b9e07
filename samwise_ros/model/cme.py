"""Conditional Memory Encoder: notices that the memory follows the wrong object.

Called by `model.samwise` after a frame is decoded.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

HEADS = 8
FFN_WIDTH = 128


class ConditionalMemoryEncoder(nn.Module):
    """Decides whether the memory-less prediction shows another object that fits the text better.

    Args:
        width: channels C of object pointers and mask tokens.

    Source: SAMWISE, section "Conditional Memory Encoder": a post-norm transformer block over three tokens and a linear
    layer on the first.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.decision_token = nn.Parameter(torch.zeros(width))
        nn.init.normal_(self.decision_token)
        self.block = nn.TransformerEncoderLayer(width, HEADS, FFN_WIDTH, dropout=0.0, batch_first=True)
        self.head = nn.Linear(width, 2)

    def forward(self, memory_pointer: Tensor, memoryless_token: Tensor) -> Tensor:
        """Compare the two predictions.

        Args:
            memory_pointer: (B, C), object pointer of the prediction that read the memory.
            memoryless_token: (B, C), mask token of the memory-less prediction after the decoder's first layer.

        Returns:
            (B, 2) logits: class 0 the same object, class 1 another one.
        """
        decision = self.decision_token.expand_as(memory_pointer)
        tokens = torch.stack((decision, memory_pointer, memoryless_token), 1)
        logits: Tensor = self.head(self.block(tokens)[:, 0])
        return logits
