"""The actor-critic losses, as pure functions of flat batches of steps."""

from __future__ import annotations

import torch
from torch import Tensor

from rlmem.agents.ranks import ALONE, Ranks


def normalise_advantages(advantage: Tensor, std_floor: float, ranks: Ranks = ALONE) -> Tensor:
    """Advantages with mean 0 and deviation 1, unless the deviation is below the floor.

    Dividing by the deviation alone turns the silence before the first reward into full-size noise, which can teach an
    agent to stand still for good; the floor keeps silence silent.

    Args:
        advantage: any shape.
        std_floor: smallest divisor.
        ranks: over whose advantages mean and deviation are taken.
    """
    return (advantage - ranks.mean(advantage)) / ranks.deviation(advantage).clamp(min=std_floor)


def a2c_policy_loss(log_prob: Tensor, advantage: Tensor) -> Tensor:
    """The policy gradient's loss, a mean over steps; both arguments of one shape."""
    return -(log_prob * advantage).mean()


def ppo_policy_loss(log_ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """PPO's clipped surrogate, a mean over steps (Schulman et al. 2017, equation 7).

    Args:
        log_ratio: log-probability of the actions under the current weights less that under the acting weights.
        advantage: of the same shape.
        clip: epsilon, how far the probability ratio may move and still be rewarded.
    """
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * advantage, clipped * advantage).mean()
