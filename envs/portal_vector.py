"""Many Multi-Room Portals at once; ``gym.make_vec("rlmem/MultiRoomPortal-v0", num_envs=64)`` makes them."""

from __future__ import annotations

from rlmem.envs.portal_drawing import choose_tile_pixels
from rlmem.envs.portal_episodes import PortalEpisodes
from rlmem.envs.portal_specification import Layouts, PortalRules
from rlmem.envs.vocabulary import NUM_ROOMS
from rlmem.envs.word_vector_env import VectorWordEnv


class VectorPortalEnv(VectorWordEnv[Layouts]):
    """`num_envs` Multi-Room Portals, each as `rlmem.envs.portal.PortalEnv` says, stepped together.

    Autoreset, infos, seeds and saved states are those of `VectorWordEnv`. Infos: ``is_success`` and ``rooms_visited``,
    which starts at 1 again with each episode; where an episode ended, ``final_info`` has the ended one's.

    Options of ``reset``: ``west_colour``, ``right_colour`` (one word, num_rooms words for all environments, or
    (num_envs, num_rooms) words) and ``reset_mask``. A saved state's arrays: ``room``, ``cell``, ``rooms_visited``,
    ``steps``, (num_envs,) int64; ``west_colour``, ``right_colour``, (num_envs, num_rooms) int64; ``has_erred``,
    (num_envs, num_rooms) bool.
    """

    def __init__(
        self,
        num_envs: int,
        num_rooms: int = NUM_ROOMS,
        room_size: int = 5,
        max_episode_steps: int | None = 1000,
        render_mode: str | None = None,
    ) -> None:
        """Make the environments.

        Args:
            num_envs: how many, at least 1.
            num_rooms: rooms in sequence, 2 to 50.
            room_size: cells from wall to wall, odd, at least 3.
            max_episode_steps: steps after which an episode is truncated; None: no limit.
            render_mode: None, or "rgb_array" for one frame an environment.

        Raises:
            UsageError: an argument that cannot be.
        """
        self.rules = PortalRules(num_rooms, room_size, max_episode_steps)
        super().__init__(PortalEpisodes(self.rules, num_envs), render_mode, choose_tile_pixels(room_size))
