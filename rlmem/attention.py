"""Multi-head attention of a window over stored memories and itself; the one attention that every memory kind uses.

normed    (batch, memory + query, model)             norm of the stored hidden states, then of the window's
log_mask  (batch, 1 or heads, query, memory + query)  what each query may see, from the memory kind
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rlmem.chunked_attention import Chunk, attend
from rlmem.positions import RelativePositions
from rlmem.query_blocks import QueryBlock, overlapping


class Attention(nn.Module):
    """Softmax attention with relative positions and an additive log-mask.

    Args:
        model: width of a hidden state.
        heads: must divide `model`.
        position_reach: how many steps back relative positions reach.
        dropout: share of the weights set to 0 in training, the others being scaled up.
    """

    def __init__(self, model: int, heads: int, position_reach: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.head, self.dropout = heads, model // heads, dropout
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
        read = self._read(*self._project(normed, columns.shape[1]), log_mask, columns)
        return self._joined(read.unflatten(0, (-1, self.heads)))

    def read_blocks(self, normed: Tensor, blocks: Sequence[QueryBlock]) -> Tensor:
        """What `forward` reads, block by block.

        Args:
            normed: (batch, memory + query, model).
            blocks: of the window, from its first query to its last.

        Returns:
            (batch, query, model).
        """
        queries, keys, values = self._project(normed, normed.shape[1] - blocks[-1].queries.stop)
        parts = [block.slots for block in blocks]
        reads = [
            self._read(queries[:, :, block.queries], some_keys, some_values, block.make_log_mask(), block.columns)
            for block, some_keys, some_values in zip(
                blocks, overlapping(keys, parts), overlapping(values, parts), strict=True
            )
        ]
        return self._joined(torch.cat(reads, dim=1).unflatten(0, (-1, self.heads)))

    def _read(self, queries: Tensor, keys: Tensor, values: Tensor, log_mask: Tensor, columns: Tensor) -> Tensor:
        """What queries (batch, heads, query, head) read, (batch * heads, query, head)."""
        weights = self._weigh(queries, keys, log_mask, columns)
        if self.dropout and self.training:
            weights = nn.functional.dropout(weights, self.dropout)
        return torch.bmm(weights, values)

    def read_chunks(self, normed: Tensor, described: Tensor | None, num_queries: int, chunks: list[Chunk]) -> Tensor:
        """What `forward` reads, from chunks whose weights are not kept for the backward pass.

        Args:
            normed: (batch, memory + query, model).
            described: as the chunks' biases take it.
            num_queries: the last so many steps are the window.
            chunks: of memory + query, each with its log-mask and position scores as bias.

        Returns:
            (batch, query, model).
        """
        queries, keys, values = self._project(normed, normed.shape[1] - num_queries)
        keys, values = keys.unflatten(0, queries.shape[:2]), values.unflatten(0, queries.shape[:2])
        dropout = self.dropout if self.training else 0.0
        return self._joined(attend(queries, keys, values, described, chunks, dropout=dropout))

    def _joined(self, read: Tensor) -> Tensor:
        """The contribution (batch, query, model) of what the heads read, (batch, heads, query, head)."""
        contribution: Tensor = self.output(read.transpose(1, 2).flatten(2))
        return contribution

    def weights(self, normed: Tensor, log_mask: Tensor, columns: Tensor) -> Tensor:
        """How much each query reads of each slot, in `forward` with the same arguments.

        Returns:
            (batch, heads, query, memory + query), each row of slots summing to 1.
        """
        queries, keys, _ = self._project(normed, columns.shape[1])
        weights: Tensor = self._weigh(queries, keys, log_mask, columns).unflatten(0, (-1, self.heads))
        return weights

    def _project(self, normed: Tensor, memory: int) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (batch, heads, query, head); keys and values (batch * heads, memory + query, head)."""
        queries = self.split_heads(self.query(normed[:, memory:])) * self.scale
        keys, values = map(self.split_heads, self.key_value(normed).chunk(2, dim=-1))
        return queries, keys.flatten(0, 1), values.flatten(0, 1)

    def _weigh(self, queries: Tensor, keys: Tensor, log_mask: Tensor, columns: Tensor) -> Tensor:
        """The weights (batch * heads, query, memory + query)."""
        logits = self.positions.window_scores(queries, columns)
        logits = logits.add_(log_mask).flatten(0, 1)  # in place here and below: this is the largest tensor
        return torch.softmax(logits.baddbmm_(queries.flatten(0, 1), keys.transpose(1, 2)), dim=-1)
