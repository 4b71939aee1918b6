"""Relative position embeddings over the last `reach` steps (Shaw et al. 2018), shared by the heads of a layer.

The score q . p_(t-i) depends on the distance alone, so one product of all queries with the embedding table serves every
slot. Laying the product out along the diagonal ("skewing") turns distances into columns of absolute time:

    column 0          no position: slots at least `reach` steps older than the window
    column reach - a  slots made a steps before the window, 1 <= a < reach
    column reach + s  the window's own step s
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


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
            age: (batch, memory) int64, their age at the window's first step, >= 1; an empty slot's may be anything.

        Returns:
            (batch, memory) int64 in [0, reach).
        """
        return (self.reach - age).clamp(min=0, max=self.reach - 1)

    def window_scores(self, queries: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of a window's queries.

        Args:
            queries: (batch, heads, query, head).
            columns: (batch, memory) int64 from `columns`.

        Returns:
            Against the memory slots, (batch, heads, query, memory), and against the window's own steps, (batch, heads,
            query, query), where steps later than the query hold arbitrary finite values.
        """
        batch, heads, query, head = queries.shape
        scores = queries.reshape(-1, head) @ self.embedding.flip(0).t()  # (batch * heads * query, reach)
        padded = torch.nn.functional.pad(scores, (1, query)).view(batch, heads, -1)
        width = self.reach + query
        skewed = padded[:, :, : query * width].view(batch, heads, query, width)  # each row one column further right
        index = columns[:, None, None, :].expand(-1, heads, query, -1)
        return skewed[..., : self.reach].gather(3, index), skewed[..., self.reach :]

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
