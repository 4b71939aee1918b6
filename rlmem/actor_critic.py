"""The policy: an encoder of observations, the core model, and heads for action and value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from rlmem.action_heads import make_action_head
from rlmem.core import LayerTrace
from rlmem.encoders import make_encoder
from rlmem.make_core import make_core
from rlmem.memory_state import MemoryState
from rlmem.model_config import ModelConfig
from rlmem.window import Window

Observation = tuple[Tensor, ...]
"""One tensor for each leaf of the observation space, in the order of `rlmem.observation_leaves`."""


@dataclass(frozen=True)
class PolicyOutput:
    """What the policy says of a window.

    Args:
        action_outputs: (batch, query, outputs), what the action head makes distributions of (Discrete: logits).
        value: (batch, query), expected discounted return.
        layer_inputs: see `CoreOutput`.
        traces: see `CoreOutput`.
    """

    action_outputs: Tensor
    value: Tensor
    layer_inputs: tuple[Tensor, ...]
    traces: tuple[LayerTrace, ...]


class ActorCritic(nn.Module):
    """An actor-critic with memory.

    Args:
        config: the core model's sizes and memory.
        observation_space: of one environment.
        action_space: of one environment.

    Raises:
        UsageError: a space that no encoder or action head serves.
    """

    def __init__(
        self, config: ModelConfig, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
    ) -> None:
        super().__init__()
        self.config = config
        self.observation_space, self.action_space = observation_space, action_space
        self.encoder = make_encoder(observation_space, config.model)
        self.core = make_core(config)
        self.action_head = make_action_head(action_space)
        outputs = self.action_head.num_outputs
        self.heads = nn.Linear(config.model, outputs + 1)  # the action head's, then the value
        with torch.no_grad():
            self.heads.weight[:outputs] *= 0.1  # start near the uniform policy
            self.heads.weight[outputs] = 0  # no value before the first reward: its noise would teach the policy
            self.heads.bias.zero_()

    def forward(self, observation: Observation, state: MemoryState, window: Window) -> PolicyOutput:
        """Run a window.

        Args:
            observation: leaves (batch, query, ...).
            state: memory from before the window.
            window: `Window.following(state, is_first)`.
        """
        output = self.core(self.encoder(observation), state, window)
        action_outputs, value = self.split(output.hidden)
        return PolicyOutput(action_outputs, value, output.layer_inputs, output.traces)

    def split(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """The action head's outputs (..., outputs) and value (...) from the core's output (..., model)."""
        scores = self.heads(hidden)
        return scores[..., :-1], scores[..., -1]

    def open(self, state: MemoryState, num_steps: int) -> PolicyCache:
        """A cache to act with for `num_steps` steps from a memory state."""
        return PolicyCache(self, state, num_steps)


class PolicyCache:
    """Acting step by step; see `rlmem.acting.ActingCache`.

    Args:
        policy: the actor-critic, whose weights must not change while the cache is open.
        state: memory from before the window.
        num_steps: how many steps there is room for.
    """

    def __init__(self, policy: ActorCritic, state: MemoryState, num_steps: int) -> None:
        self._policy = policy
        self._cache = policy.core.open(state, num_steps)

    @torch.no_grad()
    def step(self, observation: Observation, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take a step and store it.

        Args:
            observation: leaves (batch, ...).
            is_first: (batch,) bool, True where the step begins an episode.

        Returns:
            action_outputs (batch, outputs), value (batch,), memory_size (batch, layers) int64 as in `CoreCache.step`.
        """
        hidden, sizes = self._cache.step(self._policy.encoder(observation), is_first)
        return *self._policy.split(hidden), sizes

    @torch.no_grad()
    def peek(self, observation: Observation) -> Tensor:
        """The value (batch,) of an observation that follows in the running episode and is not stored."""
        return self._policy.split(self._cache.peek(self._policy.encoder(observation)))[1]

    def layer_inputs(self) -> tuple[Tensor, ...]:
        """Per layer (batch, steps taken, width), for `Core.carry`."""
        return self._cache.layer_inputs()
