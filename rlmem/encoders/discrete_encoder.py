"""Observations that are one of n things."""

from __future__ import annotations

from gymnasium import spaces
from torch import Tensor, nn


class DiscreteEncoder(nn.Module):
    """An embedding for each value.

    Args:
        space: values start, ..., start + n - 1.
        model: width of the result.
    """

    def __init__(self, space: spaces.Discrete, model: int) -> None:
        super().__init__()
        self.start = int(space.start)
        self.embedding = nn.Embedding(int(space.n), model)  # standard normal

    def forward(self, observation: Tensor) -> Tensor:
        """Encode observations; (...) of any integer dtype to (..., model)."""
        encoding: Tensor = self.embedding(observation.long() - self.start)
        return encoding
