"""Several choices at once, each among a few."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from rlmem.action_heads.base import ActionHead, categorical_entropy, categorical_log_prob, gumbel_noise, reshaped


class MultiDiscreteHead(ActionHead):
    """Independent categorical distributions; an action is one number a part, flattened: (parts,) int64.

    Outputs are the parts' logits one after another.

    Args:
        space: of any shape; part p has the values start_p, ..., start_p + n_p - 1.
    """

    def __init__(self, space: spaces.MultiDiscrete) -> None:
        self._sizes = [int(size) for size in space.nvec.ravel()]
        super().__init__(sum(self._sizes), (len(self._sizes),), torch.int64)
        self._start = space.start.astype(np.int64)
        self._dtype = space.dtype

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Gumbel noise (*shape, num_outputs)."""
        return gumbel_noise((*shape, self.num_outputs), generator)

    def sample(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """Each part's argmax (..., parts) of logits and noise."""
        return self.mode(outputs + noise)

    def mode(self, outputs: Tensor) -> Tensor:
        """Each part's argmax (..., parts) of its logits."""
        return torch.stack([logits.argmax(-1) for logits in outputs.split(self._sizes, -1)], -1)

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        """Log-probability (...), the sum over the parts; action: (..., parts) int64."""
        parts = zip(outputs.split(self._sizes, -1), action.unbind(-1), strict=True)
        return torch.stack([categorical_log_prob(logits, chosen) for logits, chosen in parts]).sum(0)

    def entropy(self, outputs: Tensor) -> Tensor:
        """Entropy (...) in nats, the sum over the parts."""
        return torch.stack([categorical_entropy(logits) for logits in outputs.split(self._sizes, -1)]).sum(0)

    def to_environment(self, action: NDArray[Any]) -> NDArray[Any]:
        """(..., parts) counted from 0 to (..., *space.shape) counted from each part's start."""
        return (reshaped(action, 1, self._start.shape) + self._start).astype(self._dtype, copy=False)

    def from_environment(self, action: NDArray[Any]) -> NDArray[np.int64]:
        """(..., *space.shape) counted from each part's start to (..., parts) counted from 0."""
        from_zero: NDArray[np.int64] = np.asarray(action).astype(np.int64) - self._start
        return reshaped(from_zero, self._start.ndim, self.action_shape)
