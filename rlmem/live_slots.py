"""Span first, project later: which stored slots a window's queries can see, before any of them is projected.

Rows are put into groups of similar length, and within a row slots are ordered by what has to be computed of them:

    unused       no query of the window sees them: dead, of another episode, or only there because a longer row has more
    unreached    alive, but hidden from every query by the window's `reach`: they still cost what memories cost
    whole        every query sees them fully, too far back for a position: they need no mask and no bias
    fading       some query does not see them fully, too far back for a position
    near         within reach of the relative positions

so that a group's slots are a few stretches side by side, each row's own right-aligned in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rlmem.memories import Memory
from rlmem.memory_state import EMPTY_TIME, LayerMemory
from rlmem.window import Window

_UNUSED, _UNREACHED, _WHOLE, _FADING, _NEAR = range(5)
_SLOTS_AT_ONCE = 2**14  # of which the spans are computed without keeping anything
_SHORTEST = 0.75  # a row with less than this share of the longest row's slots begins a new group


@dataclass(frozen=True)
class RowGroup:
    """Rows with about equally many slots to be seen, and those slots.

    Args:
        rows: (rows,) int64, which rows of the batch; None: all, as they are.
        order: (rows, slots) int64, which slots, in the order that the module describes.
        is_used: (rows, slots) bool, False where a shorter row has nothing.
        is_reached: (rows, slots) bool, False also where the window's reach hides the slot.
        num_seen: width of the stretch of slots that are to be projected, the last ones.
        num_common: of those, how many of the last ones every row has: left of them some row hides some slot.
        num_masked: width of the part of it that is fading or near.
        num_near: width of the part of it that is near.
    """

    rows: Tensor | None
    order: Tensor
    is_used: Tensor
    is_reached: Tensor
    num_seen: int
    num_common: int
    num_masked: int
    num_near: int

    def window(self, window: Window) -> Window:
        """The window of these rows."""
        return window if self.rows is None else window.rows(self.rows)

    def own(self, hidden: Tensor) -> Tensor:
        """The window's steps of these rows, (rows, query, model)."""
        return hidden if self.rows is None else hidden.index_select(0, self.rows)

    def slots(self, memory: LayerMemory) -> LayerMemory:
        """The slots of these rows in their order; unused ones are empty."""
        batch, num_slots, model = memory.hidden.shape
        row = torch.arange(batch, device=self.order.device) if self.rows is None else self.rows
        index = row[:, None] * num_slots + self.order
        flat = index.flatten()
        hidden = memory.hidden.reshape(-1, model).index_select(0, flat).view(*index.shape, model)
        time = memory.time.flatten()[index].masked_fill(~self.is_used, EMPTY_TIME)
        return LayerMemory(hidden, time, None if memory.steps is None else memory.steps.flatten()[index])


@torch.no_grad()
def group_rows(
    kind: Memory, norm: nn.Module, slots: LayerMemory, window: Window, position_reach: int, rows_at_once: int
) -> list[RowGroup]:
    """The rows of a batch in groups, with the slots that they need.

    Args:
        kind: the layer's memory.
        norm: what comes before spans, keys and values.
        slots: (batch, memory), from before the window, pooled ones included.
        window: the queries.
        position_reach: how many steps back relative positions reach.
        rows_at_once: rows in a group, at most.
    """
    need = _needs(kind, norm, slots, window, position_reach)
    counts = torch.stack([(need >= least).sum(1) for least in range(_UNREACHED, _NEAR + 1)], 1).tolist()  # per row
    order = need.sort(dim=1, stable=True).indices
    groups = []
    for group in _similar_rows([seen[1] for seen in counts], window.num_queries, rows_at_once):
        num_used, num_seen, num_masked, num_near = (max(counts[row][at] for row in group) for at in range(4))
        is_all = len(group) == len(counts)
        rows = None if is_all else torch.tensor(group, device=order.device)
        kept = (order if rows is None else order[rows])[:, order.shape[1] - num_used :]
        kept_need = (need if rows is None else need[rows]).gather(1, kept)
        is_used, is_reached = kept_need > _UNUSED, kept_need > _UNREACHED
        num_common = min(counts[row][1] for row in group)
        groups.append(RowGroup(rows, kept, is_used, is_reached, num_seen, num_common, num_masked, num_near))
    return groups


def _needs(kind: Memory, norm: nn.Module, slots: LayerMemory, window: Window, position_reach: int) -> Tensor:
    """(batch, memory) int8, what has to be computed of each slot."""
    time, start = slots.time, window.episode_start[:, :1]
    described = _described(kind, norm, slots, time - start)
    age = (window.time[:, :1] - time).to(slots.hidden.dtype)  # at the first query, where a slot is youngest
    oldest = age + (window.num_queries - 1)
    is_alive = kind.is_kept(age, described) & (time >= start)
    whole_from, whole_to = kind.whole_ages(described)
    is_whole = (age >= whole_from) & (oldest <= whole_to) & (time >= window.episode_start[:, -1:])
    need = torch.full_like(time, _FADING, dtype=torch.int8).masked_fill_(is_whole, _WHOLE)
    if window.reach is not None:
        need.masked_fill_(oldest > window.reach, _FADING)
    need.masked_fill_(age < position_reach, _NEAR)
    if window.reach is not None:
        need.masked_fill_(age > window.reach, _UNREACHED)
    return need.masked_fill_(~is_alive, _UNUSED)


def _described(kind: Memory, norm: nn.Module, slots: LayerMemory, phase: Tensor) -> Tensor | None:
    """What the kind says of every slot, without keeping norms."""
    batch, num_slots = slots.time.shape
    rows_at_once = max(1, _SLOTS_AT_ONCE // max(1, num_slots))
    parts = []
    for start in range(0, batch, rows_at_once):
        rows = slice(start, start + rows_at_once)
        steps = None if slots.steps is None else slots.steps[rows]
        described = kind.describe(norm(slots.hidden[rows]), phase[rows], steps)
        if described is None:
            return None
        parts.append(described)
    return torch.cat(parts)


def _similar_rows(widths: list[int], num_queries: int, at_most: int) -> list[list[int]]:
    """Row numbers in groups, so that no row computes much for the sake of a longer one.

    Args:
        widths: slots of each row.
        num_queries: every row has these besides.
        at_most: rows in a group.
    """
    if len(widths) <= at_most and min(widths) + num_queries >= _SHORTEST * (max(widths) + num_queries):
        return [list(range(len(widths)))]
    longest_first = sorted(range(len(widths)), key=lambda row: -widths[row])
    groups = [longest_first[:1]]
    for row in longest_first[1:]:
        longest = widths[groups[-1][0]] + num_queries
        if len(groups[-1]) == at_most or widths[row] + num_queries < _SHORTEST * longest:
            groups.append([])
        groups[-1].append(row)
    return groups
