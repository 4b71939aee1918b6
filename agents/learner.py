"""Learning from a rollout: advantages, epochs over minibatches of rows, and the cost of memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from rlmem.actor_critic import ActorCritic
from rlmem.agents.batch import Batch
from rlmem.agents.learner_config import LearnerConfig
from rlmem.agents.losses import a2c_policy_loss, ppo_policy_loss
from rlmem.agents.optimizer import make_optimizer
from rlmem.agents.ranks import ALONE, Ranks
from rlmem.agents.rollout import Rollout
from rlmem.errors import RlmemError

_ROWS_AT_ONCE = 64  # whose activations are held at a time


class DivergedError(RlmemError):
    """The loss is no longer a finite number."""


class Learner:
    """Updates a policy from rollouts.

    Args:
        policy: the actor-critic.
        config: algorithm and coefficients.
        generator: source of the minibatches' order and of the memory dropout, on the CPU; the same on all ranks.
        ranks: with whom the steps are taken; each learns from rollouts of its own.

    Attributes:
        is_span_learning: False until the gate of the memory's cost first opens; before that the spans stay where they
            began, for noise would shrink them while what they hold is not yet worth anything.
    """

    def __init__(
        self, policy: ActorCritic, config: LearnerConfig, generator: torch.Generator, ranks: Ranks = ALONE
    ) -> None:
        self.policy, self.config, self.generator, self.ranks = policy, config, generator, ranks
        self.optimizer = make_optimizer(policy, config)
        self.is_span_learning = False
        self._learned = [parameter for parameter in policy.parameters() if parameter.requires_grad]

    def update(self, rollout: Rollout, *, success_rate: float | None, progress: float) -> dict[str, float]:
        """Learn from one window.

        Args:
            rollout: the window.
            success_rate: of all ranks' recent episodes, None if none has ended; opens the gate of the memory's cost.
            progress: share of the run that is done, in [0, 1].

        Returns:
            Metrics of the rank's own rows under SB3's names.

        Raises:
            DivergedError: a loss or a gradient is NaN or infinite; the weights are those before the offending
                minibatch.
        """
        config = self.config
        gate = cost_gate(success_rate, config.span_cost_gate_low, config.span_cost_gate_high)
        self.is_span_learning |= gate > 0
        self._set_learning_rate(progress)
        alpha = config.span_cost * gate
        batch = Batch.of(rollout, config, self.policy.action_head, self.ranks)
        steps = [self._step(batch, rows, alpha) for rows in self._minibatches(rollout.num_rows)]
        metrics = {name: float(torch.stack([step[name] for step in steps]).mean()) for name in steps[0]}
        metrics["train/explained_variance"] = explained_variance(rollout.value.t(), batch.target, self.ranks)
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

    def _step(self, batch: Batch, rows: Tensor, alpha: float) -> dict[str, Tensor]:
        """One optimiser step on some rows, (rows,) int64; returns the metrics' means over them."""
        rows = rows.to(batch.action.device)
        batch = replace(batch, window=self.policy.core.with_memory_dropout(batch.window, self.generator))
        chunks = rows.split(len(rows) if rows.is_cuda else _ROWS_AT_ONCE)
        parts = [self._gradients(batch, chunk, alpha, len(chunk) / len(rows)) for chunk in chunks]
        for index, parameter in enumerate(self._learned):
            parameter.grad = _total([gradients[index] for gradients, _ in parts])
        metrics = {name: torch.stack([part[name] for _, part in parts]).sum() for name in parts[0][1]}
        self.ranks.average_gradients(self.policy.parameters())
        grad_norm = clip_grad_norm_(self.policy.parameters(), self.config.max_grad_norm)
        if not torch.isfinite(grad_norm):
            raise DivergedError(
                f"the gradient's norm became {grad_norm.item()} although the loss is finite; resume from the last "
                "checkpoint with a lower --learning-rate"
            )
        metrics["train/grad_norm"] = grad_norm
        self.optimizer.step()
        return metrics

    def _gradients(
        self, batch: Batch, rows: Tensor, alpha: float, share: float
    ) -> tuple[tuple[Tensor | None, ...], dict[str, Tensor]]:
        """What some rows, which are a share of the minibatch, add to its gradients and metrics."""
        loss, metrics = self._loss(batch, rows, alpha)
        if not torch.isfinite(loss):
            named = ", ".join(f"{name} {value.item():.3g}" for name, value in metrics.items())
            raise DivergedError(
                f"the loss became {loss.item()} ({named}); resume from the last checkpoint with a lower --learning-rate"
            )
        gradients = torch.autograd.grad(loss * share, self._learned, allow_unused=True)
        return gradients, {name: value.detach() * share for name, value in metrics.items()}

    def _loss(self, batch: Batch, rows: Tensor, alpha: float) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of some rows, a mean over their steps, and its parts."""
        config = self.config
        head, window = self.policy.action_head, batch.window.rows(rows)
        observation = tuple(leaf[:, rows].transpose(0, 1) for leaf in batch.observation)
        output = self.policy(observation, batch.state.rows(rows), window)
        log_prob = head.log_prob(output.action_outputs, batch.action[rows])
        log_ratio = log_prob - batch.log_prob[rows]
        if config.algorithm == "a2c":
            policy_loss = a2c_policy_loss(log_prob, batch.advantage[rows])
        else:
            policy_loss = ppo_policy_loss(log_ratio, batch.advantage[rows], config.clip_coef)
        value_loss = (output.value - batch.target[rows]).square().mean()
        entropy_loss = -head.entropy(output.action_outputs).mean()
        memory_loss = torch.zeros_like(value_loss)
        if alpha:
            memory_loss = alpha * self.policy.core.auxiliary_loss(output.traces, window)
        value_part = config.vf_coef * batch.value_weight * value_loss
        loss = policy_loss + value_part + config.ent_coef * entropy_loss + memory_loss
        return loss, {
            "train/policy_gradient_loss": policy_loss,
            "train/value_loss": value_loss,
            "train/entropy_loss": entropy_loss,
            "train/approx_kl": (log_ratio.exp() - 1 - log_ratio).mean(),
            "memory/auxiliary_loss": memory_loss,
        }

    def _set_learning_rate(self, progress: float) -> None:
        factor = 1 - progress if self.config.anneal_lr else 1.0
        for group in self.optimizer.param_groups:
            is_learning = self.is_span_learning or not group["is_span"]
            group["lr"] = self.config.learning_rate * group["scale"] * factor * is_learning


def _total(parts: Sequence[Tensor | None]) -> Tensor | None:
    """The sum of gradients, in their order; None counts as 0, and there is none if all are None."""
    given = [part for part in parts if part is not None]
    return torch.stack(given).sum(0) if given else None


def cost_gate(success_rate: float | None, low: float, high: float) -> float:
    """How much of alpha is charged: 0 below `low`, 1 from `high` on, linear between; always 1 where `high` is 0.

    Memory must not cost anything before the task pays: spans would shrink before what they hold is worth anything.
    """
    rate = success_rate or 0.0
    if rate >= high:
        return 1.0
    return (rate - low) / (high - low) if rate > low else 0.0


def explained_variance(prediction: Tensor, target: Tensor, ranks: Ranks = ALONE) -> float:
    """1 - Var(target - prediction) / Var(target): 1 is perfect, 0 no better than the mean; NaN for a flat target."""
    variance, unexplained = ranks.variance(target), ranks.variance(target - prediction)
    return float(1 - unexplained / variance) if variance > 0 else float("nan")
