"""Many Corridors at once, in array code; ``gym.make_vec("rlmem/Corridor-v0", num_envs=64)`` makes them."""

from __future__ import annotations

from rlmem.envs.corridor_episodes import CorridorEpisodes
from rlmem.envs.corridor_specification import CorridorRules, Layouts
from rlmem.envs.word_vector_env import VectorWordEnv


class VectorCorridorEnv(VectorWordEnv[Layouts]):
    """`num_envs` Corridors, each as `rlmem.envs.corridor.CorridorEnv` says, stepped together.

    Autoreset, infos, seeds and saved states are those of `VectorWordEnv`. Infos: ``is_success`` and ``length``. Options
    of ``reset``: ``length``, ``object_colour``, ``red_door`` (one value, or num_envs values) and ``reset_mask``. A
    saved state's arrays: ``columns``, ``steps``, ``length``, ``object_colour``, ``red_door``, (num_envs,) int64 each.
    """

    def __init__(
        self,
        num_envs: int,
        min_length: int = 3,
        max_length: int = 200,
        max_episode_steps: int | None = 1000,
        render_mode: str | None = None,
    ) -> None:
        """Make the environments.

        Args:
            num_envs: how many, at least 1.
            min_length: shortest corridor, in cells, at least 3.
            max_length: longest corridor, in cells.
            max_episode_steps: steps after which an episode is truncated; None: no limit.
            render_mode: None, or "rgb_array" for one frame an environment.

        Raises:
            UsageError: an argument that cannot be.
        """
        self.rules = CorridorRules(min_length, max_length, max_episode_steps)
        episodes = CorridorEpisodes(self.rules, num_envs)
        super().__init__(episodes, render_mode, episodes.fold.tile_pixels)
