"""Scripted players of the Multi-Room Portal: the marks that an agent's score is read against.

Rooms visited in an episode with the default arguments, means of 2000 episodes, standard errors up to 0.07:

    perfect memory       34.8 (standard deviation 3.3, return 384)
    the last 100 steps   33.7
    the last 75 steps    27.0
    the last 50 steps    18.0
    the last 30 steps    12.1
    the last 20 steps     8.1
    random actions        2.9 (`rlmem.envs.players.RandomPlayer`)
    always west           2.0
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rlmem.envs.grid_world import EAST, WEST, BoolArray, IntArray
from rlmem.envs.players import batch_views, shape_actions
from rlmem.envs.vocabulary import NUM_ROOMS, WORD_INDEX
from rlmem.errors import UsageError

_DOOR, _FIRST_ROOM = WORD_INDEX["door"], WORD_INDEX["room-1"]
_NEVER = -(2**62)  # long before any step


class PortalOracle:
    """Tries a random door of a room that it does not know, and takes the right one from then on.

    It walks west or east from the centre where it enters, chooses there, and keeps to its choice until a door has led
    somewhere. It plays by what it sees: the room's number, and a door beside it. The number after a door is one higher
    if the door was right; then that side is right, otherwise the other one. Since rooms stay the same throughout an
    episode, a side serves as well as a colour. It must see an episode from its start.

    With `memory_steps` m it remembers only the observations of the last m steps. To know a room's right side at step t
    it needs the whole of its last visit: the observation in the room's centre where it chose a side, made at step t - m
    or later, and what followed, up to the room where the door led. Otherwise it guesses again, each side with
    probability 1/2, although the second mistake in a room ends the episode. In rooms of 5 x 5, where a visit takes 3
    steps, it finds its way back after a mistake in room k if 3 k is at most m.
    """

    def __init__(self, seed: int | np.random.Generator, memory_steps: int | None = None) -> None:
        """Make a player that has seen nothing.

        Args:
            seed: for its guesses; a generator is used as it is.
            memory_steps: how many steps it remembers, at least 1; None: all.

        Raises:
            UsageError: `memory_steps` is below 1.
        """
        if memory_steps is not None and memory_steps < 1:
            raise UsageError(f"memory_steps is {memory_steps}, but it counts remembered steps: pass 1 or more, or None")
        self._generator = np.random.default_rng(seed)
        self._reach = 2**61 if memory_steps is None else memory_steps
        self._begin(num_envs=0)

    def _begin(self, num_envs: int) -> None:
        """Forget everything, and play `num_envs` episodes from now on."""
        self._step = 0
        self._goes: IntArray = np.full(num_envs, WEST)  # (envs,), the side of the present choice
        self._room: IntArray = np.zeros(num_envs, dtype=np.int64)  # (envs,), where it was, from 0
        self._was_at_door: BoolArray = np.zeros(num_envs, dtype=bool)  # (envs,), and it walked into it
        self._chose_at: IntArray = np.zeros(num_envs, dtype=np.int64)  # (envs,), the step of the present choice
        self._right_side: IntArray = np.full((num_envs, NUM_ROOMS), WEST)  # (envs, rooms), as its last choice showed
        self._known_since: IntArray = np.full((num_envs, NUM_ROOMS), _NEVER)  # (envs, rooms), the step of that choice

    def __call__(self, observations: npt.ArrayLike, is_first: npt.ArrayLike) -> IntArray:
        """Choose actions, see `rlmem.envs.players.Player`."""
        views, starts = batch_views(observations, is_first)
        if len(self._room) != len(views):
            self._begin(len(views))
        self._step += 1
        rooms = views[:, 1, 1, _FIRST_ROOM : _FIRST_ROOM + NUM_ROOMS].argmax(axis=1)
        self._known_since[starts] = _NEVER
        arrivals = np.flatnonzero(self._was_at_door & ~starts)
        self._learn(arrivals, rooms[arrivals])
        chooses = starts | self._was_at_door
        self._choose(np.flatnonzero(chooses), rooms[chooses])
        self._room = rooms
        ahead = np.where(self._goes == WEST, 0, 2)  # the column of the cell that it walks into
        self._was_at_door = views[np.arange(len(views)), 1, ahead, _DOOR] == 1
        return shape_actions(self._goes.copy(), observations)

    def _learn(self, rows: IntArray, rooms: IntArray) -> None:
        """Take down which side of the last rooms is right, now that their doors led to `rooms`, (len(rows),)."""
        left, side = self._room[rows], self._goes[rows]
        self._right_side[rows, left] = np.where(rooms == left + 1, side, WEST + EAST - side)
        self._known_since[rows, left] = self._chose_at[rows]

    def _choose(self, rows: IntArray, rooms: IntArray) -> None:
        """Choose a side of the rooms just entered, (len(rows),)."""
        is_known = self._step - self._known_since[rows, rooms] <= self._reach
        guesses = self._generator.integers(WEST, EAST + 1, size=len(rows))
        self._chose_at[rows] = self._step
        self._goes[rows] = np.where(is_known, self._right_side[rows, rooms], guesses)
