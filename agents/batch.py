"""A rollout made ready for learning: rows first, with advantages and targets."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from rlmem.agents.learner_config import LearnerConfig
from rlmem.agents.losses import action_log_prob, normalise_advantages
from rlmem.agents.returns import generalised_advantages
from rlmem.agents.rollout import Rollout
from rlmem.memory_state import MemoryState
from rlmem.window import Window


@dataclass(frozen=True)
class Batch:
    """What the losses read. A row is an environment: minibatches are made of whole rows.

    Args:
        state: memory from before the window.
        window: times and episodes, (batch, query).
        observation: (query, batch, ...), as collected: it is the largest tensor, and rows are transposed when used.
        action: (batch, query) int64.
        log_prob: (batch, query), of the actions under the acting weights.
        advantage: (batch, query), normalised if the configuration asks for it.
        target: (batch, query), what the value should have been.
    """

    state: MemoryState
    window: Window
    observation: Tensor
    action: Tensor
    log_prob: Tensor
    advantage: Tensor
    target: Tensor

    @classmethod
    def of(cls, rollout: Rollout, config: LearnerConfig) -> Batch:
        """The batch of a rollout."""
        advantage = generalised_advantages(
            rollout.reward,
            rollout.value,
            rollout.is_last,
            rollout.final_value,
            rollout.next_value,
            gamma=config.gamma,
            gae_lambda=config.gae_lambda,
        )
        weight = normalise_advantages(advantage, config.adv_std_floor) if config.norm_adv else advantage
        return cls(
            state=rollout.state,
            window=rollout.window,
            observation=rollout.observation,
            action=rollout.action.t(),
            log_prob=action_log_prob(rollout.logits, rollout.action).t(),
            advantage=weight.t(),
            target=(advantage + rollout.value).t(),
        )
