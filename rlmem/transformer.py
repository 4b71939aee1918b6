"""The core model: a pre-norm Transformer over a window of steps and the memories of each layer.

inputs    (batch, query, model)   embedded observations or symbols
hidden    (batch, query, model)   states of the residual stream; the paper's h before its norm
state     MemoryState             what the layers remember from before the window
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rlmem.attention import Attention
from rlmem.compaction import compact
from rlmem.memories import make_memory
from rlmem.memory_state import LayerMemory, MemoryState
from rlmem.model_config import ModelConfig
from rlmem.window import Window


@dataclass(frozen=True)
class LayerTrace:
    """What one layer did in a window; `memory` counts the slots from before it and the window's own steps.

    Args:
        slot_time: (batch, memory) int64, when each slot was made.
        described: (batch, memory), what the kind computed of each slot (Expire-Span: the span), or None.
        log_mask: (batch, query, memory), what each query saw.
    """

    slot_time: Tensor
    described: Tensor | None
    log_mask: Tensor


@dataclass(frozen=True)
class CoreOutput:
    """What a window's forward pass gives.

    Args:
        hidden: (batch, query, model), normed output of the last layer.
        layer_inputs: per layer (batch, query, model), the states that entered it: what its memory stores.
        traces: one `LayerTrace` a layer.
    """

    hidden: Tensor
    layer_inputs: tuple[Tensor, ...]
    traces: tuple[LayerTrace, ...]


class TransformerLayer(nn.Module):
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

    def forward(self, hidden: Tensor, memory: LayerMemory, window: Window) -> tuple[Tensor, LayerTrace]:
        """One layer; hidden: (batch, query, model) in and out."""
        slot_time = torch.cat([memory.time, window.time], dim=1)
        normed = self.attention_norm(torch.cat([memory.hidden, hidden], dim=1))  # (batch, memory + query, model)
        described = self.memory.describe(normed)
        log_mask = self.memory.log_mask(window.age_of(slot_time, hidden.dtype), described)
        columns = self.attention.positions.columns(window.time[:, :1] - memory.time)
        hidden = hidden + self.attention(normed, log_mask, columns)
        hidden = hidden + self.feed_forward(hidden)
        return hidden, LayerTrace(slot_time, described, log_mask)

    def feed_forward(self, hidden: Tensor) -> Tensor:
        """The feed-forward block's contribution; (…, model) in and out."""
        contribution: Tensor = self.contract(torch.relu(self.expand(self.feedforward_norm(hidden))))
        return contribution

    def kept(self, memory: LayerMemory, next_time: Tensor, episode_start: Tensor) -> Tensor:
        """Which slots some later query may see under the current weights.

        Args:
            memory: slots, (batch, memory).
            next_time: (batch,) int64, the next step.
            episode_start: (batch,) int64, when the episode of the next step began.

        Returns:
            (batch, memory) bool.
        """
        age = (next_time[:, None] - memory.time).to(memory.hidden.dtype)
        is_kept = self.memory.is_kept(age, self.memory.describe(self.attention_norm(memory.hidden)))
        return is_kept & (memory.time >= episode_start[:, None])


class MemoryTransformer(nn.Module):
    """The Transformer that RL policies and language models share. It holds weights only: memory is an argument.

    Args:
        config: sizes and the memory's kind.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(TransformerLayer(config, number) for number in range(config.num_layers))
        self.norm = nn.LayerNorm(config.model)

    def layer_list(self) -> list[TransformerLayer]:
        """The layers, typed."""
        return [layer for layer in self.layers if isinstance(layer, TransformerLayer)]

    def initial_state(self, batch: int, time: int = 0) -> MemoryState:
        """An empty memory for `batch` rows, on the weights' device; `time` is the first step's absolute time."""
        weight = self.norm.weight
        return MemoryState.empty(
            len(self.layers), batch, self.config.model, device=weight.device, dtype=weight.dtype, time=time
        )

    def forward(self, inputs: Tensor, state: MemoryState, window: Window) -> CoreOutput:
        """Run a window; changes nothing.

        Args:
            inputs: (batch, query, model).
            state: memory from before the window.
            window: `Window.following(state, is_first)`.

        Returns:
            `CoreOutput`; give its `layer_inputs` to `carry` for the next window's memory.
        """
        hidden, layer_inputs, traces = inputs, [], []
        for layer, memory in zip(self.layer_list(), state.layers, strict=True):
            layer_inputs.append(hidden)
            hidden, trace = layer(hidden, memory, window)
            traces.append(trace)
        return CoreOutput(self.norm(hidden), tuple(layer_inputs), tuple(traces))

    @torch.no_grad()
    def carry(
        self, state: MemoryState, layer_inputs: tuple[Tensor, ...], window: Window, *, delete: bool = True
    ) -> MemoryState:
        """The memory after a window: old slots and the window's own, detached, the dead ones deleted.

        Args:
            state: memory from before the window.
            layer_inputs: per layer (batch, query, model).
            window: the window.
            delete: False keeps every slot, which changes no output (tested); True judges by the current weights.
        """
        next_time = window.time[:, -1] + 1
        episode_start = torch.where(window.is_ended[:, -1], next_time, window.episode_start[:, -1])
        memories = []
        for layer, memory, hidden in zip(self.layer_list(), state.layers, layer_inputs, strict=True):
            joined = LayerMemory(
                torch.cat([memory.hidden, hidden.detach()], dim=1), torch.cat([memory.time, window.time], dim=1)
            )
            if delete:
                joined = compact(joined, layer.kept(joined, next_time, episode_start))
            memories.append(joined)
        return MemoryState(tuple(memories), next_time, episode_start)

    def auxiliary_loss(self, traces: tuple[LayerTrace, ...], window: Window) -> Tensor:
        """The cost of the window's memories at alpha = 1: sum over layers, mean over rows; a scalar, 0 if free."""
        total = torch.zeros((), device=window.time.device)
        for layer, trace in zip(self.layer_list(), traces, strict=True):
            cost = layer.memory.auxiliary_loss(trace.slot_time, trace.described, window)
            if cost is not None:
                total = total + cost.mean()
        return total
