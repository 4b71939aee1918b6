"""The Gymnasium ids of our environments; strings only, so registering imports no environment."""

from __future__ import annotations

import gymnasium as gym


def register_envs() -> None:
    """Register the environments once; ``import rlmem`` calls this.

    The step limit is Gymnasium's own setting, so that ``gym.make(..., max_episode_steps=n)`` can lengthen episodes as
    well as shorten them, and ``gym.make_vec`` hands it to the batch environment.
    """
    if "rlmem/Corridor-v0" in gym.registry:
        return
    gym.register(
        id="rlmem/Corridor-v0",
        entry_point="rlmem.envs.corridor:CorridorUnderTimeLimit",
        vector_entry_point="rlmem.envs.corridor_vector:VectorCorridorEnv",
        max_episode_steps=1000,
    )
    gym.register(
        id="rlmem/MultiRoomPortal-v0",
        entry_point="rlmem.envs.portal:PortalUnderTimeLimit",
        vector_entry_point="rlmem.envs.portal_vector:VectorPortalEnv",
        max_episode_steps=1000,
    )
