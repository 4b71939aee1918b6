"""Copy: so many A's, very many B's, and then the same number of A's is to be written (paper, 5.3).

The paper gives no format. Ours is a story of `A × n, B × d, copy, A × n, end`, with n and d drawn uniformly for each;
the next story follows at once and sees nothing of the last. What is trained and scored is the answer, the n A's and
the end: n + 1 predictions, the first made on reading `copy`. It is right only if all of them are, and its length is all
that is to be known. So a guess without memory is right once in as many times as there are values of n.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rlmem.errors import check
from rlmem.experiments.lm.block import NO_ITEM, Split
from rlmem.experiments.lm.generated_stream import NO_ANSWER, Chunk, Floats, GeneratedStream
from rlmem.experiments.lm.horizon import Horizon, measure_horizon

NAMES = ("A", "B", "copy", "end")
A, B, COPY, END = range(4)
_CHUNK = 4096  # symbols, about


@dataclass(frozen=True)
class CopyOptions:
    """Write as many A's as were seen long ago."""

    min_count: int = 1
    """Fewest A's."""
    max_count: int = 4
    """Most A's."""
    min_distance: int = 200
    """Fewest B's between the A's and the question."""
    max_distance: int = 400
    """Most B's."""
    eval_symbols: int = 400_000
    """Symbols of the valid data, and of the test data, divided evenly among the rows."""

    def __post_init__(self) -> None:
        check(self.min_count >= 1, f"--min-count is {self.min_count}, but a story begins with at least 1 A")
        check(
            self.max_count > self.min_count,
            f"--max-count is {self.max_count}, but it must be above --min-count ({self.min_count}), "
            "or there is nothing to remember",
        )
        check(self.min_distance >= 1, f"--min-distance is {self.min_distance}, but it must be at least 1")
        check(
            self.max_distance >= self.min_distance,
            f"--max-distance is {self.max_distance}, but it must be at least --min-distance ({self.min_distance})",
        )
        longest = 2 * self.max_count + self.max_distance + 2
        check(
            self.eval_symbols >= longest,
            f"--eval-symbols is {self.eval_symbols}, but the longest story has {longest} symbols",
        )


PAPER_OPTIONS = CopyOptions(min_distance=1_000, max_distance=128_000, eval_symbols=20_000_000)
"""Distances up to 128k, just within a span of 131,072; the counts, the shortest distance and the size are ours."""


class CopySource:
    """Stories of the copy task; a chunk is a few whole stories."""

    def __init__(self, options: CopyOptions) -> None:
        self._options = options
        mean = options.min_count + options.max_count + (options.min_distance + options.max_distance) / 2 + 2
        self._num_stories = max(1, round(_CHUNK / mean))

    def start(self, rng: np.random.Generator) -> Floats:
        """Nothing."""
        return np.zeros(0)

    def make_chunk(self, rng: np.random.Generator, carry: Floats) -> tuple[Chunk, Floats]:
        """The next stories of a row."""
        options, num = self._options, self._num_stories
        counts = rng.integers(options.min_count, options.max_count + 1, num)
        distances = rng.integers(options.min_distance, options.max_distance + 1, num)
        one = np.ones(num, np.int64)
        lengths = np.stack([counts, distances, one, counts, one], axis=1)  # (story, part)
        inputs = np.repeat(np.tile([A, B, COPY, A, END], num), lengths.ravel())
        starts = np.cumsum(lengths.sum(1)) - lengths.sum(1)
        asked = starts + counts + distances  # where `copy` stands

        is_answer = np.zeros(len(inputs) + 1, np.int64)
        is_answer[asked] = 1
        is_answer[asked + counts + 1] = -1  # on `end`, the answer is over
        is_trained = np.cumsum(is_answer[:-1]).astype(bool)
        item = np.full(len(inputs), NO_ITEM)
        item[is_trained] = np.repeat(np.arange(num), counts + 1)
        remaining = np.zeros(len(inputs), np.int64)
        remaining[is_trained] = np.repeat(asked + counts, counts + 1) - np.flatnonzero(is_trained)
        is_first = np.zeros(len(inputs), bool)
        is_first[starts] = True
        reach = np.zeros(len(inputs), np.int64)
        reach[asked] = asked - starts
        targets = np.append(inputs[1:], A)  # every story begins with an A
        return Chunk(inputs, targets, is_trained, item, is_first, remaining, reach), carry


def make_streams(options: CopyOptions, split: Split, batch: int, seed: int) -> GeneratedStream:
    """The streams of a split: endless in training, of `eval_symbols` symbols in valid and test."""
    num_symbols = None if split == "train" else options.eval_symbols
    return GeneratedStream(CopySource(options), split, batch, seed, num_symbols)


def symbol_names(options: CopyOptions) -> tuple[str, ...]:
    """Names of the symbols, by number."""
    return NAMES


def target_names(options: CopyOptions) -> tuple[str, ...]:
    """Names of the classes to be predicted: the symbols."""
    return NAMES


def chance(options: CopyOptions) -> float:
    """Share of the answers that the best guess without memory gets right: always the same number of A's."""
    return 1 / (options.max_count - options.min_count + 1)


def horizon(options: CopyOptions) -> Horizon:
    """How far back the A's begin, measured on twenty stories or more of each of eight rows."""
    longest = 2 * options.max_count + options.max_distance + 2
    return measure_horizon(GeneratedStream(CopySource(options), "valid", 8, 0, None), 20 * longest)


class CopyOracle:
    """Counts the A's before the B's, and answers all.

    Args:
        options: of the task.
        batch: number of rows.
    """

    def __init__(self, options: CopyOptions, batch: int) -> None:
        self._counted = [0] * batch
        self._left: list[int | None] = [None] * batch  # A's still to be written, while answering

    def predict(self, inputs: Tensor, is_first: Tensor) -> Tensor:
        """What follows each symbol, (batch, block) int64; `NO_ANSWER` where nothing is asked.

        Args:
            inputs: (batch, block) int64, the streams' next symbols.
            is_first: (batch, block) bool; not needed, `end` says it too.
        """
        rows = [[self._read(row, symbol) for symbol in symbols] for row, symbols in enumerate(inputs.tolist())]
        return torch.tensor(rows)

    def _read(self, row: int, symbol: int) -> int:
        left = self._left[row]
        if symbol == COPY:
            left = self._counted[row]
        elif symbol == END:
            left, self._counted[row] = None, 0
        elif left is not None:
            left -= 1
        elif symbol == A:
            self._counted[row] += 1
        self._left[row] = left
        return NO_ANSWER if left is None else A if left else END
