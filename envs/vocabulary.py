"""The words that describe a cell, one list for all our environments, so that weights can move between them.

A cell is a set of words. An observation is the 3 x 3 cells around the agent, north-west cell first, as a binary array
(3, 3, vocabulary) of uint8: entry (row, column, word) is 1 where the cell has the word. A free cell has no word.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

NUM_ROOMS = 50
"""Room numbers in the vocabulary; the Multi-Room Portal has as many rooms."""

WORDS: tuple[str, ...] = (
    "agent",
    "block",
    "door",
    "object",
    "red",
    "blue",
    *(f"room-{number}" for number in range(1, NUM_ROOMS + 1)),
)
"""Every word, in the order of the observation's last axis. Checkpoints store it: append, never reorder."""

WORD_INDEX: Mapping[str, int] = MappingProxyType({word: index for index, word in enumerate(WORDS)})
"""Position of each word in `WORDS`."""

OBSERVATION_SHAPE: tuple[int, int, int] = (3, 3, len(WORDS))
"""Shape of one observation: row, column, word."""


def encode_words(cells: Sequence[Sequence[Collection[str]]]) -> npt.NDArray[np.uint8]:
    """Write the words of 3 x 3 cells as a binary array.

    Args:
        cells: three rows of three cells, north-west first, each a collection of words of `WORDS`.

    Returns:
        The observation, (3, 3, vocabulary) uint8.

    Raises:
        ValueError: there are not 3 x 3 cells, or a word is not in the vocabulary.
    """
    if [len(row) for row in cells] != [3, 3, 3]:
        raise ValueError(f"got rows of {[len(row) for row in cells]} cells, but an observation is three rows of three")
    observation = np.zeros(OBSERVATION_SHAPE, dtype=np.uint8)
    for row, cells_of_row in enumerate(cells):
        for column, words in enumerate(cells_of_row):
            for word in words:
                if word not in WORD_INDEX:
                    raise ValueError(f"got the word {word!r}, which is not in the vocabulary: use one of {WORDS}")
                observation[row, column, WORD_INDEX[word]] = 1
    return observation


def decode_words(observation: npt.ArrayLike) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """List the words of each cell; the inverse of `encode_words`.

    Args:
        observation: one observation, (3, 3, vocabulary), zeros and ones.

    Returns:
        Three rows of three cells, north-west first, each a tuple of words in the order of `WORDS`.

    Raises:
        ValueError: the array is not one observation.
    """
    array = np.asarray(observation)
    if array.shape != OBSERVATION_SHAPE:
        raise ValueError(
            f"got an array of shape {array.shape}, but one observation is {OBSERVATION_SHAPE}: "
            "pass one row of a batch at a time"
        )
    return tuple(tuple(tuple(WORDS[index] for index in np.flatnonzero(cell)) for cell in row) for row in array)


def describe(observation: npt.ArrayLike) -> str:
    """Write an observation as text, for people.

    Args:
        observation: one observation, (3, 3, vocabulary), zeros and ones.

    Returns:
        Three lines of three cells, north-west first, such as ``block | red object | block``; a free cell is ``-``.

    Raises:
        ValueError: the array is not one observation.
    """
    # The colour comes later in WORDS; "red object" reads better than "object red".
    rows = [[" ".join(reversed(words)) or "-" for words in row] for row in decode_words(observation)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = (" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
