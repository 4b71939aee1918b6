"""Acting one step at a time: the Transformer core with a key/value cache.

Weights are fixed inside a window, so every slot is projected once: the memories when the cache opens, each step's own
when it is taken. The result equals the windowed forward pass (up to rounding; tested).

    cache slots   the memories from before, pooled ones to come, then room for steps and one query that is never stored
    age           (layers, batch, slots)  steps at the coming query; infinity where the coming query must not look

On a CPU in float32 a step is one compiled call (`rlmem.compiled_acting`). Elsewhere it is a row of small operations,
whose number is what it costs: see `rlmem.layer_cache`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlmem.acting_memories import memories_for
from rlmem.compiled_acting import CompiledCache, CompiledCore, is_compiled
from rlmem.errors import check
from rlmem.layer_cache import LayerCache
from rlmem.memory_state import LayerMemory, MemoryState
from rlmem.window import Window

if TYPE_CHECKING:
    from rlmem.transformer import MemoryTransformer

_STEPS_BETWEEN_DELETIONS = 50  # acting drops dead memories so often; it costs time alone, results do not depend on it
_FEWEST_STEPS, _MOST_SEEN = 10, 2**24  # likewise where there are many: so many pairs of a step and a slot, 64 MiB


class _OpenCache:
    """Some steps of acting on one memory state; see `ActingCache`, which goes from one to the next.

    Args:
        core: the core model.
        state: memory from before the first step.
        memories: per layer, from `memories_for`.
        num_steps: how many steps there is room for.

    Attributes:
        is_first: of each step taken, (batch,) bool.
    """

    def __init__(
        self, core: MemoryTransformer, state: MemoryState, memories: list[LayerMemory], num_steps: int
    ) -> None:
        self._norm, self._reach = core.norm, core.config.position_reach
        self.num_steps, self.num_memories = num_steps, memories[0].time.shape[1]
        self.is_first: list[Tensor] = []
        weight = core.norm.weight
        age = weight.new_full((len(memories), state.batch, self.num_memories), torch.inf)
        self._layers = []
        for number, (layer, memory) in enumerate(zip(core.layer_list(), memories, strict=True)):
            self._layers.append(LayerCache.of(layer, memory, memory.time - state.episode_start[:, None], num_steps + 1))
            steps = (state.next_time[:, None] - memory.time).to(age.dtype)
            is_visible = memory.time >= state.episode_start[:, None]
            age[number] = steps.where(is_visible, torch.inf)
        self._set_ages(age)
        self._phase = state.next_time - state.episode_start

    def _set_ages(self, age: Tensor) -> None:
        """Begin with memories of some ages, (layers, batch, memory), at the coming query."""
        own = age.new_zeros(*age.shape[:2], self.num_steps + 1)
        self._age = torch.cat([age, own], dim=2)
        step = torch.arange(self.num_steps + 1, device=age.device)
        since = step[:, None] - step  # (step, own slot); what is not there yet is as old as the query
        slots = torch.cat([age.clamp(max=self._reach).long(), own.long()], dim=2)
        slots = slots.expand(self.num_steps + 1, *slots.shape).clone()
        slots[..., : self.num_memories] += step[:, None, None, None]
        slots[..., self.num_memories :] = since.clamp(min=0)[:, None, None]
        self._distance = slots.clamp_(max=self._reach)  # (step, layers, batch, slots)

    def step(self, inputs: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor]:
        """See `ActingCache.step`."""
        slot = self.num_memories + len(self.is_first)
        self._age.narrow(2, 0, slot).masked_fill_(is_first[None, :, None], torch.inf)
        self._phase.masked_fill_(is_first, 0)
        hidden, sizes = self._run(inputs, is_stored=True)
        self._age.narrow(2, 0, slot + 1).add_(1)
        self._phase.add_(1)
        self.is_first.append(is_first)
        return hidden, sizes

    def peek(self, inputs: Tensor) -> Tensor:
        """See `ActingCache.peek`."""
        return self._run(inputs, is_stored=False)[0]

    def _run(self, hidden: Tensor, *, is_stored: bool) -> tuple[Tensor, Tensor]:
        """Hidden (batch, model) and sizes (batch, layers) of the coming step."""
        taken = len(self.is_first)
        slot, sizes = self.num_memories + taken, []
        ages, distances = self._age.unbind(0), self._distance[taken].unbind(0)
        for layer, age, distance in zip(self._layers, ages, distances, strict=True):
            if is_stored:
                layer.inputs.append(hidden)
            hidden, size = layer.step(hidden, slot, age, distance, self._phase)
            sizes.append(size)
        return self._norm(hidden), torch.stack(sizes, dim=1)

    def layer_inputs(self) -> tuple[Tensor, ...]:
        """Per layer (batch, steps taken, model)."""
        empty = self._norm.weight.new_empty(self._age.shape[1], 0, self._norm.weight.shape[0])
        return tuple(torch.stack(layer.inputs, dim=1) if layer.inputs else empty for layer in self._layers)

    def drop_dead(self, num_steps: int) -> None:
        """Begin anew with room for `num_steps` steps and the slots that a later query may see, as they are projected.

        For kinds that pool nothing, once every step is taken.
        """
        age = self._age[:, :, :-1]
        kept = torch.stack([layer.is_kept(one) for layer, one in zip(self._layers, age, strict=True)])
        kept &= age < torch.inf
        self.num_memories, self.num_steps = int(kept.sum(2).max()), num_steps
        order = kept.to(torch.uint8).sort(dim=2, stable=True).indices  # the kept ones last, in the order of their times
        order = order[:, :, order.shape[2] - self.num_memories :]
        self._layers = [
            layer.with_slots(slots, num_steps + 1) for layer, slots in zip(self._layers, order, strict=True)
        ]
        self._set_ages(age.gather(2, order).masked_fill_(~kept.gather(2, order), torch.inf))
        self.is_first = []


class ActingCache:
    """A window's worth of acting with fixed weights. Open a new one when the weights or the memory change.

    Every so many steps it goes on without the memories that died.

    Args:
        core: the core model.
        state: memory from before the window; not changed.
        num_steps: how many steps the cache has room for.
    """

    @torch.no_grad()
    def __init__(self, core: MemoryTransformer, state: MemoryState, num_steps: int) -> None:
        check(num_steps >= 1, f"an acting cache for {num_steps} steps was asked for, but it needs room for at least 1")
        self._core, self.num_steps, self.steps_taken = core, num_steps, 0
        self._compiled = CompiledCore(core, state.batch) if is_compiled(core) else None
        self._finished: list[tuple[Tensor, ...]] = []
        self._part = self._open(state)

    def _next_steps(self, state: MemoryState) -> int:
        """How many steps there will be room for.

        At most L, so that every group of steps that a kind may pool by then is stored; fewer where memories are many,
        for compiled steps know ahead what each of them sees.
        """
        slots = state.batch * sum(memory.time.shape[1] + _STEPS_BETWEEN_DELETIONS for memory in state.layers)
        steps = min(_STEPS_BETWEEN_DELETIONS, max(_FEWEST_STEPS, _MOST_SEEN // slots))
        return min(steps, self._core.config.max_span, self.num_steps - self.steps_taken)

    def _open(self, state: MemoryState) -> _OpenCache | CompiledCache:
        """Begin with a memory state."""
        num_steps = self._next_steps(state)
        memories, self._has_pooled = memories_for(self._core, state, num_steps)
        self._state = state
        if self._compiled is not None:
            return CompiledCache(self._compiled, state, memories, num_steps)
        return _OpenCache(self._core, state, memories, num_steps)

    def _go_on(self, is_first: Tensor) -> None:
        """Make room for more steps; is_first: (batch,) bool, whether the coming step begins an episode."""
        part = self._part
        self._finished.append(part.layer_inputs())
        if self._has_pooled:  # what comes to be must be made of the stored states
            firsts = torch.stack([*part.is_first, is_first], dim=1)
            window = Window.following(self._state, firsts[:, :-1], firsts[:, 1:])
            self._part = self._open(self._core.carry(self._state, self._finished[-1], window))
        else:
            part.drop_dead(self._next_steps(self._state))

    @torch.inference_mode()
    def step(self, inputs: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor]:
        """Take a step and store it.

        Args:
            inputs: (batch, model), the embedded observation.
            is_first: (batch,) bool, True where the step begins a new episode.

        Returns:
            hidden (batch, model), the core's normed output; memory_size (batch, layers) int64, how many memories the
            query saw in each layer, with any head, its own step left out (the paper's |C_t|).
        """
        check(self.steps_taken < self.num_steps, f"the cache has room for {self.num_steps} steps, all are taken")
        part = self._part
        if len(part.is_first) == part.num_steps:  # not sooner: until now the full one may still be asked for a value
            self._go_on(is_first)
        result = self._part.step(inputs, is_first)
        self.steps_taken += 1
        return result

    @torch.inference_mode()
    def peek(self, inputs: Tensor) -> Tensor:
        """What the next step would give in the running episode, without storing it.

        For the value of a truncated episode's final observation and of the observation after the window.

        Args:
            inputs: (batch, model).

        Returns:
            (batch, model), the core's normed output.
        """
        return self._part.peek(inputs)

    def layer_inputs(self) -> tuple[Tensor, ...]:
        """Per layer (batch, steps taken, model), for `Core.carry`."""
        parts = zip(*self._finished, self._part.layer_inputs(), strict=True)
        return tuple(torch.cat(layer, dim=1) for layer in parts)
