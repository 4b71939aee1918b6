"""Recurrent cores, LSTM and GRU: the baselines whose whole memory is one state vector a layer.

state  (batch, width)  what a layer carries from step to step: LSTM [h, c], GRU h; zero before an episode's first step

A layer stores the state that it was in after each step. Its `LayerMemory` keeps the newest, one slot a row, so that
states are saved, taken row by row and cut at episodes as every memory is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rlmem.compaction import compact
from rlmem.core import Core, CoreLayer
from rlmem.errors import check
from rlmem.memory_state import LayerMemory, MemoryState
from rlmem.model_config import ModelConfig
from rlmem.window import Window

_VECTORS = {"lstm": 2, "gru": 1}  # of the model's width that a state is made of; the first is the output


class RecurrentLayer(CoreLayer):
    """One layer of an LSTM or a GRU, as `torch.nn.LSTM` and `torch.nn.GRU` stack them.

    Args:
        config: the kind and the width; a state's vectors are as wide as the input.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        cell = nn.LSTMCell if config.memory == "lstm" else nn.GRUCell
        self.cell = cell(config.model, config.model)
        self.model, self.width = config.model, _VECTORS[config.memory] * config.model

    def initial(self, memory: LayerMemory, episode_start: Tensor) -> Tensor:
        """The state (batch, width) after what a memory holds; zero where none is of the running episode.

        Args:
            memory: the layer's.
            episode_start: (batch,) int64, when the running episode began.
        """
        if memory.time.shape[1] == 0:
            return memory.hidden.new_zeros(len(episode_start), self.width)
        return memory.hidden[:, -1].masked_fill((memory.time[:, -1] < episode_start)[:, None], 0)

    def step(self, hidden: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Output (batch, model) and state (batch, width) after one step; hidden: (batch, model)."""
        if isinstance(self.cell, nn.GRUCell):
            output = self.cell(hidden, state)
            return output, output
        output, inner = self.cell(hidden, (state[:, : self.model], state[:, self.model :]))
        return output, torch.cat([output, inner], dim=1)

    def forward(self, hidden: Tensor, memory: LayerMemory, window: Window) -> tuple[Tensor, Tensor, None]:
        """One layer over a window, step by step: gradients end at its start and at every episode's."""
        begins = (window.time == window.episode_start)[:, :, None]
        state = self.initial(memory, window.episode_start[:, 0])
        outputs, states = [], []
        for time, is_first in enumerate(begins.unbind(1)):
            output, state = self.step(hidden[:, time], state.masked_fill(is_first, 0))
            outputs.append(output)
            states.append(state)
        return torch.stack(outputs, dim=1), torch.stack(states, dim=1), None

    def carried(self, slots: LayerMemory, since: Tensor, next_time: Tensor, episode_start: Tensor) -> LayerMemory:
        """The newest state, if it is of the running episode; see `CoreLayer.carried`."""
        is_newest = slots.time == next_time[:, None] - 1
        return compact(slots, is_newest & (slots.time >= episode_start[:, None]))


class RecurrentCore(Core):
    """A stack of recurrent layers, then the norm that every core ends with.

    Args:
        config: the kind, `num_layers` and the width `model`; its other sizes are the Transformer's alone.
    """

    def __init__(self, config: ModelConfig) -> None:
        width = _VECTORS[config.memory] * config.model
        super().__init__(config, (RecurrentLayer(config) for _ in range(config.num_layers)), width)

    def recurrent_layers(self) -> list[RecurrentLayer]:
        """The layers, typed."""
        return [layer for layer in self.layers if isinstance(layer, RecurrentLayer)]

    def open(self, state: MemoryState, num_steps: int) -> RecurrentCache:
        """A cache to act with for `num_steps` steps from a memory state."""
        return RecurrentCache(self, state, num_steps)


class RecurrentCache:
    """Acting with fixed weights, in the manner of `rlmem.acting.ActingCache`.

    Args:
        core: the core model.
        state: memory from before the window; not changed.
        num_steps: how many steps will be taken at most.
    """

    @torch.no_grad()
    def __init__(self, core: RecurrentCore, state: MemoryState, num_steps: int) -> None:
        check(num_steps >= 1, f"an acting cache for {num_steps} steps was asked for, but it needs room for at least 1")
        self._core, self.num_steps = core, num_steps
        pairs = zip(core.recurrent_layers(), state.layers, strict=True)
        self._states = [layer.initial(memory, state.episode_start) for layer, memory in pairs]
        self._has_state = (state.layers[0].time >= state.episode_start[:, None]).any(1)  # (batch,)
        self._taken: list[list[Tensor]] = []

    @torch.no_grad()
    def step(self, inputs: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor]:
        """Take a step and store it.

        Args:
            inputs: (batch, model), the embedded observation.
            is_first: (batch,) bool, True where the step begins a new episode.

        Returns:
            hidden (batch, model), the core's normed output; memory_size (batch, layers) int64, 1 where the step had a
            state to go on from, 0 in an episode's first.
        """
        taken = len(self._taken)
        check(taken < self.num_steps, f"the cache has room for {self.num_steps} steps, all are taken")
        self._states = [state.masked_fill(is_first[:, None], 0) for state in self._states]
        hidden, self._states = self._run(inputs)
        self._taken.append(self._states)
        sizes = (self._has_state & ~is_first).long()
        self._has_state = torch.ones_like(is_first)
        return hidden, sizes[:, None].expand(-1, len(self._states))

    @torch.no_grad()
    def peek(self, inputs: Tensor) -> Tensor:
        """What the next step would give in the running episode, without storing it: (batch, model)."""
        return self._run(inputs)[0]

    def _run(self, hidden: Tensor) -> tuple[Tensor, list[Tensor]]:
        states = []
        for layer, state in zip(self._core.recurrent_layers(), self._states, strict=True):
            hidden, after = layer.step(hidden, state)
            states.append(after)
        return self._core.norm(hidden), states

    def layer_inputs(self) -> tuple[Tensor, ...]:
        """Per layer (batch, steps taken, width), the states after each step, for `Core.carry`."""
        return tuple(torch.stack(states, dim=1) for states in zip(*self._taken, strict=True))
