"""The core of every model: layers that remember, and what becomes of their memory after a window.

inputs    (batch, query, model)   embedded observations or symbols
hidden    (batch, query, model)   what goes from layer to layer
state     MemoryState             what the layers remember from before the window
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from rlmem.memory_size import memory_size
from rlmem.memory_state import LayerMemory, MemoryState
from rlmem.model_config import ModelConfig
from rlmem.window import Window

if TYPE_CHECKING:
    from rlmem.transformer import TransformerLayer


@dataclass(frozen=True)
class LayerTrace:
    """What one layer did in a window; `memory` counts the slots from before it, pooled ones and the window's own steps.

    Args:
        slot_time: (batch, memory) int64, when each slot was made.
        described: (batch, memory), what the kind computed of each slot (Expire-Span: the span), or None.
        make_log_mask: gives `log_mask`, which a long memory's layer does not otherwise make.
    """

    slot_time: Tensor
    described: Tensor | None
    make_log_mask: Callable[[], Tensor]

    @property
    def log_mask(self) -> Tensor:
        """What each query saw, (batch, 1 or heads, query, memory); as large as it says."""
        return self.make_log_mask()


@dataclass(frozen=True)
class CoreOutput:
    """What a window's forward pass gives.

    Args:
        hidden: (batch, query, model), normed output of the last layer.
        layer_inputs: per layer (batch, query, width), what its memory stores: the states that entered a Transformer
            layer, the states that a recurrent layer was in after each step.
        traces: one `LayerTrace` a layer; none of a recurrent core.
    """

    hidden: Tensor
    layer_inputs: tuple[Tensor, ...]
    traces: tuple[LayerTrace, ...]


class CoreCache(Protocol):
    """Acting step by step with fixed weights; see `rlmem.acting.ActingCache`, whose manner all cores share."""

    def step(self, inputs: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor]:
        """Take a step and store it; hidden (batch, model) and memory_size (batch, layers)."""
        ...

    def peek(self, inputs: Tensor) -> Tensor:
        """What the next step would give in the running episode, (batch, model)."""
        ...

    def layer_inputs(self) -> tuple[Tensor, ...]:
        """Per layer (batch, steps taken, width), for `Core.carry`."""
        ...


class CoreLayer(nn.Module):
    """One layer with a memory: what `Core` asks of it."""

    def forward(self, hidden: Tensor, memory: LayerMemory, window: Window) -> tuple[Tensor, Tensor, LayerTrace | None]:
        """One layer over a window.

        Args:
            hidden: (batch, query, model).
            memory: its slots from before the window.
            window: the queries.

        Returns:
            (batch, query, model); (batch, query, width), what its memory stores; and the trace, if there is one.
        """
        raise NotImplementedError

    def carried(self, slots: LayerMemory, since: Tensor, next_time: Tensor, episode_start: Tensor) -> LayerMemory:
        """What of some slots some later query may see under the current weights.

        Args:
            slots: (batch, memory), those from before the window and the window's own.
            since: (batch,) int64, the window's first step.
            next_time: (batch,) int64, the next step.
            episode_start: (batch,) int64, when the episode of the next step began.
        """
        raise NotImplementedError


class Core(nn.Module):
    """Layers with memory, then a norm. It holds weights only: memory is an argument.

    Args:
        config: sizes and the memory's kind.
        layers: first to last.
        width: of what a slot stores.
    """

    def __init__(self, config: ModelConfig, layers: Iterable[CoreLayer], width: int) -> None:
        super().__init__()
        self.config, self.width = config, width
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(config.model)

    def layer_list(self) -> list[TransformerLayer]:
        """The Transformer layers, typed; a recurrent core has none."""
        return []

    def initial_state(self, batch: int, time: int = 0) -> MemoryState:
        """An empty memory for `batch` rows, on the weights' device; `time` is the first step's absolute time."""
        weight = self.norm.weight
        return MemoryState.empty(
            len(self.layers), batch, self.width, device=weight.device, dtype=weight.dtype, time=time
        )

    def open(self, state: MemoryState, num_steps: int) -> CoreCache:
        """A cache to act with for `num_steps` steps from a memory state."""
        raise NotImplementedError

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
        for layer, memory in zip(self.layers, state.layers, strict=True):
            hidden, stored, trace = layer(hidden, memory, window)
            layer_inputs.append(stored)
            if trace is not None:
                traces.append(trace)
        return CoreOutput(self.norm(hidden), tuple(layer_inputs), tuple(traces))

    @torch.no_grad()
    def carry(
        self, state: MemoryState, layer_inputs: tuple[Tensor, ...], window: Window, *, delete: bool = True
    ) -> MemoryState:
        """The memory after a window: old slots and the window's own, detached, the dead ones deleted.

        Args:
            state: memory from before the window.
            layer_inputs: per layer (batch, query, width).
            window: the window.
            delete: False keeps every slot, which changes no output (tested) of a kind that only deletes; True judges by
                the current weights.
        """
        next_time = window.time[:, -1] + 1
        episode_start = torch.where(window.is_ended[:, -1], next_time, window.episode_start[:, -1])
        memories = []
        for layer, memory, stored in zip(self.layers, state.layers, layer_inputs, strict=True):
            assert isinstance(layer, CoreLayer), "a core is made of core layers"
            slots = memory.followed_by(LayerMemory(stored, window.time))
            memories.append(layer.carried(slots, state.next_time, next_time, episode_start) if delete else slots)
        return MemoryState(tuple(memories), next_time, episode_start)

    def auxiliary_loss(self, traces: tuple[LayerTrace, ...], window: Window) -> Tensor:
        """The cost of the window's memories at alpha = 1: sum over layers, mean over rows; a scalar, 0 if free."""
        total = torch.zeros((), device=window.time.device)
        for layer, trace in zip(self.layer_list(), traces, strict=True):
            cost = layer.memory.auxiliary_loss(trace.slot_time, trace.described, window)
            if cost is not None:
                total = total + cost.mean()
        return total

    def memory_sizes(self, traces: tuple[LayerTrace, ...], window: Window) -> Tensor:
        """How many memories a window's queries saw on average in each layer, (batch, layers); see `memory_size`."""
        sizes = [
            memory_size(layer.memory, trace.slot_time, trace.described, window)
            for layer, trace in zip(self.layer_list(), traces, strict=True)
        ]
        return torch.stack(sizes, dim=1)

    def spans(self, layer_inputs: tuple[Tensor, ...]) -> list[Tensor] | None:
        """The spans that the memory kind gives to steps, or None if it has none.

        Args:
            layer_inputs: per layer (batch, time, width).

        Returns:
            Per layer (batch, time), in steps.
        """
        spans = [
            layer.memory.spans(layer.attention_norm(hidden))
            for layer, hidden in zip(self.layer_list(), layer_inputs, strict=False)
        ]
        return [span for span in spans if span is not None] or None

    def with_memory_dropout(self, window: Window, generator: torch.Generator) -> Window:
        """A window whose queries see no further back than l steps, l ~ U(0, L), where the configuration asks for it.

        For training on a batch: in evaluation mode, and without `memory_dropout`, the window comes back as it is and
        nothing is drawn. The randomness is the caller's and not the module's or PyTorch's global one, because who
        trains also saves the generator, and so a resumed run draws the same l.

        Args:
            window: the batch's.
            generator: on the CPU.

        Source: the paper, section 4.2, "Regularization". The auxiliary loss stays that of the memories, hidden or not.
        """
        if not (self.config.memory_dropout and self.training):
            return window
        return replace(window, reach=float(torch.rand((), generator=generator)) * self.config.max_span)
