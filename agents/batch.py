"""A rollout made ready for learning: rows first, with advantages and targets."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from rlmem.action_heads import ActionHead
from rlmem.actor_critic import Observation
from rlmem.agents.learner_config import LearnerConfig
from rlmem.agents.losses import normalise_advantages
from rlmem.agents.ranks import ALONE, Ranks
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
        observation: leaves (query, batch, ...), as collected: the largest tensors, and rows are transposed when used.
        action: (batch, query, ...).
        log_prob: (batch, query), of the actions under the acting weights.
        advantage: (batch, query), normalised if the configuration asks for it.
        target: (batch, query), what the value should have been.
        value_weight: what the squared error of the value is multiplied by, 1 unless the configuration normalises it.
    """

    state: MemoryState
    window: Window
    observation: Observation
    action: Tensor
    log_prob: Tensor
    advantage: Tensor
    target: Tensor
    value_weight: float

    @classmethod
    def of(cls, rollout: Rollout, config: LearnerConfig, head: ActionHead, ranks: Ranks = ALONE) -> Batch:
        """The batch of a rollout.

        Args:
            rollout: the window.
            config: of the learner.
            head: the action head under the acting weights.
            ranks: over whose windows advantages and targets are normalised.
        """
        advantage = generalised_advantages(
            rollout.reward,
            rollout.value,
            rollout.is_last,
            rollout.final_value,
            rollout.next_value,
            gamma=config.gamma,
            gae_lambda=config.gae_lambda,
        )
        weight = normalise_advantages(advantage, config.adv_std_floor, ranks) if config.norm_adv else advantage
        target = advantage + rollout.value
        deviation = float(ranks.deviation(target).clamp(min=config.adv_std_floor)) if config.norm_value_loss else 1.0
        return cls(
            state=rollout.state,
            window=rollout.window,
            observation=rollout.observation,
            action=rollout.action.transpose(0, 1),
            log_prob=head.log_prob(rollout.action_outputs, rollout.action).detach().t(),
            advantage=weight.t(),
            target=target.t(),
            value_weight=1 / deviation**2,
        )
