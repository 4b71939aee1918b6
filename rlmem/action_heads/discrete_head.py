"""One choice among n."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from rlmem.action_heads.base import ActionHead, categorical_entropy, categorical_log_prob, gumbel_noise


class DiscreteHead(ActionHead):
    """A categorical distribution; outputs are logits, an action is a number in [0, n), int64, of shape ().

    Args:
        space: values start, ..., start + n - 1; the environment alone sees `start`.
    """

    def __init__(self, space: spaces.Discrete) -> None:
        super().__init__(int(space.n), (), torch.int64)
        self._start = int(space.start)
        self._dtype = space.dtype

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Gumbel noise (*shape, n)."""
        return gumbel_noise((*shape, self.num_outputs), generator)

    def sample(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """The argmax (...) of logits and noise."""
        return (outputs + noise).argmax(-1)

    def mode(self, outputs: Tensor) -> Tensor:
        """The argmax (...) of the logits."""
        return outputs.argmax(-1)

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        """Log-probability (...); action: (...) int64."""
        return categorical_log_prob(outputs, action)

    def entropy(self, outputs: Tensor) -> Tensor:
        """Entropy (...) in nats."""
        return categorical_entropy(outputs)

    def to_environment(self, action: NDArray[Any]) -> NDArray[Any]:
        """From 0, ..., n - 1 to the space's values; (...) in and out."""
        shifted: NDArray[Any] = action + self._start if self._start else action
        return shifted.astype(self._dtype, copy=False)

    def from_environment(self, action: NDArray[Any]) -> NDArray[np.int64]:
        """From the space's values to 0, ..., n - 1; (...) in and out."""
        return np.asarray(action).astype(np.int64) - self._start
