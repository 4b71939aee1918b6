"""A layer's reading of a long memory: only slots that some query sees are projected, and no weights are kept.

It equals the plain reading of `rlmem.attention` in outputs and gradients (tested), at a cost that grows with the live
memories: see `rlmem.live_slots` for which those are and `rlmem.chunked_attention` for how they are gone through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rlmem.attention import Attention
from rlmem.chunked_attention import Chunk
from rlmem.core import LayerTrace
from rlmem.live_slots import RowGroup, group_rows
from rlmem.memories import Memory
from rlmem.memory_state import EMPTY_TIME, LayerMemory
from rlmem.window import Window

_WEIGHTS_AT_ONCE = {"cpu": 2**20}  # of a chunk: on a CPU they should stay in its cache
_WEIGHTS_AT_ONCE_ELSEWHERE = 2**26


@dataclass(frozen=True)
class LongMemoryReader:
    """Reads for one layer, whose parts it borrows.

    Args:
        attention: projections, positions and dropout.
        norm: what comes before spans, keys and values.
        kind: the memory.
    """

    attention: Attention
    norm: nn.Module
    kind: Memory

    def read(self, hidden: Tensor, memory: LayerMemory, window: Window) -> tuple[Tensor, LayerTrace]:
        """What a window's queries read.

        Args:
            hidden: (batch, query, model), the window's own steps.
            memory: (batch, memory), slots from before the window, pooled ones included.
            window: the queries.

        Returns:
            (batch, query, model), to be added to the residual stream; and the trace, whose slots are those alone that
            were alive at the first query, in another order, then the window's own.
        """
        reach, query = self.attention.positions.reach, window.num_queries
        weights_of_a_row = self.attention.heads * query * (query + min(reach, memory.time.shape[1]))
        rows_at_once = max(1, 4 * _weights_at_once(hidden) // weights_of_a_row)
        groups = group_rows(self.kind, self.norm, memory, window, reach, rows_at_once)
        done = [self._read_group(group, hidden, memory, window) for group in groups]
        described = [each for _, _, each in done if each is not None]
        slot_time = _together([each for _, each, _ in done], groups, EMPTY_TIME)
        trace = self._trace(slot_time, _together(described, groups) if described else None, window, hidden.dtype)
        return _together([each for each, _, _ in done], groups), trace

    def _read_group(
        self, group: RowGroup, hidden: Tensor, memory: LayerMemory, window: Window
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """What a group reads (rows, query, model), and its slots' times and descriptions (rows, memory + query)."""
        hidden, memory, window = group.own(hidden), group.slots(memory), group.window(window)
        num_stored = memory.time.shape[1]
        slots = memory.followed_by(LayerMemory(hidden, window.time))
        normed = self.norm(slots.hidden)
        described = self.kind.describe(normed, slots.time - window.start_of(num_stored), slots.steps)
        read_slots = slice(num_stored - group.num_seen, None)  # what comes before is not projected
        chunks = _Chunking(self, group, window, slots.time[:, read_slots]).all(_weights_at_once(hidden))
        read_described = None if described is None else described[:, read_slots]
        read = self.attention.read_chunks(normed[:, read_slots], read_described, window.num_queries, chunks)
        return read, slots.time, described

    def _trace(self, slot_time: Tensor, described: Tensor | None, window: Window, dtype: torch.dtype) -> LayerTrace:
        kind = self.kind
        return LayerTrace(slot_time, described, lambda: kind.log_mask(window.age_of(slot_time, dtype), described))


@dataclass(frozen=True)
class _Chunking:
    """How the slots that a group reads are cut into chunks, and what is added to their logits.

    Args:
        reader: of the layer.
        group: the rows.
        window: of the rows.
        time: (rows, seen + query) int64, when the slots were made.
    """

    reader: LongMemoryReader
    group: RowGroup
    window: Window
    time: Tensor

    def all(self, weights_at_once: int) -> list[Chunk]:
        """First the near slots and the window's own, then the others in chunks of so many weights."""
        rows, stored = len(self.time), self.group.num_seen
        near, masked = stored - self.group.num_near, stored - self.group.num_masked
        width = max(32, weights_at_once // (rows * self.reader.attention.heads * self.window.num_queries))
        chunks = [self._near(slice(near, self.time.shape[1]))]
        chunks += [self._fading(part) for part in _cut(masked, near, width)]
        return chunks + [self._whole(part) for part in _cut(0, masked, width)]

    def _near(self, part: slice) -> Chunk:
        positions = self.reader.attention.positions
        columns = positions.columns(self.window.time[:, :1] - self.time[:, part.start : self.group.num_seen])

        def bias(queries: Tensor, described: Tensor | None) -> Tensor:
            return positions.window_scores(queries, columns).add_(self._log_mask(part, queries.dtype, described))

        return Chunk(part, bias, (positions.embedding, *self.reader.kind.parameters()))

    def _fading(self, part: slice) -> Chunk:
        def bias(queries: Tensor, described: Tensor | None) -> Tensor:
            return self._log_mask(part, queries.dtype, described)

        return Chunk(part, bias, tuple(self.reader.kind.parameters()))

    def _whole(self, part: slice) -> Chunk:
        num_seen = self.group.num_seen
        if part.start >= num_seen - self.group.num_common:
            return Chunk(part)
        is_seen = self.group.is_reached[:, self.group.order.shape[1] - num_seen :][:, part]
        hides = torch.zeros(is_seen.shape, device=is_seen.device).masked_fill_(~is_seen, -torch.inf)[:, None, None]
        return Chunk(part, lambda queries, described: hides)

    def _log_mask(self, part: slice, dtype: torch.dtype, described: Tensor | None) -> Tensor:
        some = None if described is None else described[:, part]
        return self.reader.kind.log_mask(self.window.age_of(self.time[:, part], dtype), some)


def _weights_at_once(like: Tensor) -> int:
    return _WEIGHTS_AT_ONCE.get(like.device.type, _WEIGHTS_AT_ONCE_ELSEWHERE)


def _cut(start: int, stop: int, width: int) -> list[slice]:
    return [slice(at, min(at + width, stop)) for at in range(start, stop, width)]


def _together(parts: Sequence[Tensor], groups: Sequence[RowGroup], padding: int = 0) -> Tensor:
    """What belongs to the rows of each group, as one tensor of the batch's rows; narrow ones are padded in front."""
    if len(parts) == 1:
        return parts[0]
    if parts[0].dim() == 2:
        width = max(part.shape[1] for part in parts)
        parts = [nn.functional.pad(part, (width - part.shape[1], 0), value=padding) for part in parts]
    rows = torch.cat([group.rows for group in groups if group.rows is not None])
    return torch.cat(list(parts)).index_select(0, rows.argsort())
