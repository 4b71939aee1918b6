"""An episode as it is played step by step by one agent in one environment, with pictures where it can draw them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlmem.actor_critic import ActorCritic
from rlmem.agents.trace_pictures import Frame
from rlmem.observation_leaves import leaves

_VIEW_TILE_PIXELS = 24


@dataclass
class RecordedEpisode:
    """What an episode gave; lists have one entry a step.

    Args:
        observations: leaves (...) as the environment gave them.
        outputs: (outputs,), what the action head makes distributions of.
        actions: (...) as the environment took them.
        values: of the observations.
        rewards: of the actions.
        frames: pictures of the environment (height, width, 3); empty if it draws none.
        views: pictures of what the agent sees, likewise.
        is_success: what the environment reported at the end, or None.
        is_truncated: the episode was cut off.
    """

    observations: list[tuple[NDArray[Any], ...]] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    actions: list[NDArray[Any]] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    views: list[Frame] = field(default_factory=list)
    is_success: bool | None = None
    is_truncated: bool = False


def play_recorded_episode(
    policy: ActorCritic, env: gym.Env[Any, Any], seed: int, generator: torch.Generator | None
) -> RecordedEpisode:
    """Play one episode to its end, with one acting cache, which drops dead memories by itself.

    Args:
        policy: the actor-critic.
        env: one environment.
        seed: of the episode.
        generator: source of the actions' randomness; None: the likeliest action.
    """
    record = RecordedEpisode()
    device = policy.heads.weight.device
    seen, _ = env.reset(seed=seed)
    cache = policy.open(policy.core.initial_state(1), sys.maxsize)
    is_over = False
    while not is_over:
        for pictures, picture in zip((record.frames, record.views), take_pictures(env), strict=True):
            if picture is not None:
                pictures.append(picture)
        observation = tuple(np.array(leaf) for leaf in leaves(policy.observation_space, seen))
        batch = tuple(torch.as_tensor(leaf, device=device)[None] for leaf in observation)
        outputs, value, _ = cache.step(batch, torch.tensor([not record.rewards], device=device))
        action = choose_action(policy, outputs, generator)
        seen, reward, terminated, truncated, info = env.step(action)
        record.observations.append(observation)
        record.outputs.append(outputs[0])
        record.actions.append(np.asarray(action))
        record.values.append(float(value[0]))
        record.rewards.append(float(reward))
        is_over = terminated or truncated
    record.is_truncated = bool(truncated and not terminated)
    record.is_success = bool(info["is_success"]) if "is_success" in info else None
    return record


def choose_action(policy: ActorCritic, outputs: Tensor, generator: torch.Generator | None) -> Any:
    """One action as the environment takes it.

    Args:
        policy: the actor-critic.
        outputs: (1, outputs), what the action head makes distributions of.
        generator: source of the randomness; None: the likeliest action.
    """
    head = policy.action_head
    chosen = head.mode(outputs) if generator is None else head.sample(outputs, head.noise((1,), generator))
    return head.to_environment(chosen.cpu().numpy())[0]


def take_pictures(env: gym.Env[Any, Any]) -> tuple[Frame | None, Frame | None]:
    """Pictures (height, width, 3) of the environment and of what the agent sees; None for what it does not draw."""
    if env.render_mode != "rgb_array":
        return None, None
    picture: Any = env.render()
    draw: Any = getattr(env.unwrapped, "get_pov_render", None)  # MiniGrid's environments and ours
    view = None if draw is None else np.array(draw(tile_size=_VIEW_TILE_PIXELS), dtype=np.uint8)
    return np.array(picture, dtype=np.uint8), view
