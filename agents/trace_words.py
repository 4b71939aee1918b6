"""Observations made of words, as text for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from rlmem.observation_leaves import leaf_spaces
from rlmem.word_space import WordSpace

_NOT_NOTABLE = ("block", "unseen")  # cells that have such a word say nothing that is worth a label


def view_leaf(
    space: gym.Space[Any], observation: tuple[NDArray[Any], ...]
) -> tuple[tuple[str, ...], NDArray[Any]] | None:
    """The view of an observation: its largest leaf that is made of words, and those words.

    Args:
        space: of single observations.
        observation: leaves (time, ...).

    Returns:
        The words and the leaf (time, rows, columns, words), or None if the agent sees no words.
    """
    views = [
        (leaf_space.words, leaf)
        for leaf_space, leaf in zip(leaf_spaces(space).values(), observation, strict=True)
        if isinstance(leaf_space, WordSpace)
    ]
    return max(views, key=lambda view: view[1].shape[1] * view[1].shape[2], default=None)


def cell_texts(words: Sequence[str], view: NDArray[Any]) -> NDArray[np.str_]:
    """The words of each cell, such as "red object"; "" for a free cell.

    Args:
        words: the vocabulary, kinds of things first, then what they are like.
        view: (time, rows, columns, words), zeros and ones.

    Returns:
        (time, rows * columns) text, row by row.
    """
    cells = view.reshape(len(view), -1, len(words))
    return np.array([[_text(words, cell) for cell in row] for row in cells])


def _text(words: Sequence[str], cell: NDArray[Any]) -> str:
    # what a thing is like comes later in a vocabulary, but "red object" reads better than "object red"
    return " ".join(words[int(index)] for index in np.flatnonzero(cell)[::-1])


def label_of(cells: NDArray[np.str_]) -> str:
    """What is notable in one observation: everything but blocks, the agent and what it cannot see; "-" for nothing.

    Args:
        cells: (cells,) text of one step from `cell_texts`.
    """
    found = []
    for cell in cells:
        words = str(cell).split()
        if any(word in _NOT_NOTABLE for word in words):
            continue
        found.append(" ".join(word for word in words if word != "agent" and not word.startswith("facing-")))
    return ", ".join(dict.fromkeys(text for text in found if text)) or "-"


def words_shown(cells: NDArray[np.str_]) -> set[str]:
    """The words of one step's label; cells: (cells,) text of one step from `cell_texts`."""
    label = label_of(cells)
    return set() if label == "-" else set(label.replace(",", "").split())


def shows(cells: NDArray[np.str_], word: str) -> bool:
    """Whether any cell of one step's view has the word; cells: (cells,) text of one step from `cell_texts`."""
    return any(word in str(cell).split() for cell in cells)
