"""How an agent learns: the algorithm, its coefficients, and what its memory costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rlmem.errors import check, flag

Algorithm = Literal["ppo", "a2c"]
OptimizerName = Literal["adam", "rmsprop"]


@dataclass(frozen=True)
class LearnerConfig:
    """Actor-critic learning on windows of steps, with CleanRL's names where it has them."""

    algorithm: Algorithm = "ppo"
    """PPO replays each window for several epochs; A2C (the paper) uses it once."""
    num_steps: int = 100
    """T, the window: steps an environment takes between two updates (BPTT length)."""
    learning_rate: float = 5e-4
    """Step size of the optimiser."""
    anneal_lr: bool = False
    """Lower the learning rate linearly to 0 over the run."""
    optimizer: OptimizerName = "adam"
    """Adam, or the paper's RMSProp."""
    gamma: float = 0.99
    """Discount."""
    gae_lambda: float = 0.95
    """Lambda of generalised advantage estimation."""
    update_epochs: int = 3
    """Passes over each window (PPO)."""
    num_minibatches: int = 4
    """Minibatches a pass, each of whole rows (PPO)."""
    clip_coef: float = 0.2
    """PPO's clip epsilon."""
    norm_adv: bool = True
    """Normalise advantages over the window."""
    adv_std_floor: float = 0.1
    """Advantages are divided by no less than this, so that windows without reward stay quiet."""
    ent_coef: float = 0.01
    """Weight of the entropy bonus."""
    vf_coef: float = 0.5
    """Weight of the value loss."""
    norm_value_loss: bool = False
    """Divide the value loss by the targets' variance over the window, for returns whose scale grows with the skill."""
    max_grad_norm: float = 0.5
    """Gradients are scaled down to this norm."""
    span_cost: float = 1e-6
    """Alpha, what a step of span costs (Expire-Span)."""
    span_cost_gate_low: float = 0.0
    """Success rate of recent episodes up to which memory costs nothing; spans learn once it was first exceeded."""
    span_cost_gate_high: float = 0.0
    """Success rate from which memory costs the full alpha; 0 charges it always."""
    span_lr_scale: float = 1.0
    """Learning rate of the span predictors, as a multiple of the others'."""

    def __post_init__(self) -> None:
        for name in ("num_steps", "update_epochs", "num_minibatches"):
            check(getattr(self, name) >= 1, f"{flag(name)} is {getattr(self, name)}, but it must be at least 1")
        for name in ("learning_rate", "clip_coef", "max_grad_norm", "adv_std_floor", "span_lr_scale"):
            check(getattr(self, name) > 0, f"{flag(name)} is {getattr(self, name)}, but it must be positive")
        for name in ("ent_coef", "vf_coef", "span_cost"):
            check(getattr(self, name) >= 0, f"{flag(name)} is {getattr(self, name)}, but it cannot be negative")
        for name in ("gamma", "gae_lambda", "span_cost_gate_low", "span_cost_gate_high"):
            value = getattr(self, name)
            check(0 <= value <= 1, f"{flag(name)} is {value}, but it must lie between 0 and 1")
        check(
            self.span_cost_gate_low <= self.span_cost_gate_high,
            f"--span-cost-gate-low {self.span_cost_gate_low} is above --span-cost-gate-high "
            f"{self.span_cost_gate_high}; swap them",
        )
