"""What the learner's tests share: tiny policies, short corridors, and a record of what the environments gave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray

import rlmem  # noqa: F401  # registers the environments
from rlmem.actor_critic import ActorCritic
from rlmem.envs.corridor_vector import VectorCorridorEnv
from rlmem.envs.vocabulary import WORDS
from rlmem.model_config import ModelConfig
from rlmem.word_space import WordSpace


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _policy(seed: int = 0, head_scale: float = 1.0, is_fresh: bool = False, **overrides: Any) -> ActorCritic:
    sizes: dict[str, Any] = {"model": 16, "heads": 2, "feedforward": 16, "position_reach": 6, "max_span": 8, "ramp": 3}
    torch.manual_seed(seed)
    policy = ActorCritic(ModelConfig(**(sizes | overrides)), WordSpace(3, 3, WORDS), Discrete(4))
    if is_fresh:
        return policy
    with torch.no_grad():
        policy.heads.weight[:4] = torch.randn(4, policy.config.model) * 0.02 * head_scale
        policy.heads.weight[4] = torch.randn(policy.config.model) * 0.25
        for layer in policy.core.layer_list():
            for parameter in layer.memory.parameters():
                parameter.add_(torch.randn(parameter.shape))
    return policy


@pytest.fixture
def make_policy() -> Callable[..., ActorCritic]:
    """A tiny policy; its spans differ, and `head_scale` sets how far it is from uniform, unless it `is_fresh`."""
    return _policy


class RecordingEnvs(VectorWrapper[Any, Any, Any, Any, Any]):
    """Plays on and remembers the seeds of each reset and what each step returned."""

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        self.seeds: list[Any] = []
        self.steps: list[tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]] = []
        self.first_observation: Any = None

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.seeds.append(seed)
        observation, infos = self.env.reset(seed=seed, options=options)
        self.first_observation = np.copy(observation)
        return observation, infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        step = self.env.step(actions)
        self.steps.append(step)
        return step


def _corridors(
    num_envs: int = 6, kind: str = "batch", min_length: int = 3, max_length: int = 4, max_episode_steps: int = 7
) -> RecordingEnvs:
    if kind == "batch":
        return RecordingEnvs(VectorCorridorEnv(num_envs, min_length, max_length, max_episode_steps))
    envs = gym.make_vec(
        "rlmem/Corridor-v0",
        num_envs=num_envs,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
        min_length=min_length,
        max_length=max_length,
        max_episode_steps=max_episode_steps,
    )
    return RecordingEnvs(envs)


@pytest.fixture
def make_corridors() -> Callable[..., RecordingEnvs]:
    """Short corridors that record themselves, as batch environment (`batch`) or Gymnasium's SyncVectorEnv (`sync`)."""
    return _corridors
