"""What acting begins with: the slots of a memory state, and those that come to be of them while it lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from rlmem.memory_state import EMPTY_TIME, LayerMemory, MemoryState

if TYPE_CHECKING:
    from rlmem.core import Core


@torch.no_grad()
def memories_for(core: Core, state: MemoryState, num_steps: int) -> tuple[list[LayerMemory], bool]:
    """Per layer the slots of a memory state, and those that its kind makes of them in so many steps and one more.

    Args:
        core: a Transformer.
        state: memory from before the steps.
        num_steps: how many will be taken.

    Returns:
        The slots, (batch, memory) of the same number in all layers, and whether any were made.
    """
    memories, has_pooled = [], False
    for layer, memory in zip(core.layer_list(), state.layers, strict=True):
        phase = memory.time - state.episode_start[:, None]
        pooled = layer.memory.pool(memory, phase, state.next_time, state.next_time + num_steps)
        memories.append(memory if pooled is None else memory.followed_by(pooled))
        has_pooled |= pooled is not None
    most = max(memory.time.shape[1] for memory in memories)
    return [widened(memory, most) for memory in memories], has_pooled


def widened(memory: LayerMemory, num_slots: int) -> LayerMemory:
    """A memory with empty slots in front, (batch, num_slots)."""
    missing = num_slots - memory.time.shape[1]
    hidden = torch.nn.functional.pad(memory.hidden, (0, 0, missing, 0))
    time = torch.nn.functional.pad(memory.time, (missing, 0), value=EMPTY_TIME)
    steps = None if memory.steps is None else torch.nn.functional.pad(memory.steps, (missing, 0), value=1)
    return LayerMemory(hidden, time, steps)
