"""What all our environments share: actions, colours, the step limit, and batches of layouts or positions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from rlmem.envs.vocabulary import WORDS
from rlmem.errors import UsageError
from rlmem.word_space import WordSpace

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
Observations = npt.NDArray[np.uint8]

ACTIONS = ("north", "south", "west", "east")
NORTH, SOUTH, WEST, EAST = range(4)
COLOURS = ("red", "blue")


def make_observation_space() -> WordSpace:
    """The space of one observation: 3 x 3 cells around the agent in the words of `WORDS`."""
    return WordSpace(3, 3, WORDS)


class EpisodeRules:
    """What the rules of every environment have; a frozen dataclass that derives from it declares the field."""

    max_episode_steps: int | None

    def check_numbers(self, names: Sequence[str], units: str) -> None:
        """Refuse what is no whole number, and a step limit that is below 1.

        Args:
            names: the fields that hold whole numbers, besides ``max_episode_steps``, which may also be None.
            units: what they count, for the message: "cells or steps".

        Raises:
            UsageError: a field that cannot be.
        """
        for name in (*names, "max_episode_steps"):
            value = getattr(self, name)
            if value is None and name == "max_episode_steps":
                continue
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise UsageError(f"{name} is {value!r}, but it counts whole {units}: pass an int")
        if self.max_episode_steps is not None and self.max_episode_steps < 1:
            raise UsageError(
                f"max_episode_steps is {self.max_episode_steps}, but an episode has at least one step: pass 1 or more"
            )

    @property
    def step_limit(self) -> int:
        """Steps after which an episode is truncated, as a number in every case."""
        return sys.maxsize if self.max_episode_steps is None else int(self.max_episode_steps)

    @property
    def shortest_episode(self) -> int:
        """No episode ends before so many steps, at least 1; derived classes know more."""
        return 1


class ArrayBatch:
    """A batch of things described by numbers: a dataclass that derives from it has one array (envs, ...) a field."""

    def __getitem__(self: BatchT, rows: Any) -> BatchT:
        """Choose some of them, by anything that indexes an array's first axis and keeps it."""
        return type(self)(*[array[rows] for array in vars(self).values()])

    def __setitem__(self: BatchT, rows: Any, others: BatchT) -> None:
        """Replace those of some rows, in place."""
        for name, array in vars(self).items():
            array[rows] = getattr(others, name)


BatchT = TypeVar("BatchT", bound=ArrayBatch)


def concatenate_layouts(parts: Sequence[BatchT]) -> BatchT:
    """Join batches, in order."""
    fields = zip(*[vars(part).values() for part in parts], strict=True)
    return type(parts[0])(*[np.concatenate(arrays) for arrays in fields])


def force_layouts(layouts: ArrayBatch, forced: dict[str, IntArray]) -> None:
    """Write forced fields, name to array (envs, ...), over drawn layouts, in place."""
    for name, values in forced.items():
        getattr(layouts, name)[:] = values
