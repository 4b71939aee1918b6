"""How many memories queries see, counted without a tensor of queries by memories."""

from __future__ import annotations

import torch
from torch import Tensor

from rlmem.memories import Memory
from rlmem.window import Window


@torch.no_grad()
def memory_size(kind: Memory, slot_time: Tensor, described: Tensor | None, window: Window) -> Tensor:
    """The paper's |C_t| of one layer, averaged over a window's queries.

    The queries that see a slot are those whose distance from it lies between two ages, and whose episode is the slot's:
    so many consecutive ones, which the ends alone tell.

    Args:
        kind: the layer's memory.
        slot_time: (batch, memory + query) int64, as in a `LayerTrace`; the last are the window's own steps.
        described: (batch, memory + query) from the kind's `describe`, or None.
        window: the queries.

    Returns:
        (batch,) float32, the mean number of memories with m > 0 in any head, each query's own step left out.
    """
    youngest, oldest = kind.seen_ages(described)
    index = (slot_time - window.time[:, :1]).clamp(min=0)  # of the first query that may see the slot
    first_age = window.time.gather(1, index) - slot_time
    last_age = window.time.gather(1, window.last_query.gather(1, index)) - slot_time
    if window.reach is not None:
        last_age = last_age.clamp(max=int(window.reach))
    is_of_episode = slot_time >= window.episode_start.gather(1, index)
    low, high = torch.as_tensor(youngest).maximum(first_age), torch.as_tensor(oldest).minimum(last_age)
    count = (high - low + 1).clamp(min=0) * is_of_episode
    return (count.sum(1) / window.num_queries - 1).float()
