"""Lists of different lengths in one flat array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlmem.experiments.lm.generated_stream import Ints


@dataclass(frozen=True)
class Ragged:
    """Lists of numbers, one after the other.

    Args:
        values: (total,) int64, all of them.
        starts: (list,) int64, where each list begins in `values`.
        lengths: (list,) int64.
    """

    values: Ints
    starts: Ints
    lengths: Ints

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> Ragged:
        """From lists."""
        lengths = np.array([len(one) for one in lists], np.int64)
        values = np.array([value for one in lists for value in one], np.int64)
        return cls(values, np.cumsum(lengths) - lengths, lengths)

    def take(self, which: Ints) -> Ints:
        """The values of some lists, (which,), one list after the other."""
        lengths = self.lengths[which]
        shift = self.starts[which] - (np.cumsum(lengths) - lengths)
        values: Ints = self.values[np.repeat(shift, lengths) + np.arange(lengths.sum())]
        return values
