"""Observations that are several numbers, each one of a few things."""

from __future__ import annotations

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional


class MultiDiscreteEncoder(nn.Module):
    """The sum of the parts' embeddings, which stand below one another in one table.

    Args:
        space: of any shape; part p has the values start_p, ..., start_p + n_p - 1.
        model: width of the result.
    """

    offset: Tensor

    def __init__(self, space: spaces.MultiDiscrete, model: int) -> None:
        super().__init__()
        sizes = space.nvec.astype(np.int64).ravel()
        first_rows = np.cumsum(sizes) - sizes
        self.num_dimensions = len(space.shape)
        self.register_buffer("offset", torch.as_tensor(first_rows - space.start.astype(np.int64).ravel()), False)
        self.embedding = nn.Parameter(torch.randn(int(sizes.sum()), model) / len(sizes) ** 0.5)

    def forward(self, observation: Tensor) -> Tensor:
        """Encode observations; (..., *shape) of any integer dtype to (..., model)."""
        leading = observation.shape[: observation.dim() - self.num_dimensions]
        rows = observation.reshape(-1, len(self.offset)).long() + self.offset  # (steps, parts)
        return functional.embedding_bag(rows, self.embedding, mode="sum").view(*leading, -1)
