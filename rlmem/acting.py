"""Acting one step at a time: the core model with a key/value cache.

Weights are fixed inside a window, so every slot is projected once: the memories when the cache opens, each step's own
when it is taken. The result equals the windowed forward pass (up to rounding; tested).

    cache slots   the memories from before the window, then room for its steps and one query that is never stored
    age           (layers, batch, slots)  steps at the coming query; infinity where the coming query must not look
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlmem.errors import check
from rlmem.memory_state import MemoryState
from rlmem.transformer import MemoryTransformer, TransformerLayer


class _LayerCache:
    """Projected slots of one layer."""

    def __init__(self, layer: TransformerLayer, hidden: Tensor, num_slots: int) -> None:
        attention = layer.attention
        batch, memory, model = hidden.shape
        self.layer = layer
        weights = torch.cat([attention.query.weight * attention.scale, attention.key_value.weight])
        self.projections = weights.view(3, model, model).transpose(1, 2).contiguous()  # query, key, value
        self.position_table = attention.positions.step_table()
        self.key_value = hidden.new_zeros(2, batch, attention.heads, num_slots, attention.head)
        self.described: Tensor | None = None
        self.inputs = hidden.new_empty(batch, num_slots - memory, model)
        normed = layer.attention_norm(hidden)
        keys, values = attention.key_value(normed).chunk(2, dim=-1)
        self.key_value[0, :, :, :memory] = attention.split_heads(keys)
        self.key_value[1, :, :, :memory] = attention.split_heads(values)
        described = layer.memory.describe(normed)
        if described is not None:
            self.described = described.new_zeros(batch, num_slots)
            self.described[:, :memory] = described

    def step(self, hidden: Tensor, slot: int, age: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
        """One layer for one step; hidden: (batch, model). Returns it and the log-mask, (batch, 1, slot + 1)."""
        layer, attention, live = self.layer, self.layer.attention, slot + 1
        batch, model = hidden.shape
        normed = layer.attention_norm(hidden)
        projected = torch.matmul(normed, self.projections)  # (3, batch, model)
        self.key_value[:, :, :, slot] = projected[1:].view(2, batch, attention.heads, attention.head)
        described = layer.memory.describe(normed)
        if self.described is not None and described is not None:
            self.described[:, slot] = described
            described = self.described[:, :live]
        log_mask = layer.memory.log_mask(age[:, None, :live], described)  # (batch, 1, slot + 1)
        queries = projected[0].view(batch, attention.heads, attention.head)
        bias = attention.positions.step_scores(queries, self.position_table, distance[:, :live]).add_(log_mask)
        keys, values = self.key_value[:, :, :, :live].flatten(1, 2)  # (batch * heads, slot + 1, head)
        logits = bias.view(-1, 1, live).baddbmm_(queries.view(-1, 1, attention.head), keys.transpose(1, 2))
        read = torch.bmm(torch.softmax(logits, dim=-1), values).view(batch, model)
        hidden = hidden + attention.output(read)
        return hidden + layer.feed_forward(hidden), log_mask


class ActingCache:
    """A window's worth of acting with fixed weights. Open a new one when the weights or the memory change.

    Args:
        core: the core model.
        state: memory from before the window; not changed.
        num_steps: how many steps the cache has room for.
    """

    @torch.no_grad()
    def __init__(self, core: MemoryTransformer, state: MemoryState, num_steps: int) -> None:
        check(num_steps >= 1, f"an acting cache for {num_steps} steps was asked for, but it needs room for at least 1")
        self._norm = core.norm
        self.num_memories = max(layer.time.shape[1] for layer in state.layers)
        self.num_steps, self.steps_taken = num_steps, 0
        num_slots = self.num_memories + num_steps + 1
        self._layers = []
        age = torch.full((len(state.layers), state.batch, num_slots), torch.inf, dtype=core.norm.weight.dtype)
        age = age.to(core.norm.weight.device)
        for number, (layer, memory) in enumerate(zip(core.layer_list(), state.layers, strict=True)):
            missing = self.num_memories - memory.time.shape[1]  # pad with empty slots in front
            hidden = torch.nn.functional.pad(memory.hidden, (0, 0, missing, 0))
            self._layers.append(_LayerCache(layer, hidden, num_slots))
            steps = (state.next_time[:, None] - memory.time).to(age.dtype)
            is_visible = memory.time >= state.episode_start[:, None]
            age[number, :, missing : self.num_memories] = steps.where(is_visible, torch.inf)
        age[:, :, self.num_memories :] = 0
        self._age = age
        self._reach = core.config.position_reach
        self._distance = age.clamp(max=self._reach).long()

    @torch.no_grad()
    def step(self, inputs: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor]:
        """Take a step and store it.

        Args:
            inputs: (batch, model), the embedded observation.
            is_first: (batch,) bool, True where the step begins a new episode.

        Returns:
            hidden (batch, model), the core's normed output; memory_size (batch, layers) int64, how many memories the
            query saw in each layer, its own step left out (the paper's |C_t|).
        """
        check(self.steps_taken < self.num_steps, f"the cache has room for {self.num_steps} steps, all are taken")
        slot = self.num_memories + self.steps_taken
        self._age[:, :, :slot].masked_fill_(is_first[None, :, None], torch.inf)
        hidden, sizes = self._run(inputs, slot, is_stored=True)
        self._age[:, :, : slot + 1] += 1
        self._distance[:, :, : slot + 1].add_(1).clamp_(max=self._reach)
        self.steps_taken += 1
        return hidden, sizes

    @torch.no_grad()
    def peek(self, inputs: Tensor) -> Tensor:
        """What the next step would give in the running episode, without storing it.

        For the value of a truncated episode's final observation and of the observation after the window.

        Args:
            inputs: (batch, model).

        Returns:
            (batch, model), the core's normed output.
        """
        return self._run(inputs, self.num_memories + self.steps_taken, is_stored=False)[0]

    def _run(self, hidden: Tensor, slot: int, *, is_stored: bool) -> tuple[Tensor, Tensor]:
        sizes = []
        for number, layer in enumerate(self._layers):
            if is_stored:
                layer.inputs[:, self.steps_taken] = hidden
            hidden, log_mask = layer.step(hidden, slot, self._age[number], self._distance[number])
            sizes.append((log_mask > -torch.inf).sum((1, 2)) - 1)
        return self._norm(hidden), torch.stack(sizes, dim=1)

    def layer_inputs(self) -> tuple[Tensor, ...]:
        """Per layer (batch, steps taken, model), for `MemoryTransformer.carry`."""
        return tuple(layer.inputs[:, : self.steps_taken] for layer in self._layers)
