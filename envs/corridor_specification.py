"""The Corridor's rules, once: `CorridorEnv`, `VectorCorridorEnv` and `DeviceWordEnv` all play by this file.

Columns count from 0 at the corridor's west end to length - 1 at its east end; rows are -1 (north), 0 (the corridor),
1 (south). Object colour and side of the red door are indices: into `COLOURS` and into `SIDES`, whose index is also the
number of the action that walks there. Everything except `Layout` is batched over `envs`, the leading axis; the arrays
may be NumPy's or tensors (see `array_namespace`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rlmem.envs.array_namespace import namespace_of
from rlmem.envs.grid_world import (
    ACTIONS,
    COLOURS,
    SOUTH,
    ArrayBatch,
    BoolArray,
    EpisodeRules,
    FloatArray,
    IntArray,
    Observations,
)
from rlmem.envs.vocabulary import OBSERVATION_SHAPE, encode_words
from rlmem.errors import UsageError

SIDES = ACTIONS[:2]

_COLUMN_CHANGE: IntArray = np.array([0, 0, -1, 1])  # by action


@dataclass(frozen=True)
class CorridorRules(EpisodeRules):
    """What a Corridor can be asked to be.

    Raises:
        UsageError: the numbers make no corridor.
    """

    min_length: int = 3
    """shortest corridor, in cells; at least 3, so that the object and the doors are never seen together"""
    max_length: int = 200
    """longest corridor, in cells; lengths are drawn uniformly, both ends included"""
    max_episode_steps: int | None = 1000
    """steps after which an episode is truncated; None: no limit here, somebody else counts"""

    def __post_init__(self) -> None:
        """Refuse what makes no corridor."""
        self.check_numbers(("min_length", "max_length"), "cells or steps")
        if self.min_length < 3:
            raise UsageError(
                f"min_length is {self.min_length}, but in a corridor of fewer than 3 cells the first cell is beside "
                "the doors and nothing is to be remembered: pass 3 or more"
            )
        if self.max_length < self.min_length:
            raise UsageError(
                f"max_length is {self.max_length}, below min_length {self.min_length}, so no length can be drawn: "
                "raise max_length or lower min_length (equal values fix the length)"
            )

    @property
    def shortest_episode(self) -> int:
        """The shortest corridor's cells, walked straight: the step out of the last one enters a door."""
        return min(self.min_length, self.step_limit)


class Layout(NamedTuple):
    """One corridor, in words."""

    length: int
    """cells from the west to the east end"""
    object_colour: str
    """one of `COLOURS`"""
    red_door: str
    """the side of the red door, one of `SIDES`; the blue door is on the other"""


@dataclass
class Layouts(ArrayBatch):
    """A batch of corridors: one array (envs,) int64 for each field of `Layout`."""

    length: IntArray
    object_colour: IntArray
    red_door: IntArray

    @property
    def right_door(self) -> IntArray:
        """The action that enters the door of the object's colour, (envs,)."""
        return self.object_colour ^ self.red_door

    def in_words(self, row: int) -> Layout:
        """One corridor of the batch, in words."""
        return Layout(int(self.length[row]), COLOURS[self.object_colour[row]], SIDES[self.red_door[row]])


def draw_layouts(rules: CorridorRules, generator: np.random.Generator, count: int) -> Layouts:
    """Draw corridors: length, object colour and door sides uniform and independent.

    Args:
        rules: the lengths to draw from.
        generator: moves on by three draws of `count` numbers.
        count: how many.

    Returns:
        `count` layouts.
    """
    return Layouts(
        length=generator.integers(rules.min_length, rules.max_length + 1, size=count),
        object_colour=generator.integers(len(COLOURS), size=count),
        red_door=generator.integers(len(SIDES), size=count),
    )


def transition(columns: IntArray, layouts: Layouts, actions: IntArray) -> tuple[IntArray, FloatArray, BoolArray]:
    """Walk one step.

    A block, the object's cell included, leaves the agent where it is. Entering a door ends the episode; the agent's
    column stays the last one, so that the final observation is what it saw in front of the door.

    Args:
        columns: where the agents are, (envs,).
        layouts: their corridors.
        actions: indices into `ACTIONS`, (envs,).

    Returns:
        Three arrays (envs,): new columns; rewards, 1 for entering the door of the object's colour and 0 otherwise;
        whether a door was entered.
    """
    arrays = namespace_of(columns)
    last = layouts.length - 1
    entered = (columns == last) & (actions <= SOUTH)
    rewards = arrays.as_float(entered & (actions == layouts.right_door))
    moved = arrays.minimum(arrays.maximum(columns + arrays.take(_COLUMN_CHANGE, actions), 0), last)
    return moved, rewards, entered


def words_at(column: int, row: int, agent_column: int | None, layout: Layout) -> tuple[str, ...]:
    """Name what is in one cell of the world; observations and pictures are painted with this.

    Args:
        column: 0 is the corridor's west end; any integer.
        row: -1 north of the corridor, 0 in it, 1 south of it; any integer.
        agent_column: where the agent is; None: nowhere.
        layout: the corridor.

    Returns:
        The cell's words; none for a free cell.
    """
    if row == 0 and 0 <= column < layout.length:
        return ("agent",) if column == agent_column else ()
    if row == -1 and column == 0:
        return ("object", layout.object_colour)
    if row in (-1, 1) and column == layout.length - 1:
        is_red = SIDES[0 if row == -1 else 1] == layout.red_door
        return ("door", "red" if is_red else "blue")
    return ("block",)


def paint(agent_column: int, layout: Layout) -> Observations:
    """Paint one observation, (3, 3, vocabulary): the cells around the agent, north-west first."""
    around = (agent_column - 1, agent_column, agent_column + 1)
    return encode_words([[words_at(column, row, agent_column, layout) for column in around] for row in (-1, 0, 1)])


def _paint_distinct() -> Observations:
    """Paint every distinct observation, (36, 3, 3, vocabulary), in the order of `observation_codes`.

    What the agent sees depends on the cells to its west and to its east only as 0, 1 or "2 and more", so a corridor of
    that many cells stands for all. Corridors shorter than 3 cells do not exist; their entries stay zero.
    """
    table = np.zeros((3, 3, len(COLOURS), len(SIDES), *OBSERVATION_SHAPE), dtype=np.uint8)
    for west, east, colour, side in np.ndindex(table.shape[:4]):
        length = west + 1 + east
        if length >= 3:
            table[west, east, colour, side] = paint(west, Layout(length, COLOURS[colour], SIDES[side]))
    return table.reshape(-1, *OBSERVATION_SHAPE)


_DISTINCT_OBSERVATIONS = _paint_distinct()


def observation_codes(columns: IntArray, layouts: Layouts) -> IntArray:
    """Number what each agent sees, (envs,): an index into the distinct observations."""
    arrays = namespace_of(columns)
    west = arrays.minimum(columns, 2)
    east = arrays.minimum(layouts.length - 1 - columns, 2)
    codes: IntArray = ((west * 3 + east) * 2 + layouts.object_colour) * 2 + layouts.red_door
    return codes


def observe(codes: IntArray) -> Observations:
    """Look observations up by their codes: (envs,) to a fresh array (envs, 3, 3, vocabulary)."""
    observations: Observations = namespace_of(codes).take(_DISTINCT_OBSERVATIONS, codes)
    return observations
