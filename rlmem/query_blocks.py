"""A window's queries in blocks, each with the slots alone that it may see.

Of all pairs of a query and a slot nearly half are later slots, and where memories are short most others are dead. A
block leaves out the slots that come after it and the first ones, up to one that some query of some row sees; what is
before the block's own steps is memory to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from rlmem.memories import Memory
from rlmem.positions import RelativePositions
from rlmem.window import Window

_QUERIES_AT_ONCE = {"cpu": 50}  # fewer leave more out, but a block costs its operations; elsewhere one block is faster


@dataclass(frozen=True)
class QueryBlock:
    """Some queries of a window that follow each other.

    Args:
        queries: which ones, with start and stop.
        slots: which of memory + query they may see, with start and stop; their own are the last.
        columns: (batch, slots before its own) int64 from `RelativePositions.columns`, as seen from its first query.
        make_log_mask: gives what they see of these slots, (batch, 1 or heads, queries, slots).
    """

    queries: slice
    slots: slice
    columns: Tensor
    make_log_mask: Callable[[], Tensor]


def query_blocks(
    kind: Memory, positions: RelativePositions, slot_time: Tensor, described: Tensor | None, window: Window
) -> list[QueryBlock]:
    """A window's queries in blocks, from the first to the last.

    Args:
        kind: of memory.
        positions: of the layer.
        slot_time: (batch, memory + query) int64, when the slots were made; the last are the window's own steps.
        described: (batch, memory + query) from the kind's `describe`.
        window: the queries.
    """
    num_queries, num_slots = window.num_queries, slot_time.shape[1]
    at_once = _QUERIES_AT_ONCE.get(slot_time.device.type, num_queries)
    num_blocks = max(1, num_queries // at_once)
    bounds = [num_queries * number // num_blocks for number in range(num_blocks + 1)]
    num_memories = num_slots - num_queries
    seen_until = None if num_blocks == 1 else _seen_until(kind, slot_time, described)

    def block(start: int, stop: int) -> QueryBlock:
        own = num_memories + start
        first = 0 if seen_until is None else _first_seen(seen_until[:, :own], slot_time[:, :own], window, start)
        queries, slots = slice(start, stop), slice(first, num_memories + stop)
        columns = positions.columns(window.time[:, start : start + 1] - slot_time[:, first:own])
        columns.clamp_(max=positions.reach + stop - start - 1)  # of a slot that is made of steps behind the block

        def log_mask() -> Tensor:
            age = window.age_of(slot_time[:, slots], positions.embedding.dtype, queries)
            return kind.log_mask(age, None if described is None else described[:, slots])

        return QueryBlock(queries, slots, columns, log_mask)

    return [block(start, stop) for start, stop in pairwise(bounds)]


@torch.no_grad()
def _seen_until(kind: Memory, slot_time: Tensor, described: Tensor | None) -> Tensor:
    """The last time at which a query may see each slot, (batch, slots)."""
    return slot_time + torch.as_tensor(kind.seen_ages(described)[1]).clamp(max=2**40).long()


def _first_seen(seen_until: Tensor, slot_time: Tensor, window: Window, start: int) -> int:
    """The first of some slots, all (batch, slots), that a query from `start` on sees in some row."""
    is_seen = (seen_until >= window.time[:, start, None]) & (slot_time >= window.episode_start[:, start, None])
    seen = is_seen.any(0).nonzero()
    return int(seen[0]) if len(seen) else slot_time.shape[1]


class _Overlapping(torch.autograd.Function):
    """Views of slots; by hand so that their gradients are added up where they lie, not each in a tensor of its own."""

    @staticmethod
    def forward(ctx: Any, slots: Tensor, *parts: slice) -> tuple[Tensor, ...]:
        """See `overlapping`."""
        ctx.parts, ctx.shape = parts, slots.shape
        return tuple(slots[:, part] for part in parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Each slot's gradient is the sum over the parts that have it."""
        total = grads[0].new_zeros(ctx.shape)
        for part, grad in zip(ctx.parts, grads, strict=True):
            total[:, part] += grad
        return total, *(None for _ in ctx.parts)


def overlapping(slots: Tensor, parts: Sequence[slice]) -> tuple[Tensor, ...]:
    """Parts of (batch, slots, ...) along its slots, which may overlap."""
    if len(parts) == 1:
        return (slots[:, parts[0]],)
    views: tuple[Tensor, ...] = _Overlapping.apply(slots, *parts)  # type: ignore[no-untyped-call]
    return views
