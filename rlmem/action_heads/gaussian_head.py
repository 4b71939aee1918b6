"""Continuous actions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from rlmem.action_heads.base import ActionHead, reshaped
from rlmem.box_range import centre_and_half_width

INITIAL_LOG_STD = -0.5  # a deviation of 0.6: from the centre, nine draws of ten fall inside the bounds
_LOG_ROOT_TWO_PI = 0.5 * math.log(2 * math.pi)


class GaussianHead(ActionHead):
    """A diagonal Gaussian whose deviation is learned and the same in every state; an action is (size,) float32.

    Actions are drawn, stored and judged in units of the box: -1 is its low bound, 1 its high bound, so one initial
    deviation fits every box. Elements without two finite bounds keep the environment's units, around 0 or the bound
    nearest to it. Draws have no limits, and are clipped to the bounds on their way to the environment only: the density
    stays the Gaussian's, and the part beyond a bound acts as the bound. Densities and entropies are of these units; in
    the environment's, they differ by a constant, which no gradient and no probability ratio sees.

    Args:
        space: floats of any shape, flattened; outputs are means.
    """

    def __init__(self, space: spaces.Box) -> None:
        size = int(space.low.size)
        super().__init__(size, (size,), torch.float32)
        self.log_std = nn.Parameter(torch.full((size,), INITIAL_LOG_STD))
        self._low, self._high = space.low, space.high
        self._centre, self._half_width = (array.reshape(space.shape) for array in centre_and_half_width(space))

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Standard normal noise (*shape, size)."""
        return torch.randn((*shape, self.num_outputs), generator=generator, device=generator.device)

    @torch.no_grad()
    def sample(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """Mean and noise (..., size)."""
        return outputs + self.log_std.exp() * noise

    def mode(self, outputs: Tensor) -> Tensor:
        """The means (..., size)."""
        return outputs.detach()

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        """Log-density (...), the sum over the elements; action: (..., size)."""
        standardised = (action - outputs) * (-self.log_std).exp()
        return (-0.5 * standardised.square() - self.log_std - _LOG_ROOT_TWO_PI).sum(-1)

    def entropy(self, outputs: Tensor) -> Tensor:
        """Entropy (...) in nats, the same in every state."""
        return (self.log_std + (0.5 + _LOG_ROOT_TWO_PI)).sum().expand(outputs.shape[:-1])

    def to_environment(self, action: NDArray[Any]) -> NDArray[Any]:
        """(..., size) in units of the box to (..., *space.shape), clipped to the bounds."""
        values = self._centre + self._half_width * reshaped(action, 1, self._low.shape)
        clipped: NDArray[Any] = np.clip(values.astype(self._low.dtype), self._low, self._high)
        return clipped

    def from_environment(self, action: NDArray[Any]) -> NDArray[np.float32]:
        """(..., *space.shape) to (..., size) in units of the box; an element with equal bounds becomes 0."""
        offset = np.asarray(action, dtype=np.float64) - self._centre
        units = np.divide(offset, self._half_width, out=np.zeros_like(offset), where=self._half_width > 0)
        return reshaped(units.astype(np.float32), self._low.ndim, self.action_shape)
