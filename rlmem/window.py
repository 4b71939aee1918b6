"""The steps that one forward pass covers, and the episodes they belong to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rlmem.memory_state import MemoryState


@dataclass(frozen=True)
class Window:
    """When each query of a window happens and where its episode begins and ends. All tensors are (batch, query).

    Args:
        time: int64, absolute time t of the query.
        episode_start: int64, the time at which the query's episode began; the query sees memory i only if
            episode_start <= i <= t.
        last_query: int64, index in the window of the last query of the same episode.
        is_ended: bool, True where the query's episode ends inside the window.
        reach: how many steps back any query sees, at most; None: no limit. See `Core.with_memory_dropout`.
    """

    time: Tensor
    episode_start: Tensor
    last_query: Tensor
    is_ended: Tensor
    reach: float | None = None

    @classmethod
    def following(cls, state: MemoryState, is_first: Tensor, is_last: Tensor | None = None) -> Window:
        """The window that follows a memory state.

        Args:
            state: the memory before the window.
            is_first: (batch, query) bool, True where a step begins a new episode.
            is_last: (batch, query) bool, True where a step is its episode's last (terminated or truncated). None:
                an episode ends where the next step is a first one, and nothing is known of the window's last step.
        """
        query = is_first.shape[1]
        offset = torch.arange(query, device=is_first.device)
        time = state.next_time[:, None] + offset  # (batch, query)
        started = torch.where(is_first, time, state.episode_start[:, None])
        if is_last is None:
            is_last = torch.zeros_like(is_first)
            is_last[:, :-1] = is_first[:, 1:]
        end = torch.where(is_last, offset, query)
        end = end.flip(1).cummin(1).values.flip(1)  # index of the first end at or after the query; `query` if none
        return cls(time, started.cummax(1).values, end.clamp(max=query - 1), end < query)

    @property
    def num_queries(self) -> int:
        """T, the window's length in steps."""
        return self.time.shape[1]

    def rows(self, index: Tensor) -> Window:
        """The window of some rows; index: (rows,) int64."""
        return replace(
            self,
            time=self.time[index],
            episode_start=self.episode_start[index],
            last_query=self.last_query[index],
            is_ended=self.is_ended[index],
        )

    def start_of(self, num_memories: int) -> Tensor:
        """When each slot's episode began, for slots from before the window and then its own steps.

        Args:
            num_memories: slots from before the window; those of an episode that was over by then get a later time.

        Returns:
            (batch, memory + query) int64.
        """
        return torch.cat([self.episode_start[:, :1].expand(-1, num_memories), self.episode_start], dim=1)

    def age_of(self, slot_time: Tensor, dtype: torch.dtype, queries: slice = slice(None)) -> Tensor:
        """How old each slot is at each query.

        Times are subtracted as integers; only differences become floats, exact below 2^24 steps.

        Args:
            slot_time: (batch, memory) int64.
            dtype: float32 or float64.
            queries: of the window.

        Returns:
            (batch, query, memory), t - i in steps; infinity where the query must not see the slot: another
            episode's, a later one's, one beyond the window's reach, or an empty slot.
        """
        first = self.time[:, :1]
        slot = (slot_time - first).to(dtype)[:, None, :]
        time = (self.time[:, queries] - first).to(dtype)[:, :, None]
        start = (self.episode_start[:, queries] - first).to(dtype)[:, :, None]
        is_hidden = (slot < start).logical_or_(slot > time)
        age = (time - slot).masked_fill_(is_hidden, torch.inf)
        return age if self.reach is None else age.masked_fill_(age > self.reach, torch.inf)
