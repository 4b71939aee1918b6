"""The Corridor as a MiniGrid environment: one corridor, pictures, human play, ``gym.make``."""

from __future__ import annotations

from rlmem.envs.corridor_episodes import CorridorEpisodes
from rlmem.envs.corridor_specification import CorridorRules, Layouts
from rlmem.envs.word_env import WordEnv


def _mission() -> str:
    return "take the door of the object's colour"


class CorridorEnv(WordEnv[Layouts]):
    """A corridor with a coloured object at its start and two doors at its end: take the door of the object's colour.

    Observation: the words of the 3 x 3 cells around the agent, (3, 3, vocabulary) uint8 of zeros and ones, north-west
    cell first (`rlmem.envs.vocabulary`). Cells that are neither corridor, object nor door are blocks. The object, red
    or blue, is north of the first cell and seen from the first two cells only; one red and one blue door are north and
    south of the last cell.

    Action: 0 north, 1 south, 2 west, 3 east. The agent has no heading. A block leaves it where it is.

    Start: the agent in the first cell; the length, the object's colour and the doors' sides drawn uniformly. ``reset``
    takes ``options`` that force any of them: ``length`` (cells), ``object_colour`` ("red", "blue"), ``red_door``
    ("north", "south").

    Reward: 1 for entering the door of the object's colour, otherwise 0.

    Termination: a door was entered. The final observation is what the agent saw in front of it.

    Truncation: after `max_episode_steps` steps. As with Gymnasium's TimeLimit, a step that enters a door and is the
    last one allowed is terminated and truncated.

    Info: ``is_success`` (bool, whether this step entered the right door), ``length`` (int, cells).
    """

    def __init__(
        self,
        min_length: int = 3,
        max_length: int = 200,
        max_episode_steps: int | None = 1000,
        render_mode: str | None = None,
    ) -> None:
        """Make the environment.

        Args:
            min_length: shortest corridor, in cells, at least 3.
            max_length: longest corridor, in cells.
            max_episode_steps: steps after which an episode is truncated; None: no limit.
            render_mode: None, "human", "rgb_array" or "ansi".

        Raises:
            UsageError: an argument that cannot be.
        """
        self.rules = CorridorRules(min_length, max_length, max_episode_steps)
        episodes = CorridorEpisodes(self.rules, num_envs=1)
        fold = episodes.fold
        super().__init__(episodes, _mission, (fold.width, 3), fold.tile_pixels, render_mode)


class CorridorUnderTimeLimit(CorridorEnv):
    """What ``gym.make`` makes: a Corridor that leaves its step limit to Gymnasium.

    ``gym.make`` keeps `max_episode_steps` for its TimeLimit wrapper and never hands it on; with a limit of its own, the
    environment would cut longer episodes short in silence. Episodes are those of `CorridorEnv`.
    """

    def __init__(self, min_length: int = 3, max_length: int = 200, render_mode: str | None = None) -> None:
        """Make the environment; arguments as for `CorridorEnv`."""
        super().__init__(min_length, max_length, max_episode_steps=None, render_mode=render_mode)
