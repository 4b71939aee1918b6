"""The policy: a word encoder, the core model, and heads for action logits and value."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rlmem.acting import ActingCache
from rlmem.memory_state import MemoryState
from rlmem.model_config import ModelConfig
from rlmem.transformer import LayerTrace, MemoryTransformer
from rlmem.window import Window
from rlmem.word_encoder import WordEncoder


@dataclass(frozen=True)
class PolicyOutput:
    """What the policy says of a window.

    Args:
        logits: (batch, query, actions), unnormalised log-probabilities.
        value: (batch, query), expected discounted return.
        layer_inputs: see `CoreOutput`.
        traces: see `CoreOutput`.
    """

    logits: Tensor
    value: Tensor
    layer_inputs: tuple[Tensor, ...]
    traces: tuple[LayerTrace, ...]


class ActorCritic(nn.Module):
    """An actor-critic with memory.

    Args:
        config: the core model's sizes and memory.
        words: vocabulary of the observations.
        cells: cells of an observation.
        num_actions: size of the discrete action space.
    """

    def __init__(self, config: ModelConfig, words: tuple[str, ...], cells: int, num_actions: int) -> None:
        super().__init__()
        self.config = config
        self.num_actions = num_actions
        self.encoder = WordEncoder(words, cells, config.model)
        self.core = MemoryTransformer(config)
        self.heads = nn.Linear(config.model, num_actions + 1)  # action logits, then the value
        with torch.no_grad():
            self.heads.weight[:num_actions] *= 0.1  # start near the uniform policy
            self.heads.weight[num_actions] = 0  # no value before the first reward: its noise would teach the policy
            self.heads.bias.zero_()

    def forward(self, observation: Tensor, state: MemoryState, window: Window) -> PolicyOutput:
        """Run a window.

        Args:
            observation: (batch, query, rows, columns, words) uint8.
            state: memory from before the window.
            window: `Window.following(state, is_first)`.
        """
        output = self.core(self.encoder(observation), state, window)
        logits, value = self.split(output.hidden)
        return PolicyOutput(logits, value, output.layer_inputs, output.traces)

    def split(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (..., actions) and value (...) from the core's output (..., model)."""
        scores = self.heads(hidden)
        return scores[..., : self.num_actions], scores[..., self.num_actions]

    def open(self, state: MemoryState, num_steps: int) -> PolicyCache:
        """A cache to act with for `num_steps` steps from a memory state."""
        return PolicyCache(self, state, num_steps)


class PolicyCache:
    """Acting step by step; see `ActingCache`.

    Args:
        policy: the actor-critic, whose weights must not change while the cache is open.
        state: memory from before the window.
        num_steps: how many steps there is room for.
    """

    def __init__(self, policy: ActorCritic, state: MemoryState, num_steps: int) -> None:
        self._policy = policy
        self._cache = ActingCache(policy.core, state, num_steps)

    @torch.no_grad()
    def step(self, observation: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take a step and store it.

        Args:
            observation: (batch, rows, columns, words) uint8.
            is_first: (batch,) bool, True where the step begins an episode.

        Returns:
            logits (batch, actions), value (batch,), memory_size (batch, layers) int64 as in `ActingCache.step`.
        """
        hidden, sizes = self._cache.step(self._policy.encoder(observation), is_first)
        return *self._policy.split(hidden), sizes

    @torch.no_grad()
    def peek(self, observation: Tensor) -> Tensor:
        """The value (batch,) of an observation that follows in the running episode and is not stored."""
        return self._policy.split(self._cache.peek(self._policy.encoder(observation)))[1]

    def layer_inputs(self) -> tuple[Tensor, ...]:
        """Per layer (batch, steps taken, model), for `MemoryTransformer.carry`."""
        return self._cache.layer_inputs()
