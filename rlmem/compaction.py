"""Deleting slots, row by row, without a loop over rows."""

from __future__ import annotations

from torch import Tensor

from rlmem.memory_state import EMPTY_TIME, LayerMemory


def compact(memory: LayerMemory, is_kept: Tensor) -> LayerMemory:
    """Keep some slots of each row, in the order of their times, and pad the rows to the fullest one.

    Rows do not influence each other: a row keeps exactly its own slots, whatever the others keep.

    Args:
        memory: the slots, (batch, memory).
        is_kept: (batch, memory) bool, True where the slot stays.

    Returns:
        A memory as wide as the row that keeps most; the kept slots stand last, empty ones before them.
    """
    count = is_kept.sum(1)
    width = int(count.max()) if is_kept.numel() else 0
    time, order = memory.time.masked_fill(~is_kept, EMPTY_TIME).sort(dim=1, stable=True)
    order = order[:, order.shape[1] - width :]  # (batch, width): the kept slots stand last
    hidden = memory.hidden.gather(1, order[:, :, None].expand(-1, -1, memory.hidden.shape[2]))
    steps = None if memory.steps is None else memory.steps.gather(1, order)
    return LayerMemory(hidden, time[:, time.shape[1] - width :], steps)
