"""Acting on a CPU in compiled steps: what `rlmem.acting` does in PyTorch's operations, one call a step.

A kind of memory says what queries see in PyTorch's operations here too, but ahead of time: of the memories from before
when the steps begin, and of a step's own slot for the queries that follow it, once the step is taken.

    query  counts the steps that there is room for, and one more
    slots  memories from before (pooled ones to come among them), then a slot for each query; those of keys are padded
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad

from rlmem.compilable import is_compilable
from rlmem.errors import UsageError
from rlmem.kernels.acting_step import Slots, Taken, Weights, take_step
from rlmem.kernels.arithmetic import LANES
from rlmem.kernels.compiling import bounds_of_threads
from rlmem.memory_state import LayerMemory, MemoryState

if TYPE_CHECKING:
    from rlmem.core import Core
    from rlmem.transformer import TransformerLayer

_ROWS_WORTH_A_THREAD = 16
_OLDEST = 2**30  # steps; an age that an int32 holds, beyond every reach


def is_compiled(core: Core) -> bool:
    """Whether there are compiled steps for a core: a Transformer whose weights are `is_compilable`."""
    layers = core.layer_list()
    return bool(layers) and all(layer.memory.is_foreseeable for layer in layers) and is_compilable(core.norm.weight)


class CompiledCore:
    """A core's weights as the compiled steps take them; they must not change meanwhile.

    Args:
        core: one that `is_compiled`.
        batch: rows that will act.

    Attributes:
        layers: of the core.
        weights: of them all.
        describers: one a layer, see `Memory.describer`.
        compiled_steps: one a layer, see `Memory.compiled_step`.
    """

    @torch.no_grad()
    def __init__(self, core: Core, batch: int) -> None:
        layers = core.layer_list()
        self.layers, self.reach = layers, core.config.position_reach
        self.describers = [layer.memory.describer() for layer in layers]
        self.compiled_steps = [layer.memory.compiled_step() for layer in layers]
        by_name = zip(*map(_weights, layers), strict=True)
        of_layers = [torch.stack(named).contiguous() for named in by_name]
        norm, eps = torch.stack([core.norm.weight, core.norm.bias]), torch.tensor([core.norm.eps])
        self.weights = Weights(*(tensor.numpy() for tensor in (*of_layers, norm, eps)))
        self.bounds = bounds_of_threads(batch, torch.get_num_threads(), _ROWS_WORTH_A_THREAD)


def _weights(layer: TransformerLayer) -> tuple[Tensor, ...]:
    """A layer's weights in the order of `Weights`."""
    attention = layer.attention
    return (
        torch.stack([layer.attention_norm.weight, layer.attention_norm.bias]),
        torch.cat([attention.query.weight * attention.scale, attention.key_value.weight]).t(),
        _padded(attention.positions.step_table()),
        attention.output.weight.t(),
        torch.stack([layer.feedforward_norm.weight, layer.feedforward_norm.bias]),
        layer.expand.weight.t(),
        layer.expand.bias,
        layer.contract.weight.t(),
        layer.contract.bias,
    )


def _padded(tensor: Tensor) -> Tensor:
    """A multiple of `LANES` columns; (rows, columns)."""
    return pad(tensor, (0, -tensor.shape[1] % LANES))


class CompiledCache:
    """Some steps of acting on one memory state, equal to those of `rlmem.acting` up to rounding.

    Args:
        core: the core model, compiled.
        state: memory from before the first step.
        memories: per layer the slots of the state and those that its kind will make of them, all as wide.
        num_steps: how many steps there is room for.

    Attributes:
        is_first: of each step taken, (batch,) bool.
    """

    def __init__(self, core: CompiledCore, state: MemoryState, memories: list[LayerMemory], num_steps: int) -> None:
        self._core, self.num_steps = core, num_steps
        self.is_first: list[Tensor] = []
        self._phase = state.next_time - state.episode_start - 1  # of the last step taken
        keys, values, described, age = [], [], [], []
        for layer, memory in zip(core.layers, memories, strict=True):
            attention, normed = layer.attention, layer.attention_norm(memory.hidden)
            some_keys, some_values = map(attention.split_heads, attention.key_value(normed).chunk(2, dim=-1))
            keys.append(some_keys.transpose(2, 3))
            values.append(some_values)
            described.append(layer.memory.describe(normed, memory.time - state.episode_start[:, None], memory.steps))
            steps = state.next_time[:, None] - memory.time
            age.append(steps.where(memory.time >= state.episode_start[:, None], _OLDEST))
        self._begin(torch.stack(keys), torch.stack(values), described, torch.stack(age).clamp_(max=_OLDEST))

    def _begin(self, keys: Tensor, values: Tensor, described: list[Tensor | None], age: Tensor) -> None:
        """Make room beside some memories.

        Args:
            keys: (layers, batch, heads, head, memory).
            values: (layers, batch, heads, memory, head).
            described: per layer (batch, memory), or None.
            age: (layers, batch, memory) int64, at the first step; `_OLDEST` where hidden.
        """
        layers, batch, heads, head, self.num_memories = keys.shape
        queries = self.num_steps + 1
        room = queries + -(self.num_memories + queries) % LANES
        self._query = torch.arange(queries)
        self._keys, self._values = pad(keys, (0, room)), pad(values, (0, 0, 0, room))
        self._age = torch.cat([age, -torch.arange(room).expand(layers, batch, room)], dim=2).to(torch.int32)
        self._described = [None if spans is None else pad(spans, (0, queries)) for spans in described]
        self._log_mask = pad(self._masks(age), (0, room - queries), value=-torch.inf)
        self._first = torch.zeros(batch, dtype=torch.int64)
        self._inputs = keys.new_zeros(layers, batch, self.num_steps, heads * head)
        self._normed = keys.new_zeros(layers, batch, heads * head)
        self._slots = Slots(
            self._keys.numpy(),
            self._values.numpy(),
            self._log_mask.numpy(),
            self._age.numpy(),
            self._first.numpy(),
            self._phase.numpy(),
        )

    def _masks(self, age: Tensor) -> Tensor:
        """What every query sees of the memories, of its own slot, and of the others' where that depends on age alone.

        Returns:
            (layers, batch, 1 or heads, query, slots), the slots of the queries being the last.
        """
        query = self._query.float()
        ages = torch.cat([age, -self._query.expand(*age.shape[:2], -1)], dim=2).float()
        masks = []
        for layer, at_first, described in zip(self._core.layers, ages, self._described, strict=True):
            steps = at_first[:, None] + query[:, None]  # (batch, query, slots)
            steps.masked_fill_((steps < 0) | (steps >= _OLDEST), torch.inf)
            mask = layer.memory.log_mask(steps, described)
            if described is not None:  # the slots are not described yet, but a query sees itself
                mask[..., self.num_memories :].copy_(torch.where(self._query[:, None] == self._query, 0.0, -torch.inf))
            masks.append(mask)
        most = max(mask.shape[1] for mask in masks)
        return torch.stack([mask.expand(-1, most, -1, -1) for mask in masks])

    def step(self, inputs: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor]:
        """See `ActingCache.step`."""
        result = self._run(inputs, is_first, is_stored=True)
        self.is_first.append(is_first)
        return result

    def peek(self, inputs: Tensor) -> Tensor:
        """See `ActingCache.peek`."""
        return self._run(inputs, torch.zeros(len(inputs), dtype=torch.bool), is_stored=False)[0]

    def _run(self, inputs: Tensor, is_first: Tensor, *, is_stored: bool) -> tuple[Tensor, Tensor]:
        """Hidden (batch, model) and sizes (batch, layers) of the coming step."""
        number, core = len(self.is_first), self._core
        hidden = torch.empty_like(self._normed[0])
        if (inputs.shape, inputs.dtype, is_first.shape) != (hidden.shape, hidden.dtype, hidden.shape[:1]):
            raise UsageError(
                f"inputs are {tuple(inputs.shape)} of {inputs.dtype} and is_first is {tuple(is_first.shape)}, but a "
                f"step of this memory takes {tuple(hidden.shape)} of {hidden.dtype} and {tuple(hidden.shape[:1])}"
            )
        sizes = torch.empty(len(hidden), len(self._normed), dtype=torch.int64)
        taken = Taken(self._inputs.numpy(), self._normed.numpy(), hidden.numpy(), sizes.numpy())
        query = inputs.detach().contiguous().numpy(), is_first.contiguous().numpy()
        counts = self.num_memories, core.reach, number
        take_step(core.weights, self._slots, query, taken, counts, is_stored, core.bounds)
        if is_stored:
            self._describe(number)
        return hidden, sizes

    def _describe(self, number: int) -> None:
        """What later queries see of the slots of a step."""
        core, slot, later = self._core, self.num_memories + number, self._query[number + 1 :]
        for layer, described in enumerate(self._described):
            if described is None:
                continue
            log_mask, compiled = self._log_mask[layer], core.compiled_steps[layer]
            if compiled is not None:
                given = self._normed[layer].numpy(), described.numpy(), log_mask.numpy()
                compiled(*given, (slot, number), core.bounds)
                continue
            own = core.describers[layer](self._normed[layer], self._phase)
            assert own is not None, "the kind described the memories"
            described[:, slot] = own
            age = (later - number).float()[None, :, None].expand(len(own), -1, -1)  # (batch, later queries, 1)
            seen = core.layers[layer].memory.log_mask(age, own[:, None]).squeeze(3)  # (batch, heads, later queries)
            log_mask[:, :, number + 1 :, slot] = seen

    def layer_inputs(self) -> tuple[Tensor, ...]:
        """Per layer (batch, steps taken, model)."""
        return self._inputs[:, :, : len(self.is_first)].unbind(0)

    def drop_dead(self, num_steps: int) -> None:
        """Begin anew with room for `num_steps` steps and the slots that a later query may see; see `rlmem.acting`."""
        number = self.num_memories + len(self.is_first)
        age = (self._age[:, :, :number].long() + len(self.is_first)).clamp_(max=_OLDEST)
        is_hidden = (self._age[:, :, :number] == _OLDEST) | (torch.arange(number) < self._first[:, None])
        age.masked_fill_(is_hidden, _OLDEST)
        kept = torch.stack(
            [
                layer.memory.is_kept(steps.float(), None if described is None else described[:, :number])
                for layer, steps, described in zip(self._core.layers, age, self._described, strict=True)
            ]
        )
        kept &= ~is_hidden
        most = int(kept.sum(2).max())
        order = kept.to(torch.uint8).sort(dim=2, stable=True).indices  # the kept ones last, in the order of their times
        order = order[:, :, order.shape[2] - most :]
        layers, batch, heads, head, _ = self._keys.shape
        keys = self._keys.gather(4, order[:, :, None, None].expand(-1, -1, heads, head, -1))
        values = self._values.gather(3, order[:, :, None, :, None].expand(-1, -1, heads, -1, head))
        described = [
            None if spans is None else spans.gather(1, slots)
            for spans, slots in zip(self._described, order, strict=True)
        ]
        self.num_steps, self.is_first = num_steps, []
        self._begin(keys, values, described, age.gather(2, order).masked_fill_(~kept.gather(2, order), _OLDEST))
