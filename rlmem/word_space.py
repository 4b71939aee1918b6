"""The observation space of views made of words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gymnasium import spaces


class WordSpace(spaces.Box):
    """A view of cells, each a set of words: `Box(0, 1, (rows, columns, words), uint8)` that knows its words.

    To everything else it is the Box that it is. A policy reads the words, stores them with its weights, and matches
    another vocabulary word by word.

    Args:
        rows: cells from north to south.
        columns: cells from west to east.
        words: the vocabulary, in the order of the last axis.
        seed: of `sample`.
    """

    def __init__(
        self, rows: int, columns: int, words: Sequence[str], seed: int | np.random.Generator | None = None
    ) -> None:
        super().__init__(0, 1, (rows, columns, len(words)), np.uint8, seed)
        self.words = tuple(words)

    def __eq__(self, other: object) -> bool:
        """Equal shape and equal words; a plain Box of the same shape is equal, too, as it holds the same arrays."""
        return super().__eq__(other) and getattr(other, "words", self.words) == self.words
