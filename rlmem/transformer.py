"""The Transformer core: pre-norm layers over a window of steps and the memories of each layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rlmem.acting import ActingCache
from rlmem.attention import Attention
from rlmem.compaction import compact
from rlmem.core import Core, CoreLayer, LayerTrace
from rlmem.memories import make_memory
from rlmem.memory_state import LayerMemory, MemoryState
from rlmem.model_config import ModelConfig
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
        self.attention = Attention(config.model, config.heads, config.position_reach)
        self.memory = make_memory(config, number)
        self.feedforward_norm = nn.LayerNorm(config.model)
        self.expand = nn.Linear(config.model, config.feedforward)
        self.contract = nn.Linear(config.feedforward, config.model)

    def forward(self, hidden: Tensor, memory: LayerMemory, window: Window) -> tuple[Tensor, Tensor, LayerTrace]:
        """One layer, which stores what enters it; see `CoreLayer.forward`."""
        own = LayerMemory(hidden, window.time)
        slots = memory.followed_by(own)
        phase = slots.time - window.start_of(memory.time.shape[1])
        pooled = self.memory.pool(slots, phase, window.time[:, 0], window.time[:, -1])
        if pooled is not None:
            memory = memory.followed_by(pooled)
            slots = memory.followed_by(own)
            phase = slots.time - window.start_of(memory.time.shape[1])
        normed = self.attention_norm(slots.hidden)  # (batch, memory + query, model)
        described = self.memory.describe(normed, phase, slots.steps)
        log_mask = self.memory.log_mask(window.age_of(slots.time, hidden.dtype), described)
        columns = self.attention.positions.columns(window.time[:, :1] - memory.time)
        read = hidden + self.attention(normed, log_mask, columns)
        return read + self.feed_forward(read), hidden, LayerTrace(slots.time, described, log_mask)

    def feed_forward(self, hidden: Tensor) -> Tensor:
        """The feed-forward block's contribution; (…, model) in and out."""
        contribution: Tensor = self.contract(torch.relu(self.expand(self.feedforward_norm(hidden))))
        return contribution

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

    Args:
        config: sizes and the memory's kind.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(
            config, (TransformerLayer(config, number) for number in range(config.num_layers)), config.model
        )

    def layer_list(self) -> list[TransformerLayer]:
        """The layers, typed."""
        return [layer for layer in self.layers if isinstance(layer, TransformerLayer)]

    def open(self, state: MemoryState, num_steps: int) -> ActingCache:
        """A cache to act with for `num_steps` steps from a memory state."""
        return ActingCache(self, state, num_steps)
