"""Scripted players, those of the Corridor and the random one: the marks that an agent's score is read against.

A player sees what an agent sees, observations and episode starts, never the layout. It is called with a batch of
observations (envs, 3, 3, vocabulary) and `is_first` (envs,), True where an observation is the first of its episode, and
returns actions (envs,) int64. One observation (3, 3, vocabulary) with one bool gives one action, of shape ().
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from rlmem.envs.grid_world import ACTIONS, EAST, NORTH, SOUTH, BoolArray, IntArray
from rlmem.envs.vocabulary import OBSERVATION_SHAPE, WORD_INDEX
from rlmem.errors import UsageError

_DOOR, _OBJECT, _RED, _BLUE = (WORD_INDEX[word] for word in ("door", "object", "red", "blue"))


class Player(Protocol):
    """Chooses actions from observations."""

    def __call__(self, observations: npt.ArrayLike, is_first: npt.ArrayLike) -> IntArray:
        """Choose actions.

        Args:
            observations: (envs, 3, 3, vocabulary), or one (3, 3, vocabulary).
            is_first: (envs,) bool, or one bool: whether the observation is the first of its episode.

        Returns:
            Actions, (envs,) int64; shape () for one observation.
        """
        ...


class OraclePlayer:
    """Remembers the object's colour, walks east, takes the door of that colour: scores 1.

    Where it never saw an object, as when it takes over in the middle of an episode, it takes the north door.
    """

    def __init__(self) -> None:
        """Make a player that has seen nothing."""
        self._is_red: BoolArray = np.zeros(0, dtype=bool)  # (envs,), what it remembers
        self._is_blue: BoolArray = np.zeros(0, dtype=bool)

    def __call__(self, observations: npt.ArrayLike, is_first: npt.ArrayLike) -> IntArray:
        """Choose actions, see `Player`."""
        views, starts = batch_views(observations, is_first)
        if len(self._is_red) != len(views):
            self._is_red = np.zeros(len(views), dtype=bool)
            self._is_blue = np.zeros(len(views), dtype=bool)
        has_object = views[..., _OBJECT] == 1  # (envs, 3, 3)
        sees_red = (has_object & (views[..., _RED] == 1)).any(axis=(1, 2))
        sees_blue = (has_object & (views[..., _BLUE] == 1)).any(axis=(1, 2))
        self._is_red = np.where(sees_red | sees_blue | starts, sees_red, self._is_red)
        self._is_blue = np.where(sees_red | sees_blue | starts, sees_blue, self._is_blue)
        south = views[:, 2, 1]  # the cell south of the agent, (envs, vocabulary)
        goes_south = (self._is_red & (south[:, _RED] == 1)) | (self._is_blue & (south[:, _BLUE] == 1))
        return shape_actions(np.where(_stands_at_doors(views), np.where(goes_south, SOUTH, NORTH), EAST), observations)


class MemorylessPlayer:
    """Walks east and takes one of the two doors at random: scores 0.5."""

    def __init__(self, seed: int | np.random.Generator) -> None:
        """Make a player.

        Args:
            seed: for its choices of doors; a generator is used as it is.
        """
        self._generator = np.random.default_rng(seed)

    def __call__(self, observations: npt.ArrayLike, is_first: npt.ArrayLike) -> IntArray:
        """Choose actions, see `Player`."""
        views, _ = batch_views(observations, is_first)
        doors = self._generator.integers(2, size=len(views))  # NORTH or SOUTH
        return shape_actions(np.where(_stands_at_doors(views), doors, EAST), observations)


class RandomPlayer:
    """Takes each of the four actions with equal probability, in any of our environments.

    With the default arguments it scores about 0.07 in the Corridor, and visits 2.9 rooms of the Multi-Room Portal.
    """

    def __init__(self, seed: int | np.random.Generator) -> None:
        """Make a player.

        Args:
            seed: for its actions; a generator is used as it is.
        """
        self._generator = np.random.default_rng(seed)

    def __call__(self, observations: npt.ArrayLike, is_first: npt.ArrayLike) -> IntArray:
        """Choose actions, see `Player`."""
        views, _ = batch_views(observations, is_first)
        return shape_actions(self._generator.integers(len(ACTIONS), size=len(views)), observations)


def batch_views(observations: npt.ArrayLike, is_first: npt.ArrayLike) -> tuple[npt.NDArray[np.uint8], BoolArray]:
    """Make one observation a batch of one, and check shapes.

    Args:
        observations: (envs, 3, 3, vocabulary), or one (3, 3, vocabulary).
        is_first: (envs,) bool, or one bool.

    Returns:
        The observations, (envs, 3, 3, vocabulary), and `is_first`, (envs,).

    Raises:
        UsageError: other shapes.
    """
    views = np.asarray(observations)
    starts = np.asarray(is_first, dtype=bool)
    if views.shape[-3:] != OBSERVATION_SHAPE or views.ndim not in (3, 4) or starts.shape != views.shape[:-3]:
        raise UsageError(
            f"got observations of shape {views.shape} with is_first of shape {starts.shape}: pass observations "
            f"(envs, {', '.join(map(str, OBSERVATION_SHAPE))}) with is_first (envs,), or one observation with one bool"
        )
    return views.reshape(-1, *OBSERVATION_SHAPE), starts.reshape(-1)


def shape_actions(actions: IntArray, observations: npt.ArrayLike) -> IntArray:
    """Give one observation one action: (envs,) stays, or becomes ()."""
    return actions.reshape(np.shape(observations)[:-3])


def _stands_at_doors(views: npt.NDArray[np.uint8]) -> BoolArray:
    """Say where a door is directly north of the agent, (envs,); then one is south of it, too."""
    is_there: BoolArray = views[:, 0, 1, _DOOR] == 1
    return is_there
