"""Streams that are made up as they are read: chunk after chunk for every row, handed out in blocks of any length.

A chunk is drawn from the split, the seed, its row and its number alone, and from what the row's last chunk carried
over. So where a stream stands is a few numbers, a row is the same in any batch, and no split repeats another.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlmem.errors import check
from rlmem.experiments.lm.block import NO_ITEM, Block, Split

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

NO_ANSWER = -1
"""What a task's oracle predicts where nothing is asked."""
SPLIT_NUMBERS: dict[Split, int] = {"train": 0, "valid": 1, "test": 2}


@dataclass(frozen=True)
class Chunk:
    """A stretch of one row. All arrays are (chunk,).

    Args:
        inputs: int64, the symbols.
        targets: int64, what is to be predicted after each of them.
        is_trained: bool, as in `Block`.
        item: int64, as in `Block`, but counted from 0 in each chunk. No answer runs on into the next chunk.
        is_first: bool, as in `Block`; a row's very first symbol is marked by the stream.
        remaining: int64, how many targets of the same answer are still to come.
        reach: int64, at an answer's first target: how many symbols back the earliest one lies that it depends on;
            0 elsewhere.
    """

    inputs: Ints
    targets: Ints
    is_trained: Bools
    item: Ints
    is_first: Bools
    remaining: Ints
    reach: Ints


class ChunkSource(Protocol):
    """Makes the chunks of a task."""

    def start(self, rng: np.random.Generator) -> Floats:
        """What the first chunk of a row begins with, (carry,); empty where chunks know nothing of each other."""
        ...

    def make_chunk(self, rng: np.random.Generator, carry: Floats) -> tuple[Chunk, Floats]:
        """The next chunk of a row, and what it carries over to the one after it, (carry,)."""
        ...


def chunk_seed(split: Split, seed: int, row: int, chunk: int) -> np.random.SeedSequence:
    """What a chunk is drawn from. The key, unlike words added to the seed, keeps any two of them apart."""
    return np.random.SeedSequence(entropy=seed, spawn_key=(SPLIT_NUMBERS[split], row, chunk))


class GeneratedStream:
    """A task's stream, see `Stream`.

    Args:
        source: makes the chunks.
        split: of the data; each has chunks of its own.
        batch: number of rows.
        seed: of everything drawn, at least 0 and below 2 to the 63rd.
        num_symbols: in all rows together, divided evenly (what does not divide is left out), or None for an endless
            stream. An answer that the end would cut is not scored.

    Raises:
        UsageError: no rows, no symbol a row, or a seed that cannot be.
    """

    def __init__(self, source: ChunkSource, split: Split, batch: int, seed: int, num_symbols: int | None) -> None:
        check(split in SPLIT_NUMBERS, f"the split {split!r} is unknown; take one of {', '.join(SPLIT_NUMBERS)}")
        check(batch >= 1, f"the batch is {batch}, but a stream has at least 1 row")
        check(0 <= seed < 1 << 63, f"the seed is {seed}, but it must be at least 0 and below 2 to the 63rd")
        self.length = None if num_symbols is None else num_symbols // batch
        check(
            self.length is None or self.length >= 1,
            f"the {split} data of {num_symbols} symbols cannot be divided among {batch} rows; "
            "raise --eval-symbols or take fewer rows",
        )
        self._position = 0
        self._rows = [_Row(source, split, seed, row) for row in range(batch)]

    @property
    def batch(self) -> int:
        """Number of rows."""
        return len(self._rows)

    def only(self, rows: range) -> GeneratedStream:
        """Some of the rows alone, from where they stand; this stream must not be read on."""
        part = copy.copy(self)
        part._rows = [self._rows[row] for row in rows]
        return part

    def next_chunk(self, length: int) -> Chunk | None:
        """As `next_block`, as arrays (batch, block) and with what only a measurement wants."""
        check(length >= 1, f"a block of {length} symbols was asked for, but it has at least 1")
        if self.length is not None:
            length = min(length, self.length - self._position)
        if length == 0:
            return None
        arrays = {
            field.name: np.empty((self.batch, length), bool if field.name.startswith("is_") else np.int64)
            for field in fields(Chunk)
        }
        for number, row in enumerate(self._rows):
            row.fill({name: array[number] for name, array in arrays.items()}, length)
        if self.length is not None:
            is_cut = np.arange(self._position, self._position + length) + arrays["remaining"] >= self.length
            arrays["item"][is_cut] = NO_ITEM
        self._position += length
        return Chunk(**arrays)

    def next_block(self, length: int) -> Block | None:
        """The next `length` symbols of every row, fewer where they end with it, or None when they have ended."""
        chunk = self.next_chunk(length)
        if chunk is None:
            return None
        return Block(**{field.name: torch.from_numpy(getattr(chunk, field.name)) for field in fields(Block)})

    def state(self) -> dict[str, Tensor]:
        """Where the stream stands: its seed and a few numbers a row, from which the chunk is made again."""
        return {
            "seed": torch.tensor([row.seed for row in self._rows]),
            "position": torch.tensor(self._position),
            "chunk": torch.tensor([row.number for row in self._rows]),
            "offset": torch.tensor([row.offset for row in self._rows]),
            "num_items": torch.tensor([row.num_items for row in self._rows]),
            "carry": torch.from_numpy(np.stack([row.carry for row in self._rows])),
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from where `state` stood, to the bit.

        Raises:
            UsageError: this is the state of another task's stream, or of one with another number of rows.
        """
        shapes = {name: tuple(tensor.shape) for name, tensor in self.state().items()}
        given = {name: tuple(tensor.shape) for name, tensor in state.items()}
        check(
            given == shapes,
            f"the saved stream has the tensors {given}, but this one wants {shapes}; "
            "resume with the task, the options and the batch size of the saved run",
        )
        self._position = int(state["position"])
        for index, row in enumerate(self._rows):
            row.seed = int(state["seed"][index])
            row.load(
                int(state["chunk"][index]),
                int(state["offset"][index]),
                int(state["num_items"][index]),
                state["carry"][index].numpy().copy(),
            )


class _Row:
    """One row: the chunk that it reads, how far it has read, and the answers counted before that chunk."""

    def __init__(self, source: ChunkSource, split: Split, seed: int, row: int) -> None:
        self._source, self._split, self.seed, self._row = source, split, seed, row
        self.load(1, 0, 0, source.start(self._rng(0)))

    def load(self, number: int, offset: int, num_items: int, carry: Floats) -> None:
        self.number, self.offset, self.num_items, self.carry = number, offset, num_items, carry
        self._chunk: Chunk | None = None  # made when it is first read

    def fill(self, target: dict[str, NDArray[np.generic]], length: int) -> None:
        """Write the next symbols into arrays (length,)."""
        done = 0
        while done < length:
            chunk = self._current()
            size = min(length - done, len(chunk.inputs) - self.offset)
            for name, array in target.items():
                array[done : done + size] = getattr(chunk, name)[self.offset : self.offset + size]
            if self.number == 1 and self.offset == 0:
                target["is_first"][0] = True
            item = target["item"][done : done + size]
            item[item != NO_ITEM] += self.num_items
            self.offset += size
            done += size
            if self.offset == len(chunk.inputs):
                self.load(self.number + 1, 0, self.num_items + int(chunk.item.max()) + 1, self._next_carry)

    def _current(self) -> Chunk:
        if self._chunk is None:
            self._chunk, self._next_carry = self._source.make_chunk(self._rng(self.number), self.carry)
        return self._chunk

    def _rng(self, chunk: int) -> np.random.Generator:
        return np.random.default_rng(chunk_seed(self._split, self.seed, self._row, chunk))
