"""What one observation says in words, for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
from numpy.typing import NDArray

from rlmem.agents.trace_words import cell_texts, label_of, view_leaf


@dataclass(frozen=True)
class StepWords:
    """The words of one observation's view.

    Args:
        label: what is notable in it; "-" for nothing.
        cells: the words of each cell, row by row; "" for a free one.
        columns: of the view, in cells.
    """

    label: str
    cells: tuple[str, ...]
    columns: int

    @classmethod
    def of(cls, space: gym.Space[Any], observation: tuple[NDArray[Any], ...]) -> StepWords | None:
        """The words of an observation, or None if it holds none; observation: leaves without a leading dimension."""
        view = view_leaf(space, tuple(leaf[None] for leaf in observation))
        if view is None:
            return None
        cells = cell_texts(*view)[0]
        return cls(label_of(cells), tuple(str(cell) for cell in cells), view[1].shape[2])
