"""What an action head does: it turns the policy's outputs into a distribution over actions, and actions into arrays.

outputs   (..., num_outputs)     what the policy's last linear layer gives: logits or means
noise     (..., num_outputs)     everything random about an action, drawn beforehand
action    (..., *action_shape)   as the policy sees it, a tensor; to the environment it goes by `to_environment`
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class ActionHead(nn.Module):
    """A distribution over the actions of one space. The policy's outputs are its parameters, together with its own.

    Args:
        num_outputs: how many outputs it needs of the policy.
        action_shape: of one action as a tensor.
        action_dtype: likewise.
    """

    def __init__(self, num_outputs: int, action_shape: tuple[int, ...], action_dtype: torch.dtype) -> None:
        super().__init__()
        self.num_outputs = num_outputs
        self.action_shape = action_shape
        self.action_dtype = action_dtype

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Noise for actions of a leading shape: (*shape, num_outputs), on the generator's device."""
        raise NotImplementedError

    def sample(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """The actions (..., *action_shape) that outputs and noise, both (..., num_outputs), give; no gradient."""
        raise NotImplementedError

    def mode(self, outputs: Tensor) -> Tensor:
        """The likeliest actions (..., *action_shape) under outputs (..., num_outputs)."""
        raise NotImplementedError

    def log_prob(self, outputs: Tensor, action: Tensor) -> Tensor:
        """Log-probability (...) or log-density of actions (..., *action_shape) under outputs (..., num_outputs)."""
        raise NotImplementedError

    def entropy(self, outputs: Tensor) -> Tensor:
        """Entropy (...) in nats under outputs (..., num_outputs)."""
        raise NotImplementedError

    def to_environment(self, action: NDArray[Any]) -> NDArray[Any]:
        """Actions (..., *action_shape) as the environment takes them: (..., *space.shape) with the space's dtype."""
        raise NotImplementedError

    def from_environment(self, action: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `to_environment`, with the dtype that the tensor of actions has."""
        raise NotImplementedError


def gumbel_noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Standard Gumbel noise: the argmax of logits plus noise is a sample of the categorical distribution."""
    return -torch.empty(shape, device=generator.device).exponential_(generator=generator).log()


def categorical_log_prob(logits: Tensor, action: Tensor) -> Tensor:
    """Log-probability (...) of actions (...) int64 under logits (..., actions)."""
    return torch.log_softmax(logits, dim=-1).gather(-1, action.unsqueeze(-1)).squeeze(-1)


def categorical_entropy(logits: Tensor) -> Tensor:
    """Entropy (...) in nats of the categorical distributions with logits (..., actions)."""
    log_prob = torch.log_softmax(logits, dim=-1)
    return -(log_prob.exp() * log_prob).sum(-1)


def reshaped(action: NDArray[Any], num_dimensions: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """The last `num_dimensions` axes of a batch of actions laid out as `shape`."""
    leading = action.shape[: action.ndim - num_dimensions]
    return np.reshape(action, (*leading, *shape))
