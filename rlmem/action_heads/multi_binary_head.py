"""Several switches at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rlmem.action_heads.base import ActionHead, reshaped


class MultiBinaryHead(ActionHead):
    """Independent Bernoulli distributions; an action is one 0 or 1 a switch, flattened: (switches,) int8.

    Outputs are the logits of "on".

    Args:
        space: of any shape.
    """

    def __init__(self, space: spaces.MultiBinary) -> None:
        num_switches = math.prod(space.shape)
        super().__init__(num_switches, (num_switches,), torch.int8)
        self._shape = space.shape

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Standard logistic noise (*shape, switches)."""
        return torch.rand((*shape, self.num_outputs), generator=generator, device=generator.device).logit()

    def sample(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """On (..., switches) where logit and noise are above 0 together."""
        return (outputs + noise > 0).to(self.action_dtype)

    def mode(self, outputs: Tensor) -> Tensor:
        """On (..., switches) where it is likelier than off."""
        return (outputs > 0).to(self.action_dtype)

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        """Log-probability (...), the sum over the switches; action: (..., switches)."""
        return (action * outputs - functional.softplus(outputs)).sum(-1)

    def entropy(self, outputs: Tensor) -> Tensor:
        """Entropy (...) in nats, the sum over the switches."""
        return (functional.softplus(outputs) - outputs * outputs.sigmoid()).sum(-1)

    def to_environment(self, action: NDArray[Any]) -> NDArray[Any]:
        """(..., switches) to (..., *space.shape), int8."""
        return reshaped(action, 1, self._shape).astype(np.int8, copy=False)

    def from_environment(self, action: NDArray[Any]) -> NDArray[np.int8]:
        """(..., *space.shape) to (..., switches)."""
        return reshaped(np.asarray(action).astype(np.int8), len(self._shape), self.action_shape)
