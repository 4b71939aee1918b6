"""The Multi-Room Portal's rules, once: `PortalEnv`, `VectorPortalEnv` and `DeviceWordEnv` all play by this file.

Rooms are indices from 0 here, and numbers from 1 in all that people and agents see. A cell is a number too,
row * room_size + column, both from 0 in the room's north-west corner; its walls are row and column -1 and room_size.
Colours are indices into `COLOURS`. Everything except `Room` is batched over `envs`, the leading axis; the arrays may be
NumPy's or tensors (see `array_namespace`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rlmem.envs.array_namespace import namespace_of
from rlmem.envs.grid_world import (
    ACTIONS,
    COLOURS,
    EAST,
    WEST,
    ArrayBatch,
    BoolArray,
    EpisodeRules,
    FloatArray,
    IntArray,
    Observations,
)
from rlmem.envs.vocabulary import NUM_ROOMS, OBSERVATION_SHAPE, encode_words
from rlmem.errors import UsageError

REWARD_PER_ROOM = 0.1
"""what the right door of the first room gives; that of room k gives k times as much"""


@dataclass(frozen=True)
class PortalRules(EpisodeRules):
    """What a Multi-Room Portal can be asked to be.

    Raises:
        UsageError: the numbers make no rooms.
    """

    num_rooms: int = NUM_ROOMS
    """rooms in sequence, at least 2, at most as many as the vocabulary has numbers for"""
    room_size: int = 5
    """cells from wall to wall, odd, so that there is a centre, and at least 3"""
    max_episode_steps: int | None = 1000
    """steps after which an episode is truncated; None: no limit here, somebody else counts"""

    def __post_init__(self) -> None:
        """Refuse what makes no rooms."""
        self.check_numbers(("num_rooms", "room_size"), "rooms, cells or steps")
        if not 2 <= self.num_rooms <= NUM_ROOMS:
            raise UsageError(
                f"num_rooms is {self.num_rooms}, but there is a room to start in, another to reach, and a word for "
                f"each of {NUM_ROOMS} rooms: pass 2 to {NUM_ROOMS}"
            )
        if self.room_size < 3 or self.room_size % 2 == 0:
            raise UsageError(
                f"room_size is {self.room_size}, but the agent enters at a room's centre, away from both doors: pass "
                "an odd number, 3 or more"
            )

    @property
    def centre(self) -> int:
        """The cell where agents enter."""
        return self.room_size**2 // 2

    @property
    def shortest_episode(self) -> int:
        """To a door and through it, twice: two mistakes; of two rooms the last one is reached by one door."""
        doors = 1 if self.num_rooms == 2 else 2
        return min(doors * (self.room_size // 2 + 1), self.step_limit)


class Room(NamedTuple):
    """One room, in words."""

    number: int
    """from 1"""
    west_colour: str
    """the west door's colour, one of `COLOURS`; the east door has the other"""


@dataclass
class Layouts(ArrayBatch):
    """A batch of sequences of rooms: one array (envs, rooms) int64 a field, indices into `COLOURS`."""

    west_colour: IntArray
    """what is seen: the colour of the west door; the east door has the other"""
    right_colour: IntArray
    """what is shown nowhere: the colour of the door that leads on"""

    def room(self, row: int, room: int) -> Room:
        """One room of the batch, in words; `room` counts from 0."""
        return Room(room + 1, COLOURS[self.west_colour[row, room]])


@dataclass
class Progress(ArrayBatch):
    """Where the agents are and what they did in this episode."""

    room: IntArray
    """(envs,), from 0"""
    cell: IntArray
    """(envs,)"""
    rooms_visited: IntArray
    """(envs,), the number, from 1, of the furthest room entered so far"""
    has_erred: BoolArray
    """(envs, rooms), whether the wrong door of a room was entered before"""


def draw_layouts(rules: PortalRules, generator: np.random.Generator, count: int) -> Layouts:
    """Draw sequences of rooms: for each room the west door's colour and the right colour, uniform and independent.

    Args:
        rules: the number of rooms.
        generator: moves on by two draws of (count, rooms) numbers.
        count: how many.

    Returns:
        `count` layouts.
    """
    shape = (count, rules.num_rooms)
    return Layouts(
        west_colour=generator.integers(len(COLOURS), size=shape),
        right_colour=generator.integers(len(COLOURS), size=shape),
    )


def first_progress(rules: PortalRules, count: int) -> Progress:
    """What `count` episodes begin with: the first room's centre."""
    return Progress(
        room=np.zeros(count, dtype=np.int64),
        cell=np.full(count, rules.centre),
        rooms_visited=np.ones(count, dtype=np.int64),
        has_erred=np.zeros((count, rules.num_rooms), dtype=bool),
    )


@functools.cache
def _targets(room_size: int) -> IntArray:
    """Tabulate where each action leads from each cell, (cells * actions,): a cell, or `room_size` ** 2 for a door."""
    targets = np.zeros((room_size, room_size, len(ACTIONS)), dtype=np.int64)
    for row, column, action in np.ndindex(targets.shape):
        change_y, change_x = ((-1, 0), (1, 0), (0, -1), (0, 1))[action]
        y, x = row + change_y, column + change_x
        if 0 <= y < room_size and 0 <= x < room_size:
            targets[row, column, action] = y * room_size + x
        elif action in (WEST, EAST) and row == room_size // 2:
            targets[row, column, action] = room_size**2
        else:
            targets[row, column, action] = row * room_size + column  # a wall
    return targets.reshape(-1)


def transition(
    progress: Progress, layouts: Layouts, actions: IntArray, rules: PortalRules
) -> tuple[Progress, FloatArray, BoolArray, BoolArray]:
    """Walk one step.

    A wall leaves the agent where it is. A door is entered at once: the right one leads to the next room's centre, the
    wrong one to the first room's, in the step that ends the episode, too, so that the final observation is made there.

    Args:
        progress: where the agents are; stays as it is.
        layouts: their rooms.
        actions: indices into `ACTIONS`, (envs,).
        rules: number and size of the rooms.

    Returns:
        The new progress; three arrays (envs,): rewards, 0.1 k for the right door of room k, counted from 1, otherwise
        0; whether the episode terminated, by a second mistake in one room or in the last room; whether the last room
        was reached.
    """
    arrays = namespace_of(actions)
    door = rules.room_size**2
    targets = arrays.take(_targets(rules.room_size), progress.cell * len(ACTIONS) + actions)
    rewards = arrays.zeros(len(actions), float, actions)
    terminations, successes = (arrays.zeros(len(actions), bool, actions) for _ in range(2))
    rows = arrays.rows_where(targets == door)
    if not len(rows):
        moved = Progress(progress.room, targets, progress.rooms_visited, progress.has_erred)
        return moved, rewards, terminations, successes
    has_entered, room = targets[rows] == door, progress.room[rows]
    right_door = right_doors(layouts.west_colour[rows, room], layouts.right_colour[rows, room])
    is_right = has_entered & (actions[rows] == right_door)
    is_wrong = has_entered ^ is_right
    next_room = arrays.where(is_right, room + 1, arrays.where(is_wrong, 0, room))
    is_last = (
        next_room == rules.num_rooms - 1
    )  # nobody is there already: the episode ends with the step that leads there
    successes[rows] = is_last
    terminations[rows] = is_last | (is_wrong & progress.has_erred[rows, room])
    rewards[rows] = arrays.where(is_right, REWARD_PER_ROOM * arrays.as_float(room + 1), 0.0)
    targets[rows] = arrays.where(has_entered, rules.centre, targets[rows])
    copied = [arrays.copy(each) for each in (progress.room, progress.rooms_visited, progress.has_erred)]
    moved = Progress(copied[0], targets, copied[1], copied[2])
    moved.room[rows] = next_room
    moved.rooms_visited[rows] = arrays.maximum(progress.rooms_visited[rows], next_room + 1)
    moved.has_erred[rows, room] |= is_wrong
    return moved, rewards, terminations, successes


def right_doors(west_colour: IntArray, right_colour: IntArray) -> IntArray:
    """The actions that enter the doors of the right colours: WEST or EAST, in the colours' shape."""
    doors: IntArray = namespace_of(west_colour).where(west_colour == right_colour, WEST, EAST)
    return doors


def words_at(column: int, row: int, agent: tuple[int, int] | None, room: Room, room_size: int) -> tuple[str, ...]:
    """Name what is in one cell of a room; observations and pictures are painted with this.

    Args:
        column: 0 is the room's westernmost cell, -1 its west wall; any integer.
        row: 0 is the room's northernmost cell, -1 its north wall; any integer.
        agent: (column, row) of the agent; None: nowhere.
        room: the room.
        room_size: cells from wall to wall.

    Returns:
        The cell's words; none for a free cell.
    """
    if 0 <= column < room_size and 0 <= row < room_size:
        return ("agent", f"room-{room.number}") if (column, row) == agent else ()
    if row == room_size // 2 and column in (-1, room_size):
        is_red = (room.west_colour == "red") == (column == -1)
        return ("door", "red" if is_red else "blue")
    return ("block",)


def paint(agent: tuple[int, int], room: Room, room_size: int) -> Observations:
    """Paint one observation, (3, 3, vocabulary): the cells around the agent, (column, row), north-west first."""
    columns, rows = (range(centre - 1, centre + 2) for centre in agent)
    return encode_words([[words_at(column, row, agent, room, room_size) for column in columns] for row in rows])


_LARGEST_DISTINCT = 7  # in larger rooms, places away from walls, corners and doors look like those of a 7 x 7 room


@functools.cache
def _paint_distinct(room_size: int) -> Observations:
    """Paint every distinct observation, in the order of `observation_codes`, (codes, 3, 3, vocabulary).

    Args:
        room_size: at most `_LARGEST_DISTINCT`.
    """
    table = np.zeros((room_size, room_size, len(COLOURS), NUM_ROOMS, *OBSERVATION_SHAPE), dtype=np.uint8)
    for row, column, colour, room in np.ndindex(table.shape[:4]):
        table[row, column, colour, room] = paint((column, row), Room(room + 1, COLOURS[colour]), room_size)
    return table.reshape(-1, *OBSERVATION_SHAPE)


@functools.cache
def _distinct_cells(room_size: int) -> IntArray:
    """Map every cell, (cells,), to one of a room of at most 7 x 7 from where the same is seen.

    Along each axis an agent tells apart: beside either wall, one before, at and one behind the middle, and elsewhere.
    """
    places = np.arange(room_size)
    if room_size > _LARGEST_DISTINCT:
        places = np.ones(room_size, dtype=np.int64)  # elsewhere
        places[0], places[-1] = 0, 6
        places[room_size // 2 - 1 : room_size // 2 + 2] = 2, 3, 4
    distinct: IntArray = (places[:, None] * min(room_size, _LARGEST_DISTINCT) + places).reshape(-1)
    return distinct


def observation_codes(progress: Progress, layouts: Layouts, rules: PortalRules) -> IntArray:
    """Number what each agent sees, (envs,): an index into the distinct observations of this size of rooms."""
    arrays = namespace_of(progress.cell)
    cells = arrays.take(_distinct_cells(rules.room_size), progress.cell)
    west_colour = layouts.west_colour[arrays.all_rows(cells), progress.room]
    codes: IntArray = (cells * len(COLOURS) + west_colour) * NUM_ROOMS + progress.room
    return codes


def observe(codes: IntArray, rules: PortalRules) -> Observations:
    """Look observations up by their codes: (envs,) to a fresh array (envs, 3, 3, vocabulary)."""
    table = _paint_distinct(min(rules.room_size, _LARGEST_DISTINCT))
    observations: Observations = namespace_of(codes).take(table, codes)
    return observations
