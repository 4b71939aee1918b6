"""What a policy carries from one window to the next: per layer, the stored hidden states and when they were made.

Symbols: `hidden` is the state that enters the layer, before its norm (the paper's h_i); `time` is i. A slot's time is
absolute, counted in steps of its row since the row began, and never reset: at 4e8 steps it is still an exact int64.
A recurrent layer keeps one slot, its state after the last step.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

EMPTY_TIME = -1  # earlier than every episode's start, so that no query sees an empty slot


@dataclass(frozen=True)
class LayerMemory:
    """The slots of one layer; rows are padded to the fullest row with empty slots.

    Args:
        hidden: (batch, memory, model), the detached hidden states; an empty slot may hold anything finite. A recurrent
            layer's state may be wider than the model.
        time: (batch, memory) int64, the step that made each slot, ascending; `EMPTY_TIME` if empty: empty slots stand
            first.
        steps: (batch, memory) int64, how many steps each slot stands for, the last of them being `time`; None: one.
    """

    hidden: Tensor
    time: Tensor
    steps: Tensor | None = None

    @property
    def is_empty(self) -> Tensor:
        """(batch, memory) bool, True where the slot holds nothing."""
        return self.time == EMPTY_TIME

    def rows(self, index: Tensor) -> LayerMemory:
        """The slots of some rows, as wide as the fullest of them needs; index: (rows,) int64."""
        time = self.time[index]
        used = (time != EMPTY_TIME).any(0).nonzero()  # live slots stand last
        first = int(used[0]) if len(used) else time.shape[1]
        steps = None if self.steps is None else self.steps[index, first:]
        return LayerMemory(self.hidden[index, first:], time[:, first:], steps)

    def followed_by(self, other: LayerMemory) -> LayerMemory:
        """These slots, then another memory's, (batch, memory + other's memory)."""
        steps = None
        if self.steps is not None or other.steps is not None:
            steps = torch.cat([_ones_if_none(self), _ones_if_none(other)], dim=1)
        hidden, time = torch.cat([self.hidden, other.hidden], dim=1), torch.cat([self.time, other.time], dim=1)
        return LayerMemory(hidden, time, steps)


def _ones_if_none(memory: LayerMemory) -> Tensor:
    return torch.ones_like(memory.time) if memory.steps is None else memory.steps


@dataclass(frozen=True)
class MemoryState:
    """Everything that a core model remembers between two windows.

    Args:
        layers: one `LayerMemory` a layer; their numbers of slots may differ.
        next_time: (batch,) int64, the absolute time of the row's next step.
        episode_start: (batch,) int64, the time at which the row's running episode began.
    """

    layers: tuple[LayerMemory, ...]
    next_time: Tensor
    episode_start: Tensor

    @classmethod
    def empty(
        cls,
        num_layers: int,
        batch: int,
        model: int,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        time: int = 0,
    ) -> MemoryState:
        """The state before a row's first step.

        Args:
            num_layers: layers of the core.
            batch: rows.
            model: width of what a slot stores.
            device, dtype: of the hidden states.
            time: absolute time of the first step.
        """
        start = torch.full((batch,), time, dtype=torch.int64, device=device)
        layer = LayerMemory(
            torch.zeros(batch, 0, model, device=device, dtype=dtype),
            torch.zeros(batch, 0, dtype=torch.int64, device=device),
        )
        return cls((layer,) * num_layers, start, start.clone())

    @property
    def batch(self) -> int:
        """Number of rows."""
        return self.next_time.shape[0]

    def rows(self, index: Tensor) -> MemoryState:
        """The state of some rows, for instance of a minibatch; index: (rows,) int64."""
        return MemoryState(
            tuple(layer.rows(index) for layer in self.layers), self.next_time[index], self.episode_start[index]
        )

    def tensors(self) -> dict[str, Tensor]:
        """The state as named tensors, to be saved; `from_tensors` is the inverse."""
        named = {"next_time": self.next_time, "episode_start": self.episode_start}
        for number, layer in enumerate(self.layers):
            named[f"layers.{number}.hidden"] = layer.hidden
            named[f"layers.{number}.time"] = layer.time
            if layer.steps is not None:
                named[f"layers.{number}.steps"] = layer.steps
        return named

    @classmethod
    def from_tensors(cls, named: dict[str, Tensor]) -> MemoryState:
        """The state that `tensors` named."""
        num_layers = sum(name.endswith(".hidden") for name in named)
        layers = tuple(
            LayerMemory(
                named[f"layers.{number}.hidden"], named[f"layers.{number}.time"], named.get(f"layers.{number}.steps")
            )
            for number in range(num_layers)
        )
        return cls(layers, named["next_time"], named["episode_start"])
