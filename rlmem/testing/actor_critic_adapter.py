"""Our `ActorCritic` as a `MemoryPolicy`, through its public surface alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from rlmem.actor_critic import ActorCritic, PolicyCache
from rlmem.memory_state import MemoryState
from rlmem.observation_leaves import leaves
from rlmem.window import Window

_POOLING = ("compressive",)  # kinds that put a slot in the place of those they delete: not deleting them says nothing
_GARBAGE = 1e8  # the size of what empty slots hold in the check


@dataclass(frozen=True)
class _ActingState:
    """In the middle of acting: the memory before the cache was opened, and the steps that it has taken."""

    memory: MemoryState
    cache: PolicyCache
    is_first: tuple[Tensor, ...]


class ActorCriticAdapter(nn.Module):
    """Acts as the collector does: a cache for some steps, then its steps are carried into memory.

    Args:
        policy: the actor-critic.
        steps_between_deletions: how many steps a cache is open for.
    """

    def __init__(self, policy: ActorCritic, steps_between_deletions: int = 25) -> None:
        super().__init__()
        self.policy = policy
        self.observation_space = policy.observation_space
        self.steps_between_deletions = steps_between_deletions

    def initial_state(self, batch: int) -> MemoryState:
        """An empty memory."""
        return self.policy.core.initial_state(batch)

    def starting_at(self, state: MemoryState, time: Tensor) -> MemoryState:
        """An empty memory at absolute times (batch,) int64."""
        return replace(state, next_time=time, episode_start=time.clone())

    def window(self, observation: Any, state: Any, is_first: Tensor) -> tuple[Tensor, Tensor, MemoryState]:
        """A window, then deletion; shapes as `MemoryPolicy.window`."""
        return self._window(observation, state, is_first, delete=True)

    @property
    def window_keeping_all(self) -> Callable[[Any, Any, Tensor], tuple[Tensor, Tensor, MemoryState]] | None:
        """A window without deletion, shapes as `MemoryPolicy.window`; None for kinds that do not only delete."""
        return None if self.policy.config.memory in _POOLING else partial(self._window, delete=False)

    def act(self, observation: Any, state: Any, is_first: Tensor) -> tuple[Tensor, Tensor, _ActingState]:
        """One step with the key/value cache; shapes as `MemoryPolicy.act`."""
        if not isinstance(state, _ActingState) or len(state.is_first) == self.steps_between_deletions:
            memory = self._settled(state)
            state = _ActingState(memory, self.policy.open(memory, self.steps_between_deletions), ())
        outputs, value, _ = state.cache.step(self._leaves(observation), is_first)
        return outputs, value, replace(state, is_first=(*state.is_first, is_first))

    def bootstrap(self, observation: Any, state: Any) -> Tensor:
        """The value (batch,) of an observation that is not stored."""
        cache = state.cache if isinstance(state, _ActingState) else self.policy.open(state, 1)
        value: Tensor = cache.peek(self._leaves(observation))
        return value

    def rows(self, state: Any, index: Tensor) -> MemoryState:
        """The state of some rows."""
        return self._settled(state).rows(index)

    def num_slots(self, state: Any) -> Tensor:
        """(batch,) int64, memories of a row, over all layers; 0 for kinds without slots."""
        memory = self._settled(state)
        count = torch.zeros_like(memory.next_time)
        for layer in memory.layers:
            count = count + (~layer.is_empty).sum(1)
        return count

    def with_garbage(self, state: Any, generator: torch.Generator) -> MemoryState | None:
        """The state with large numbers in its empty slots, or None if it has none."""
        memory = self._settled(state)
        if not any(layer.is_empty.any() for layer in memory.layers):
            return None
        layers = []
        for layer in memory.layers:
            noise = _GARBAGE * torch.randn(layer.hidden.shape, generator=generator, dtype=layer.hidden.dtype)
            garbage = noise.to(layer.hidden.device)
            layers.append(replace(layer, hidden=torch.where(layer.is_empty[..., None], garbage, layer.hidden)))
        return replace(memory, layers=tuple(layers))

    def _window(
        self, observation: Any, state: Any, is_first: Tensor, *, delete: bool
    ) -> tuple[Tensor, Tensor, MemoryState]:
        memory = self._settled(state)
        window = Window.following(memory, is_first)
        output = self.policy(self._leaves(observation), memory, window)
        carried = self.policy.core.carry(memory, output.layer_inputs, window, delete=delete)
        return output.action_outputs, output.value, carried

    def _settled(self, state: Any) -> MemoryState:
        """The memory with the steps of an open cache carried into it."""
        if isinstance(state, MemoryState):
            return state
        window = Window.following(state.memory, torch.stack(state.is_first, dim=1))
        return self.policy.core.carry(state.memory, state.cache.layer_inputs(), window)

    def _leaves(self, observation: Any) -> tuple[Tensor, ...]:
        found: tuple[Any, ...] = leaves(self.observation_space, observation)
        return found
