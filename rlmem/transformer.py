"""The Transformer core: pre-norm layers over a window of steps and the memories of each layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from rlmem.acting import ActingCache
from rlmem.attention import Attention
from rlmem.compaction import compact
from rlmem.compiled_layer import is_compiled, run_window
from rlmem.core import Core, CoreLayer, LayerTrace
from rlmem.initialisation import initialise_glorot
from rlmem.long_memory import LongMemoryReader
from rlmem.memories import make_memory
from rlmem.memory_state import LayerMemory, MemoryState
from rlmem.model_config import ModelConfig
from rlmem.query_blocks import query_blocks
from rlmem.window import Window


class TransformerLayer(CoreLayer):
    """Attention over memory and window, then a feed-forward block, each behind a norm and beside a residual.

    Args:
        config: sizes and the memory's kind.
        number: of the layer, 0 being the first.
    """

    def __init__(self, config: ModelConfig, number: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.model)
        self.attention = Attention(config.model, config.heads, config.position_reach, config.attention_dropout)
        self.memory = make_memory(config, number)
        self.feedforward_norm = nn.LayerNorm(config.model)
        self.expand = nn.Linear(config.model, config.feedforward)
        self.contract = nn.Linear(config.feedforward, config.model)
        self.dropout, self.is_fused = config.dropout, config.fused
        self.is_whole = False  # see `plain_attention`

    def forward(self, hidden: Tensor, memory: LayerMemory, window: Window) -> tuple[Tensor, Tensor, LayerTrace]:
        """One layer, which stores what enters it; see `CoreLayer.forward`."""
        own = LayerMemory(hidden, window.time)
        memory = self._with_pooled(memory, own, window)
        if self.is_fused and not self.is_whole:
            reader = LongMemoryReader(self.attention, self.attention_norm, self.memory)
            contribution, trace = reader.read(hidden, memory, window)
            return self._fed_forward(hidden + contribution), hidden, trace
        slots = memory.followed_by(own)
        phase = slots.time - window.start_of(memory.time.shape[1])
        normed = self.attention_norm(slots.hidden)  # (batch, memory + query, model)
        described = self.memory.describe(normed, phase, slots.steps)
        trace = LayerTrace(
            slots.time,
            described,
            lambda: self.memory.log_mask(window.age_of(slots.time, hidden.dtype), described),
        )
        if self.is_whole:
            columns = self.attention.positions.columns(window.time[:, :1] - memory.time)
            contribution = self.attention(normed, trace.log_mask, columns)
        elif is_compiled(self, normed) and (ramp := self.memory.as_ramp(described)) is not None:
            return run_window(self, hidden, normed, slots.time, ramp, window), hidden, trace
        else:
            blocks = query_blocks(self.memory, self.attention.positions, slots.time, described, window)
            contribution = self.attention.read_blocks(normed, blocks)
        return self._fed_forward(hidden + contribution), hidden, trace

    def _with_pooled(self, memory: LayerMemory, own: LayerMemory, window: Window) -> LayerMemory:
        """The slots from before the window and those that the kind makes while it passes."""
        nothing = LayerMemory(memory.hidden[:, :0], memory.time[:, :0])
        first, last = window.time[:, 0], window.time[:, -1]
        if self.memory.pool(nothing, nothing.time, first, last) is None:
            return memory  # a kind that pools nothing needs no copy of the slots
        slots = memory.followed_by(own)
        pooled = self.memory.pool(slots, slots.time - window.start_of(memory.time.shape[1]), first, last)
        return memory if pooled is None else memory.followed_by(pooled)

    def feed_forward(self, hidden: Tensor, dropout: float = 0.0) -> Tensor:
        """The feed-forward block's contribution; (…, model) in and out.

        Args:
            hidden: (…, model).
            dropout: share of the ReLU activations to set to 0, the others being scaled up.
        """
        activations = torch.relu(self.expand(self.feedforward_norm(hidden)))
        if dropout:
            activations = nn.functional.dropout(activations, dropout)
        contribution: Tensor = self.contract(activations)
        return contribution

    def _fed_forward(self, read: Tensor) -> Tensor:
        """The stream behind the feed-forward block, whose dropout is for training on windows: acting never drops."""
        return read + self.feed_forward(read, self.dropout if self.training else 0.0)

    def carried(self, slots: LayerMemory, since: Tensor, next_time: Tensor, episode_start: Tensor) -> LayerMemory:
        """The slots that the memory keeps, and those that it makes of others; see `CoreLayer.carried`."""
        start = episode_start[:, None]
        pooled = self.memory.pool(slots, slots.time - start, since, next_time)
        if pooled is not None:
            slots = slots.followed_by(pooled)
        described = self.memory.describe(self.attention_norm(slots.hidden), slots.time - start, slots.steps)
        age = (next_time[:, None] - slots.time).to(slots.hidden.dtype)
        return compact(slots, self.memory.is_kept(age, described) & (slots.time >= start))


class MemoryTransformer(Core):
    """The Transformer that RL policies and language models share.

    In training its windows drop what the configuration says, as A.2.4 of the paper does: attention weights and ReLU
    activations; the contributions to the residual stream, of which it does not speak, are left whole. The randomness is
    PyTorch's global one, from which nothing is drawn at a share of 0.

    Args:
        config: sizes and the memory's kind.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(
            config, (TransformerLayer(config, number) for number in range(config.num_layers)), config.model
        )
        if config.glorot:
            initialise_glorot(self)

    def layer_list(self) -> list[TransformerLayer]:
        """The layers, typed."""
        return [layer for layer in self.layers if isinstance(layer, TransformerLayer)]

    def open(self, state: MemoryState, num_steps: int) -> ActingCache:
        """A cache to act with for `num_steps` steps from a memory state."""
        return ActingCache(self, state, num_steps)


@contextmanager
def plain_attention(core: Core) -> Iterator[None]:
    """Inside, windows run through `Attention.forward` as a whole: who looks at weights needs that.

    Args:
        core: a Transformer; nothing changes of a recurrent one.
    """
    layers = core.layer_list()
    was_whole = [layer.is_whole for layer in layers]
    for layer in layers:
        layer.is_whole = True
    try:
        yield
    finally:
        for layer, value in zip(layers, was_whole, strict=True):
            layer.is_whole = value
