"""Learning from a rollout: advantages, epochs over minibatches of rows, and the cost of memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rlmem.actor_critic import ActorCritic, PolicyOutput
from rlmem.agents.learner_config import LearnerConfig
from rlmem.agents.losses import a2c_policy_loss, action_log_prob, entropy, normalise_advantages, ppo_policy_loss
from rlmem.agents.returns import generalised_advantages
from rlmem.agents.rollout import Rollout
from rlmem.errors import RlmemError
from rlmem.memories import Memory


class DivergedError(RlmemError):
    """The loss is no longer a finite number."""


class Learner:
    """Updates a policy from rollouts.

    Args:
        policy: the actor-critic.
        config: algorithm and coefficients.
        generator: source of the minibatches' order, on the CPU.
    """

    def __init__(self, policy: ActorCritic, config: LearnerConfig, generator: torch.Generator) -> None:
        self.policy, self.config, self.generator = policy, config, generator
        self.optimizer = make_optimizer(policy, config)
        self.is_span_learning = config.span_start_success == 0

    def update(self, rollout: Rollout, *, success_rate: float | None, progress: float) -> dict[str, float]:
        """Learn from one window.

        Args:
            rollout: the window.
            success_rate: of recent episodes, None if none has ended; opens the gate of the memory's cost.
            progress: share of the run that is done, in [0, 1].

        Returns:
            Metrics under SB3's names.

        Raises:
            DivergedError: a loss is NaN or infinite; the weights are those before the offending minibatch.
        """
        config = self.config
        self.is_span_learning |= (success_rate or 0.0) >= config.span_start_success
        self._set_learning_rate(progress)
        alpha = config.span_cost * cost_gate(success_rate, config.span_cost_gate_low, config.span_cost_gate_high)
        advantage = generalised_advantages(
            rollout.reward, rollout.value, rollout.is_last, rollout.final_value, rollout.next_value,
            gamma=config.gamma, gae_lambda=config.gae_lambda,
        )  # fmt: skip
        target = advantage + rollout.value
        weight = normalise_advantages(advantage, config.adv_std_floor) if config.norm_adv else advantage
        totals: list[dict[str, Tensor]] = []
        for rows in self._minibatches(rollout.action.shape[1]):
            totals.append(self._step(rollout, rows, weight, target, alpha))
        metrics = {name: float(torch.stack([t[name] for t in totals]).mean()) for name in totals[0]}
        metrics["train/explained_variance"] = explained_variance(rollout.value, target)
        metrics["train/learning_rate"] = self.optimizer.param_groups[0]["lr"]
        metrics["memory/alpha"] = alpha
        return metrics

    def _minibatches(self, num_rows: int) -> list[Tensor]:
        if self.config.algorithm == "a2c":
            return [torch.arange(num_rows)]
        return [
            rows
            for _ in range(self.config.update_epochs)
            for rows in torch.randperm(num_rows, generator=self.generator).chunk(self.config.num_minibatches)
        ]

    def _step(
        self, rollout: Rollout, rows: Tensor, advantage: Tensor, target: Tensor, alpha: float
    ) -> dict[str, Tensor]:
        """One optimiser step on some rows; all tensors but `rows` (time, batch)."""
        config = self.config
        rows = rows.to(rollout.action.device)
        observation = rollout.observation[:, rows].transpose(0, 1)
        window = rollout.window.rows(rows)
        output = self.policy(observation, rollout.state.rows(rows), window)
        action, old_logits = rollout.action[:, rows].t(), rollout.logits[:, rows].transpose(0, 1)
        log_prob, old_log_prob = action_log_prob(output.logits, action), action_log_prob(old_logits, action)
        if config.algorithm == "a2c":
            policy_loss = a2c_policy_loss(log_prob, advantage[:, rows].t())
        else:
            policy_loss = ppo_policy_loss(log_prob, old_log_prob, advantage[:, rows].t(), config.clip_coef)
        value_loss = (output.value - target[:, rows].t()).square().mean()
        mean_entropy = entropy(output.logits).mean()
        span_loss = self.policy.core.auxiliary_loss(output.traces, window)
        loss = policy_loss + config.vf_coef * value_loss - config.ent_coef * mean_entropy + alpha * span_loss
        if not torch.isfinite(loss):
            raise DivergedError(
                f"the loss became {float(loss)} (policy {float(policy_loss)}, value {float(value_loss)}, "
                f"memory {float(span_loss)}); resume from the last checkpoint with a lower --learning-rate"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        grad_norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), config.max_grad_norm)
        self.optimizer.step()
        ratio = (log_prob - old_log_prob).detach()
        return {
            "train/policy_gradient_loss": policy_loss.detach(),
            "train/value_loss": value_loss.detach(),
            "train/entropy_loss": -mean_entropy.detach(),
            "train/approx_kl": (ratio.exp() - 1 - ratio).mean(),
            "train/grad_norm": grad_norm,
            "memory/auxiliary_loss": alpha * span_loss.detach(),
        }

    def _set_learning_rate(self, progress: float) -> None:
        factor = 1 - progress if self.config.anneal_lr else 1.0
        for group in self.optimizer.param_groups:
            is_learning = self.is_span_learning or not group["is_span"]
            group["lr"] = self.config.learning_rate * group["scale"] * factor * is_learning


def make_optimizer(policy: ActorCritic, config: LearnerConfig) -> torch.optim.Optimizer:
    """The optimiser, with the span predictors in a group of their own."""
    span = [p for module in policy.modules() if isinstance(module, Memory) for p in module.parameters()]
    span_ids = {id(p) for p in span}
    rest = [p for p in policy.parameters() if id(p) not in span_ids]
    groups: list[dict[str, Any]] = [{"params": rest, "scale": 1.0, "is_span": False}]
    if span:
        groups.append({"params": span, "scale": config.span_lr_scale, "is_span": True})
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, lr=config.learning_rate, alpha=0.99, eps=1e-5)
    return torch.optim.Adam(groups, lr=config.learning_rate, eps=1e-8, fused=True)


def cost_gate(success_rate: float | None, low: float, high: float) -> float:
    """How much of alpha is charged: 0 up to `low`, 1 from `high` on, linear between; always 1 where `high` is 0.

    Memory must not cost anything before the task pays: spans would shrink before what they hold is worth anything.
    """
    if (success_rate or 0.0) >= high:
        return 1.0
    return max(((success_rate or 0.0) - low) / (high - low), 0.0)


def explained_variance(prediction: Tensor, target: Tensor) -> float:
    """1 - Var(target - prediction) / Var(target); 1 is perfect, 0 no better than the mean; NaN if the target is flat."""
    variance = target.var(correction=0)
    return float(1 - (target - prediction).var(correction=0) / variance) if variance > 0 else float("nan")
