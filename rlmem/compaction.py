"""Deleting slots, row by row, without a loop over rows."""

from __future__ import annotations

import torch
from torch import Tensor

from rlmem.memory_state import EMPTY_TIME, LayerMemory


def compact(memory: LayerMemory, is_kept: Tensor) -> LayerMemory:
    """Keep some slots of each row, in their order, and pad the rows to the fullest one.

    Rows do not influence each other: a row keeps exactly its own slots, whatever the others keep.

    Args:
        memory: the slots, (batch, memory).
        is_kept: (batch, memory) bool, True where the slot stays.

    Returns:
        A memory as wide as the row that keeps most; the kept slots stand last, empty ones before them.
    """
    count = is_kept.sum(1)
    width = int(count.max()) if is_kept.numel() else 0
    order = torch.argsort(is_kept.to(torch.uint8), dim=1, stable=True)
    order = order[:, order.shape[1] - width :]  # (batch, width): the kept slots stand last
    is_live = is_kept.gather(1, order)
    time = memory.time.gather(1, order).masked_fill(~is_live, EMPTY_TIME)
    hidden = memory.hidden.gather(1, order[:, :, None].expand(-1, -1, memory.hidden.shape[2]))
    return LayerMemory(hidden, time)
