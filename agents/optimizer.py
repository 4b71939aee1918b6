"""The optimiser, with the span predictors in a group of their own."""

from __future__ import annotations

from typing import Any

import torch

from rlmem.actor_critic import ActorCritic
from rlmem.agents.learner_config import LearnerConfig
from rlmem.memories import Memory


def make_optimizer(policy: ActorCritic, config: LearnerConfig) -> torch.optim.Optimizer:
    """Adam or RMSProp over the policy's parameters.

    Each group carries `scale`, its learning rate as a multiple of the configured one, and `is_span`, True for the
    parameters of the memories.

    Args:
        policy: the actor-critic.
        config: the optimiser's name and its rates.
    """
    learned = [p for p in policy.parameters() if p.requires_grad]
    span_ids = {id(p) for module in policy.modules() if isinstance(module, Memory) for p in module.parameters()}
    span = [p for p in learned if id(p) in span_ids]
    rest = [p for p in learned if id(p) not in span_ids]
    groups: list[dict[str, Any]] = [{"params": rest, "scale": 1.0, "is_span": False}]
    if span:
        groups.append({"params": span, "scale": config.span_lr_scale, "is_span": True})
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, lr=config.learning_rate, alpha=0.99, eps=1e-5)
    return torch.optim.Adam(groups, lr=config.learning_rate, eps=1e-8, fused=True)
