"""Relative position embeddings over the last `reach` steps (Shaw et al. 2018), shared by the heads of a layer.

The score q . p_(t-i) depends on the distance alone, so one product of all queries with the embedding table serves every
slot. Laying the product out along the diagonal ("skewing") turns distances into columns of absolute time:

    column 0          no position: slots at least `reach` steps older than the window
    column reach - a  slots made a steps before the window, 1 <= a < reach
    column reach + s  the window's own step s, or a slot that a memory kind makes of steps up to it
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _Skew(torch.autograd.Function):
    """Scores by distance, oldest first (batch, heads, query, reach), to scores by slot; by hand to write once.

    With one zero before each row and `query` zeros behind it, the flat tensor read with rows one entry shorter has
    every row moved one column further right than the row above.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, columns: Tensor) -> Tensor:
        """Scores by slot, (batch, heads, query, memory + query); columns: (batch, memory)."""
        batch, heads, query, reach = scores.shape
        padded, skewed = _skewable(scores)
        padded[..., 0], padded[..., 1 + reach :] = 0, 0
        padded[..., 1 : 1 + reach] = scores
        memory = columns.shape[1]
        by_slot = scores.new_empty(batch, heads, query, memory + query)
        by_slot[..., :memory] = skewed.gather(3, columns[:, None, None].expand(-1, heads, query, -1))
        by_slot[..., memory:] = skewed[..., reach:]
        ctx.save_for_backward(columns)
        ctx.reach = reach
        return by_slot

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """The same walk the other way: slots that share a column add up."""
        (columns,), (grad,), reach = ctx.saved_tensors, grads, ctx.reach
        batch, heads, query, slots = grad.shape
        memory = slots - query
        padded, skewed = _skewable(grad[..., :1].expand(-1, -1, -1, reach))
        skewed[..., :reach] = 0
        skewed[..., reach:] = grad[..., memory:]
        index = columns[:, None, None].expand(-1, heads, query, -1)
        skewed.scatter_add_(3, index, grad[..., :memory])
        return padded[..., 1 : 1 + reach], None


def _skewable(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Two views of one uninitialised buffer for scores (batch, heads, query, reach).

    Returns:
        padded (batch, heads, query, 1 + reach + query) and skewed (batch, heads, query, reach + query).
    """
    batch, heads, query, reach = scores.shape
    buffer = scores.new_empty(batch, heads, query * (1 + reach + query))
    width = reach + query
    return buffer.view(batch, heads, query, 1 + width), buffer[..., : query * width].view(batch, heads, query, width)


class RelativePositions(nn.Module):
    """Scores of queries against the distance to what they look at.

    Args:
        reach: distances 0 <= t - i < reach have an embedding; older slots score 0 (the paper, section 4.2).
        head: width of one attention head.
    """

    def __init__(self, reach: int, head: int) -> None:
        super().__init__()
        self.reach = reach
        self.embedding = nn.Parameter(torch.randn(reach, head) * 0.02)  # row d: distance d

    def columns(self, age: Tensor) -> Tensor:
        """Where slots from before a window stand among the columns.

        Args:
            age: (batch, memory) int64, their age at the window's first step; 0 or less for what is made of the window's
                own steps; an empty slot's is large.

        Returns:
            (batch, memory) int64 in [0, reach + query).
        """
        return (self.reach - age).clamp(min=0)

    def window_scores(self, queries: Tensor, columns: Tensor) -> Tensor:
        """Scores of a window's queries.

        Args:
            queries: (batch, heads, query, head).
            columns: (batch, memory) int64 from `columns`.

        Returns:
            (batch, heads, query, memory + query), against the memory slots and then the window's own steps; steps later
            than the query hold arbitrary finite values, and gradients to them are ignored.
        """
        scores = queries.reshape(-1, queries.shape[3]) @ self.embedding.flip(0).t()
        by_slot: Tensor = _Skew.apply(scores.view(*queries.shape[:3], self.reach), columns)  # type: ignore[no-untyped-call]
        return by_slot

    def step_table(self) -> Tensor:
        """(head, reach + 1), the embeddings by distance with a zero column for what is older, for `step_scores`."""
        return torch.cat([self.embedding, self.embedding.new_zeros(1, self.embedding.shape[1])]).t().contiguous()

    @staticmethod
    def step_scores(queries: Tensor, table: Tensor, distance: Tensor) -> Tensor:
        """Scores of one query a row.

        Args:
            queries: (batch, heads, head).
            table: (head, reach + 1) from `step_table`.
            distance: (batch, memory) int64 in [0, reach], min(t - i, reach).

        Returns:
            (batch, heads, memory).
        """
        scores = queries @ table  # (batch, heads, reach + 1)
        return scores.gather(2, distance[:, None, :].expand(-1, queries.shape[1], -1))
