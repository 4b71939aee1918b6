"""Acting in slots whose tensors never change place, so that a GPU can record a step once and play it again.

A step is the same row of operations whatever the step: which slot it fills and what it may see follow from a counter on
the device, and all slots are read, those not yet filled being hidden by their age. It equals `rlmem.acting.ActingCache`
(up to rounding; tested), which on a CPU is faster, for it reads only what is filled.

    slots      memories from before (pooled ones to come among them), then the window's steps, then one for `peek`
    slot_step  (layers, batch, slots) int64  when each slot was made, the window's first step being 0
    start      (batch,) int64                when the row's running episode began, likewise
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlmem.acting_memories import widened
from rlmem.core import Core
from rlmem.memory_state import LayerMemory, MemoryState

if TYPE_CHECKING:
    from rlmem.transformer import TransformerLayer


def has_static_form(core: Core, num_steps: int) -> bool:
    """Whether windows of a length can be acted in static slots.

    Recurrent cores cannot, and a kind that pools cannot beyond L steps: what it pools by then is not stored yet.
    """
    return bool(core.layer_list()) and (core.config.memory != "compressive" or num_steps <= core.config.max_span)


class _StaticLayer:
    """The slots of one layer."""

    def __init__(self, layer: TransformerLayer, batch: int, num_slots: int, num_steps: int) -> None:
        attention, weight = layer.attention, layer.attention_norm.weight
        self.layer = layer
        self.key_value = weight.new_zeros(2, batch, attention.heads, num_slots, attention.head)
        self.inputs = weight.new_zeros(batch, num_steps, weight.shape[0])
        self.position_table = attention.positions.step_table().detach().clone()
        describes = layer.memory.describe(self.inputs[:, :1], torch.zeros_like(self.inputs[:, :1, 0]).long(), None)
        self.described = None if describes is None else weight.new_zeros(batch, num_slots)

    def load(self, memory: LayerMemory, phase: Tensor) -> None:
        """Project a memory's slots, (batch, memory); the first ones here."""
        attention, num_memories = self.layer.attention, memory.time.shape[1]
        normed = self.layer.attention_norm(memory.hidden)
        keys, values = attention.key_value(normed).chunk(2, dim=-1)
        self.key_value[0, :, :, :num_memories] = attention.split_heads(keys)
        self.key_value[1, :, :, :num_memories] = attention.split_heads(values)
        described = self.layer.memory.describe(normed, phase, memory.steps)
        if self.described is not None and described is not None:
            self.described[:, :num_memories] = described
        self.position_table.copy_(attention.positions.step_table())

    def read(self, hidden: Tensor, own: Tensor, age: Tensor, distance: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        """One layer for one query a row, whose slot is filled.

        Args:
            hidden: (batch, model).
            own: (1,) int64, the query's slot.
            age: (batch, slots), infinity where the query must not look.
            distance: (batch, slots) int64, the same up to the positions' reach.
            phase: (batch,) int64, how many steps after its episode's first the query is.

        Returns:
            (batch, model), and how many memories the query saw with any head, (batch,) int64.
        """
        layer, attention = self.layer, self.layer.attention
        batch, model = hidden.shape
        normed = layer.attention_norm(hidden)
        queries = (attention.query(normed) * attention.scale).view(batch, attention.heads, attention.head)
        projected = attention.key_value(normed).view(batch, 2, attention.heads, 1, attention.head)
        self.key_value.index_copy_(3, own, projected.transpose(0, 1))
        described = layer.memory.describe(normed, phase, None)
        if self.described is not None and described is not None:
            self.described.index_copy_(1, own, described[:, None])
        log_mask = layer.memory.log_mask(age[:, None], self.described).squeeze(2)  # (batch, 1 or heads, slots)
        bias = attention.positions.step_scores(queries, self.position_table, distance).add_(log_mask)
        keys, values = self.key_value.flatten(1, 2)  # (batch * heads, slots, head)
        logits = bias.view(-1, 1, bias.shape[2])
        logits = logits.baddbmm_(queries.view(-1, 1, attention.head), keys.transpose(1, 2))
        read = torch.bmm(torch.softmax(logits, dim=-1), values).view(batch, model)
        hidden = hidden + attention.output(read)
        num_seen = (log_mask.amax(1) > -torch.inf).sum(1) - 1
        return hidden + layer.feed_forward(hidden), num_seen


class StaticActing:
    """Slots for windows of acting under weights that stay in their tensors; `load` begins a window.

    Args:
        core: a core with a static form.
        batch: rows.
        num_memories: room for so many memories from before a window.
        num_steps: steps of a window.

    Attributes:
        taken: (1,) int64, how many steps were taken; it moves on with every step.
        start: (batch,) int64, see the module.
    """

    @torch.no_grad()
    def __init__(self, core: Core, batch: int, num_memories: int, num_steps: int) -> None:
        assert has_static_form(core, num_steps), "the caller asked has_static_form"
        self._core, self.num_memories, self.num_steps = core, num_memories, num_steps
        self._reach, self._dtype = core.config.position_reach, core.norm.weight.dtype
        num_slots, device = num_memories + num_steps + 1, core.norm.weight.device
        self._layers = [_StaticLayer(layer, batch, num_slots, num_steps) for layer in core.layer_list()]
        self._slot_step = torch.zeros(len(self._layers), batch, num_slots, dtype=torch.int64, device=device)
        self._slot_step[:, :, num_memories:] = torch.arange(num_steps + 1, device=device)
        self._number = torch.arange(num_slots, device=device)
        self._spare = torch.full((1,), num_slots - 1, device=device)
        self.taken = torch.zeros(1, dtype=torch.int64, device=device)
        self.start = torch.zeros(batch, dtype=torch.int64, device=device)

    @torch.no_grad()
    def load(self, state: MemoryState, memories: list[LayerMemory]) -> None:
        """Begin a window.

        Args:
            state: memory from before it.
            memories: of `memories_for` this state, each at most `num_memories` wide.
        """
        for number, (layer, narrow) in enumerate(zip(self._layers, memories, strict=True)):
            memory = widened(narrow, self.num_memories)
            layer.load(memory, memory.time - state.episode_start[:, None])
            self._slot_step[number, :, : self.num_memories] = memory.time - state.next_time[:, None]
        self.start.copy_(state.episode_start - state.next_time)
        self.taken.zero_()

    @torch.no_grad()
    def step(self, inputs: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor]:
        """Take a step and store it; as `ActingCache.step`, at most `num_steps` times after `load`."""
        self.start.copy_(self.taken.where(is_first, self.start))
        hidden, sizes = self._run(inputs, self.taken, self.start, self.num_memories + self.taken, is_stored=True)
        self.taken.add_(1)
        return hidden, sizes

    @torch.no_grad()
    def peek(self, inputs: Tensor, time: Tensor, start: Tensor) -> Tensor:
        """What a query at any step of the window gives, without storing it: it sees the steps before its own.

        Args:
            inputs: (batch, model).
            time: (batch,) int64, the query's step, `num_steps` at most: that of the observation after the window.
            start: (batch,) int64, when its episode began, as `start` was then.

        Returns:
            (batch, model), the core's normed output.
        """
        return self._run(inputs, time, start, self._spare, is_stored=False)[0]

    def _run(
        self, hidden: Tensor, time: Tensor, start: Tensor, own: Tensor, *, is_stored: bool
    ) -> tuple[Tensor, Tensor]:
        """Hidden (batch, model) and sizes (batch, layers) of queries at `time`, (batch,) or (1,), in the slot `own`."""
        age, distance = self._ages(time, start, own)
        sizes = []
        for number, layer in enumerate(self._layers):
            if is_stored:
                layer.inputs.index_copy_(1, time, hidden[:, None])
            hidden, size = layer.read(hidden, own, age[number], distance[number], time - start)
            sizes.append(size)
        return self._core.norm(hidden), torch.stack(sizes, dim=1)

    def _ages(self, time: Tensor, start: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Age, infinity where hidden, and distance up to the reach, of every slot: both (layers, batch, slots)."""
        since = time[:, None] - self._slot_step
        is_own = self._number == own
        is_hidden = (self._slot_step < start[:, None]).logical_or_(since <= 0)
        age = since.to(self._dtype).masked_fill_(is_hidden, torch.inf).masked_fill_(is_own, 0)
        return age, since.clamp_(0, self._reach).masked_fill_(is_own, 0)

    def layer_inputs(self) -> tuple[Tensor, ...]:
        """Per layer (batch, num_steps, model), copied: what `Core.carry` takes after a whole window."""
        return tuple(layer.inputs.clone() for layer in self._layers)
