"""Which answers are right: those of which every target was predicted, also across blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rlmem.experiments.lm.block import NO_ITEM


class ItemScore:
    """Counts answers, block by block; only the last one of each row is kept, for it may run on.

    Args:
        batch: number of rows.

    Attributes:
        num_items: answers that are over.
        num_right: those of which every target was predicted.
    """

    def __init__(self, batch: int) -> None:
        self.num_items, self.num_right = 0, 0
        self._open = np.full(batch, NO_ITEM)  # number of each row's last answer
        self._is_right = np.ones(batch, bool)  # so far

    def add(self, item: Tensor, is_right: Tensor) -> None:
        """Count a block.

        Args:
            item: (batch, block) int64, as in `Block`; within a row the numbers of answers ascend.
            is_right: (batch, block) bool, True where the target was predicted; anything where nothing is scored.
        """
        items, rights = item.cpu().numpy(), is_right.cpu().numpy()
        is_scored = items != NO_ITEM
        for row in np.flatnonzero(is_scored.any(1)):
            self._add_row(int(row), items[row][is_scored[row]], rights[row][is_scored[row]])

    def finish(self) -> None:
        """Count the answers that were still open."""
        for row in np.flatnonzero(self._open != NO_ITEM):
            self._close(int(row))
        self._open[:] = NO_ITEM

    def _add_row(self, row: int, numbers: NDArray[np.int64], right: NDArray[np.bool_]) -> None:
        assert (np.diff(numbers) >= 0).all(), "the numbers of a row's answers ascend"
        starts = np.flatnonzero(np.diff(numbers, prepend=NO_ITEM))  # where another answer begins
        is_right = np.logical_and.reduceat(right, starts)
        if numbers[0] == self._open[row]:
            is_right[0] &= self._is_right[row]
        elif self._open[row] != NO_ITEM:
            self._close(row)
        self.num_items += len(starts) - 1
        self.num_right += int(is_right[:-1].sum())
        self._open[row], self._is_right[row] = numbers[-1], is_right[-1]

    def _close(self, row: int) -> None:
        self.num_items += 1
        self.num_right += int(self._is_right[row])
