"""The Multi-Room Portal as a MiniGrid environment: one agent, pictures, human play, ``gym.make``."""

from __future__ import annotations

from rlmem.envs.portal_drawing import choose_tile_pixels
from rlmem.envs.portal_episodes import PortalEpisodes
from rlmem.envs.portal_specification import Layouts, PortalRules
from rlmem.envs.vocabulary import NUM_ROOMS
from rlmem.envs.word_env import WordEnv


def _mission() -> str:
    return "find each room's right door, and remember it: the wrong one leads back to the first room"


class PortalEnv(WordEnv[Layouts]):
    """Rooms in sequence with two doors each, one of which leads on and the other back to the first room.

    Observation: the words of the 3 x 3 cells around the agent, (3, 3, vocabulary) uint8 of zeros and ones, north-west
    cell first (`rlmem.envs.vocabulary`). A room is `room_size` x `room_size` cells. A red and a blue door are in the
    middle of its west and its east wall; all other cells of the walls are blocks. The agent's cell shows the room's
    number, "room-1" and so on.

    Action: 0 north, 1 south, 2 west, 3 east. The agent has no heading. A wall leaves it where it is; a door is entered
    at once.

    Start: the agent in the first room's centre; for every room, the colour of the west door and the colour that is
    right drawn uniformly. They stay the same throughout the episode; the right colour is shown nowhere. ``reset`` takes
    ``options`` that force either: ``west_colour`` and ``right_colour``, "red" or "blue" for all rooms or a sequence of
    num_rooms of these words, first room first.

    Reward: 0.1 k for entering the right door of room k (1, 2, ...), which leads to the centre of room k + 1; 0 for the
    wrong door, which leads to the centre of room 1; otherwise 0.

    Termination: the last room was reached, or the wrong door of a room was entered for the second time in the episode.
    The final observation is what the agent sees where the door led.

    Truncation: after `max_episode_steps` steps. As with Gymnasium's TimeLimit, a step that terminates and is the last
    one allowed is terminated and truncated.

    Info: ``is_success`` (bool, whether this step reached the last room), ``rooms_visited`` (int, the number of the
    furthest room entered so far, from 1).
    """

    def __init__(
        self,
        num_rooms: int = NUM_ROOMS,
        room_size: int = 5,
        max_episode_steps: int | None = 1000,
        render_mode: str | None = None,
    ) -> None:
        """Make the environment.

        Args:
            num_rooms: rooms in sequence, 2 to 50.
            room_size: cells from wall to wall, odd, at least 3.
            max_episode_steps: steps after which an episode is truncated; None: no limit.
            render_mode: None, "human", "rgb_array" or "ansi".

        Raises:
            UsageError: an argument that cannot be.
        """
        self.rules = PortalRules(num_rooms, room_size, max_episode_steps)
        self._number_on_grid = 0
        self._portals = PortalEpisodes(self.rules, num_envs=1)
        size = (room_size + 2, room_size + 2)
        super().__init__(self._portals, _mission, size, choose_tile_pixels(room_size), render_mode)

    def _place_agent(self) -> None:
        number = self._portals.room(0).number
        if number != self._number_on_grid:  # MiniGrid's grid is one room: another one now
            self._number_on_grid = number
            self.grid = self._portals.build_grid()
        super()._place_agent()


class PortalUnderTimeLimit(PortalEnv):
    """What ``gym.make`` makes: a Multi-Room Portal that leaves its step limit to Gymnasium.

    ``gym.make`` keeps `max_episode_steps` for its TimeLimit wrapper and never hands it on; with a limit of its own, the
    environment would cut longer episodes short in silence. Episodes are those of `PortalEnv`.
    """

    def __init__(self, num_rooms: int = NUM_ROOMS, room_size: int = 5, render_mode: str | None = None) -> None:
        """Make the environment; arguments as for `PortalEnv`."""
        super().__init__(num_rooms, room_size, max_episode_steps=None, render_mode=render_mode)
