"""Multi-head attention of a window over stored memories and itself; the one attention that every memory kind uses.

normed    (batch, memory + query, model)             norm of the stored hidden states, then of the window's
log_mask  (batch, 1 or heads, query, memory + query)  what each query may see, from the memory kind
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rlmem.positions import RelativePositions


class Attention(nn.Module):
    """Softmax attention with relative positions and an additive log-mask.

    Args:
        model: width of a hidden state.
        heads: must divide `model`.
        position_reach: how many steps back relative positions reach.
    """

    def __init__(self, model: int, heads: int, position_reach: int) -> None:
        super().__init__()
        self.heads, self.head = heads, model // heads
        self.query = nn.Linear(model, model, bias=False)
        self.key_value = nn.Linear(model, 2 * model, bias=False)
        self.output = nn.Linear(model, model, bias=False)
        self.positions = RelativePositions(position_reach, self.head)
        self.scale = 1 / math.sqrt(self.head)

    def split_heads(self, tensor: Tensor) -> Tensor:
        """(batch, step, model) to (batch, heads, step, head)."""
        split: Tensor = tensor.unflatten(-1, (self.heads, self.head)).transpose(1, 2)
        return split

    def forward(self, normed: Tensor, log_mask: Tensor, columns: Tensor) -> Tensor:
        """What the window's queries read.

        Args:
            normed: (batch, memory + query, model); the last `query` steps are the window.
            log_mask: (batch, 1 or heads, query, memory + query), -inf where it sees nothing; a query sees itself.
            columns: (batch, memory) int64 from `RelativePositions.columns`.

        Returns:
            (batch, query, model), to be added to the residual stream.
        """
        query_steps, memory = log_mask.shape[2], columns.shape[1]
        queries = self.split_heads(self.query(normed[:, memory:])) * self.scale  # (batch, heads, query, head)
        keys, values = map(self.split_heads, self.key_value(normed).chunk(2, dim=-1))
        logits = self.positions.window_scores(queries, columns)
        logits = logits.add_(log_mask).flatten(0, 1)  # in place here and below: this is the largest tensor
        queries, keys, values = queries.flatten(0, 1), keys.flatten(0, 1), values.flatten(0, 1)
        weights = torch.softmax(logits.baddbmm_(queries, keys.transpose(1, 2)), dim=-1)
        read = torch.bmm(weights, values).unflatten(0, (-1, self.heads))  # (batch, heads, query, head)
        contribution: Tensor = self.output(read.transpose(1, 2).reshape(-1, query_steps, self.heads * self.head))
        return contribution
