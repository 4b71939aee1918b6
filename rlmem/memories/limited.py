"""A memory of any kind, cut off at an age: what the agent would do if it could remember no longer than that."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rlmem.memories.base import AgeRange, Memory
from rlmem.memory_state import LayerMemory
from rlmem.window import Window


class LimitedMemory(Memory):
    """Another memory, in which no query sees a slot more than `limit` steps old.

    Args:
        memory: of a layer.
        limit: >= 0, in steps; a pooled slot is as old as the last step that it stands for.
    """

    def __init__(self, memory: Memory, limit: int) -> None:
        super().__init__()
        self.memory, self.limit = memory, limit

    def describe(self, normed: Tensor, phase: Tensor, steps: Tensor | None) -> Tensor | None:
        """As the memory inside; shapes as `Memory.describe`."""
        return self.memory.describe(normed, phase, steps)

    def describer(self) -> Callable[[Tensor, Tensor], Tensor | None]:
        """As the memory inside; see `Memory.describer`."""
        return self.memory.describer()

    def spans(self, normed: Tensor) -> Tensor | None:
        """As the memory inside, not cut off; shapes as `Memory.spans`."""
        return self.memory.spans(normed)

    def log_mask(self, age: Tensor, described: Tensor | None) -> Tensor:
        """As the memory inside, -inf beyond the limit; shapes as `Memory.log_mask`."""
        return self.memory.log_mask(age, described).masked_fill((age > self.limit)[:, None], -torch.inf)

    def is_kept(self, age: Tensor, described: Tensor | None) -> Tensor:
        """As the memory inside, and at most the limit old; shapes as `Memory.is_kept`."""
        return self.memory.is_kept(age, described) & (age <= self.limit)

    def seen_ages(self, described: Tensor | None) -> AgeRange:
        """As the memory inside, and at most the limit; see `Memory.seen_ages`."""
        return _cut_off(self.memory.seen_ages(described), self.limit)

    def whole_ages(self, described: Tensor | None) -> AgeRange:
        """As the memory inside, and at most the limit; see `Memory.whole_ages`."""
        return _cut_off(self.memory.whole_ages(described), self.limit)

    def pool(self, slots: LayerMemory, phase: Tensor, since: Tensor, until: Tensor) -> LayerMemory | None:
        """As the memory inside; shapes as `Memory.pool`."""
        return self.memory.pool(slots, phase, since, until)

    def auxiliary_loss(self, slot_time: Tensor, described: Tensor | None, window: Window) -> Tensor | None:
        """As the memory inside; shapes as `Memory.auxiliary_loss`."""
        return self.memory.auxiliary_loss(slot_time, described, window)


def _cut_off(ages: AgeRange, limit: int) -> AgeRange:
    return ages[0], torch.as_tensor(ages[1]).clamp(max=limit)
