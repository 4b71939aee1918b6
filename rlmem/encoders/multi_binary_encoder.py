"""Observations that are switches."""

from __future__ import annotations

import math

from gymnasium import spaces
from torch import Tensor, nn

from rlmem.encoders.perceptron import initialise


class MultiBinaryEncoder(nn.Module):
    """One linear layer over the switches, -1 for off and 1 for on.

    Args:
        space: of any shape, flattened.
        model: width of the result.
    """

    def __init__(self, space: spaces.MultiBinary, model: int) -> None:
        super().__init__()
        self.num_dimensions = len(space.shape)
        self.linear = nn.Linear(math.prod(space.shape), model)
        initialise(self.linear, input_mean_square=1.0)

    def forward(self, observation: Tensor) -> Tensor:
        """Encode observations; (..., *shape) of 0 and 1 in any dtype to (..., model)."""
        leading = observation.shape[: observation.dim() - self.num_dimensions]
        switches = observation.reshape(*leading, self.linear.in_features).to(self.linear.weight.dtype)
        encoding: Tensor = self.linear(2 * switches - 1)
        return encoding
