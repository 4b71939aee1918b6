"""Generalised advantage estimation over windows in which episodes end.

reward, value, final_value  (time, batch)   r_t, V(s_t), and V of a truncated episode's final observation
is_last                     (time, batch)   True where the episode ends with step t, terminated or truncated
"""

from __future__ import annotations

import torch
from torch import Tensor


def generalised_advantages(
    reward: Tensor,
    value: Tensor,
    is_last: Tensor,
    final_value: Tensor,
    next_value: Tensor,
    *,
    gamma: float,
    gae_lambda: float,
) -> Tensor:
    """Advantages A_t = sum_k (gamma lambda)^k delta_(t+k), cut at episode ends.

    delta_t = r_t + gamma V(s_(t+1)) - V(s_t), where V(s_(t+1)) is `final_value` at an episode's last step: the value of
    the final observation if the episode was truncated, 0 if it terminated.

    Args:
        reward: (time, batch).
        value: (time, batch), under the acting weights.
        is_last: (time, batch) bool.
        final_value: (time, batch), read where `is_last` alone.
        next_value: (batch,), value of the observation after the window, read where the last step ends no episode.
        gamma: discount in [0, 1].
        gae_lambda: lambda in [0, 1]; 1 gives Monte Carlo returns less the value, 0 the one-step error.

    Returns:
        (time, batch). Advantage plus value is the value's target.

    Source: Schulman et al. 2016.
    """
    following = torch.cat([value[1:], next_value[None]])
    following = torch.where(is_last, final_value, following)
    error = reward + gamma * following - value
    decay = gamma * gae_lambda * (~is_last).to(value.dtype)
    advantage = torch.empty_like(error)
    running = torch.zeros_like(next_value)
    for time in range(error.shape[0] - 1, -1, -1):
        running = error[time] + decay[time] * running
        advantage[time] = running
    return advantage
