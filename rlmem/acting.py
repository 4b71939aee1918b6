"""Acting one step at a time: the Transformer core with a key/value cache.

Weights are fixed inside a window, so every slot is projected once: the memories when the cache opens, each step's own
when it is taken. The result equals the windowed forward pass (up to rounding; tested).

    cache slots   the memories from before, pooled ones to come, then room for steps and one query that is never stored
    age           (layers, batch, slots)  steps at the coming query; infinity where the coming query must not look
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlmem.errors import check
from rlmem.memory_state import EMPTY_TIME, LayerMemory, MemoryState
from rlmem.window import Window

if TYPE_CHECKING:
    from rlmem.transformer import MemoryTransformer, TransformerLayer

_STEPS_BETWEEN_DELETIONS = 25  # acting drops dead memories so often; it costs time alone, results do not depend on it


class _LayerCache:
    """Projected slots of one layer."""

    def __init__(self, layer: TransformerLayer, memory: LayerMemory, phase: Tensor, num_slots: int) -> None:
        attention = layer.attention
        batch, num_memories, model = memory.hidden.shape
        self.layer = layer
        weights = torch.cat([attention.query.weight * attention.scale, attention.key_value.weight])
        self.projections = weights.view(3, model, model).transpose(1, 2).contiguous()  # query, key, value
        self.position_table = attention.positions.step_table()
        self.key_value = memory.hidden.new_zeros(2, batch, attention.heads, num_slots, attention.head)
        self.described: Tensor | None = None
        self.inputs = memory.hidden.new_empty(batch, num_slots - num_memories, model)
        normed = layer.attention_norm(memory.hidden)
        keys, values = attention.key_value(normed).chunk(2, dim=-1)
        self.key_value[0, :, :, :num_memories] = attention.split_heads(keys)
        self.key_value[1, :, :, :num_memories] = attention.split_heads(values)
        described = layer.memory.describe(normed, phase, memory.steps)
        if described is not None:
            self.described = described.new_zeros(batch, num_slots)
            self.described[:, :num_memories] = described

    def step(self, hidden: Tensor, slot: int, age: Tensor, distance: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        """One layer for one step.

        Args:
            hidden: (batch, model).
            slot: the step's own.
            age, distance: (batch, slots), at the step.
            phase: (batch,) int64, how many steps after its episode's first it is.

        Returns:
            (batch, model), and the log-mask (batch, 1 or heads, slot + 1).
        """
        layer, attention, live = self.layer, self.layer.attention, slot + 1
        batch, model = hidden.shape
        normed = layer.attention_norm(hidden)
        projected = torch.matmul(normed, self.projections)  # (3, batch, model)
        self.key_value[:, :, :, slot] = projected[1:].view(2, batch, attention.heads, attention.head)
        described = layer.memory.describe(normed, phase, None)
        if self.described is not None and described is not None:
            self.described[:, slot] = described
            described = self.described[:, :live]
        log_mask = layer.memory.log_mask(age[:, None, :live], described).squeeze(2)  # (batch, 1 or heads, slot + 1)
        queries = projected[0].view(batch, attention.heads, attention.head)
        bias = attention.positions.step_scores(queries, self.position_table, distance[:, :live]).add_(log_mask)
        keys, values = self.key_value[:, :, :, :live].flatten(1, 2)  # (batch * heads, slot + 1, head)
        logits = bias.view(-1, 1, live).baddbmm_(queries.view(-1, 1, attention.head), keys.transpose(1, 2))
        read = torch.bmm(torch.softmax(logits, dim=-1), values).view(batch, model)
        hidden = hidden + attention.output(read)
        return hidden + layer.feed_forward(hidden), log_mask


class _OpenCache:
    """Some steps of acting on one memory state; see `ActingCache`, which opens one after the other.

    Args:
        core: the core model.
        state: memory from before the first step.
        num_steps: how many steps there is room for; at most L, so that every group of steps that a kind may pool by
            then is in `state`.
    """

    def __init__(self, core: MemoryTransformer, state: MemoryState, num_steps: int) -> None:
        self._norm, self._reach = core.norm, core.config.position_reach
        self.state, self.num_steps = state, num_steps
        self.is_first: list[Tensor] = []
        memories = [self._with_pooled(*pair) for pair in zip(core.layer_list(), state.layers, strict=True)]
        self.num_memories = max(memory.time.shape[1] for memory in memories)
        num_slots = self.num_memories + num_steps + 1
        age = torch.full((len(memories), state.batch, num_slots), torch.inf, dtype=core.norm.weight.dtype)
        age = age.to(core.norm.weight.device)
        self._layers = []
        for number, (layer, narrow) in enumerate(zip(core.layer_list(), memories, strict=True)):
            memory = widen(narrow, self.num_memories)
            self._layers.append(_LayerCache(layer, memory, memory.time - state.episode_start[:, None], num_slots))
            steps = (state.next_time[:, None] - memory.time).to(age.dtype)
            is_visible = memory.time >= state.episode_start[:, None]
            age[number, :, : self.num_memories] = steps.where(is_visible, torch.inf)
        age[:, :, self.num_memories :] = 0
        self._age = age
        self._distance = age.clamp(max=self._reach).long()
        self._phase = state.next_time - state.episode_start

    def _with_pooled(self, layer: TransformerLayer, memory: LayerMemory) -> LayerMemory:
        """The memory and what its kind makes of it before this cache is full and one more query has come."""
        state = self.state
        phase = memory.time - state.episode_start[:, None]
        pooled = layer.memory.pool(memory, phase, state.next_time, state.next_time + self.num_steps)
        return memory if pooled is None else memory.followed_by(pooled)

    def step(self, inputs: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor]:
        """See `ActingCache.step`."""
        slot = self.num_memories + len(self.is_first)
        self._age[:, :, :slot].masked_fill_(is_first[None, :, None], torch.inf)
        self._phase.masked_fill_(is_first, 0)
        hidden, sizes = self.run(inputs, is_stored=True)
        self._age[:, :, : slot + 1] += 1
        self._distance[:, :, : slot + 1].add_(1).clamp_(max=self._reach)
        self._phase += 1
        self.is_first.append(is_first)
        return hidden, sizes

    def run(self, hidden: Tensor, *, is_stored: bool) -> tuple[Tensor, Tensor]:
        """Hidden (batch, model) and sizes (batch, layers) of the coming step."""
        taken, sizes = len(self.is_first), []
        slot = self.num_memories + taken
        for number, layer in enumerate(self._layers):
            if is_stored:
                layer.inputs[:, taken] = hidden
            hidden, log_mask = layer.step(hidden, slot, self._age[number], self._distance[number], self._phase)
            most_seen = log_mask[:, 0] if log_mask.shape[1] == 1 else log_mask.amax(1)  # by any head
            sizes.append((most_seen > -torch.inf).sum(1) - 1)
        return self._norm(hidden), torch.stack(sizes, dim=1)

    def layer_inputs(self) -> tuple[Tensor, ...]:
        """Per layer (batch, steps taken, model)."""
        return tuple(layer.inputs[:, : len(self.is_first)] for layer in self._layers)

    def window(self, is_first: Tensor) -> Window:
        """The window of the steps taken; is_first: (batch,) bool, whether the coming step begins an episode."""
        firsts = torch.stack([*self.is_first, is_first], dim=1)
        return Window.following(self.state, firsts[:, :-1], firsts[:, 1:])


class ActingCache:
    """A window's worth of acting with fixed weights. Open a new one when the weights or the memory change.

    Every so many steps it takes those into memory and begins anew, without the memories that died.

    Args:
        core: the core model.
        state: memory from before the window; not changed.
        num_steps: how many steps the cache has room for.
    """

    @torch.no_grad()
    def __init__(self, core: MemoryTransformer, state: MemoryState, num_steps: int) -> None:
        check(num_steps >= 1, f"an acting cache for {num_steps} steps was asked for, but it needs room for at least 1")
        self._core, self.num_steps, self.steps_taken = core, num_steps, 0
        self._finished: list[tuple[Tensor, ...]] = []
        self._part = self._open(state)

    def _open(self, state: MemoryState) -> _OpenCache:
        longest = min(_STEPS_BETWEEN_DELETIONS, self._core.config.max_span)
        return _OpenCache(self._core, state, min(longest, self.num_steps - self.steps_taken))

    @torch.no_grad()
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
            inputs_so_far = part.layer_inputs()
            self._finished.append(inputs_so_far)
            self._part = self._open(self._core.carry(part.state, inputs_so_far, part.window(is_first)))
        self.steps_taken += 1
        return self._part.step(inputs, is_first)

    @torch.no_grad()
    def peek(self, inputs: Tensor) -> Tensor:
        """What the next step would give in the running episode, without storing it.

        For the value of a truncated episode's final observation and of the observation after the window.

        Args:
            inputs: (batch, model).

        Returns:
            (batch, model), the core's normed output.
        """
        return self._part.run(inputs, is_stored=False)[0]

    def layer_inputs(self) -> tuple[Tensor, ...]:
        """Per layer (batch, steps taken, model), for `Core.carry`."""
        parts = zip(*self._finished, self._part.layer_inputs(), strict=True)
        return tuple(torch.cat(layer, dim=1) for layer in parts)


def widen(memory: LayerMemory, num_slots: int) -> LayerMemory:
    """A memory with empty slots in front, (batch, num_slots)."""
    missing = num_slots - memory.time.shape[1]
    hidden = torch.nn.functional.pad(memory.hidden, (0, 0, missing, 0))
    time = torch.nn.functional.pad(memory.time, (missing, 0), value=EMPTY_TIME)
    steps = None if memory.steps is None else torch.nn.functional.pad(memory.steps, (missing, 0), value=1)
    return LayerMemory(hidden, time, steps)
