"""The agent as a library object, used as Stable-Baselines3's users use theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import rlmem
from rlmem.agents.learner_config import LearnerConfig
from rlmem.envs.corridor_vector import VectorCorridorEnv
from rlmem.errors import UsageError
from rlmem.experiments.agent import Agent
from rlmem.memory_state import MemoryState
from rlmem.model_config import ModelConfig

SMALL = ModelConfig(model=16, feedforward=16, max_span=8, ramp=2, position_reach=8, initial_span_fraction=(0.3,))
LEARNER = LearnerConfig(num_steps=8, num_minibatches=2, update_epochs=1)


def make_agent(env: Any = "rlmem/Corridor-v0", **others: Any) -> Agent:
    if isinstance(env, str) and "Corridor" in env:
        others.setdefault("env_kwargs", {"max_length": 5, "max_episode_steps": 12})
    arguments: dict[str, Any] = {"num_envs": 4, "device": "cpu"} | others
    return Agent(env, model=SMALL, learner=LEARNER, **arguments)


def weights(agent: Agent) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in agent.policy.parameters()]


def test_the_package_offers_it() -> None:
    assert rlmem.Agent is Agent


def test_predicting_step_by_step_is_acting_on_one_long_cache() -> None:
    agent = make_agent()
    envs = VectorCorridorEnv(3, max_length=5, max_episode_steps=12)
    observation, _ = envs.reset(seed=1)
    cache = agent.policy.open(agent.policy.core.initial_state(3), 60)
    state, start = None, np.ones(3, dtype=bool)
    for _ in range(60):
        outputs, _, _ = cache.step((torch.as_tensor(observation),), torch.as_tensor(start))
        action, state = agent.predict(observation, state, start, deterministic=True)
        np.testing.assert_array_equal(action, outputs.argmax(-1))
        forced = np.where(np.arange(3) == 0, 3, action)
        observation, _, terminated, truncated, _ = envs.step(forced)
        start = terminated | truncated


def test_a_state_that_was_given_is_not_changed() -> None:
    agent = make_agent()
    observation, _ = VectorCorridorEnv(2).reset(seed=0)
    _, first = agent.predict(observation)
    kept = {name: tensor.clone() for name, tensor in first.tensors().items()}
    later = [agent.predict(observation, first, deterministic=True)[0] for _ in range(3)]
    assert all(torch.equal(first.tensors()[name], tensor) for name, tensor in kept.items())
    assert all(np.array_equal(later[0], other) for other in later)


def test_one_observation_gives_one_action() -> None:
    agent = make_agent()
    env = gym.make("rlmem/Corridor-v0")
    observation, _ = env.reset(seed=0)
    action, state = agent.predict(observation)
    assert np.shape(action) == ()
    assert isinstance(state, MemoryState)
    env.step(action)
    again, _ = agent.predict(observation, state, episode_start=np.array([False]))
    assert np.shape(again) == ()


def test_wrong_observations_and_states_are_refused() -> None:
    agent = make_agent()
    with pytest.raises(UsageError, match="got an observation of shapes"):
        agent.predict(np.zeros((3, 3, 5), dtype=np.uint8))
    observation, _ = VectorCorridorEnv(2).reset(seed=0)
    _, state = agent.predict(observation)
    with pytest.raises(UsageError, match="state of 2 rows"):
        agent.predict(np.concatenate([observation, observation]), state)


def test_learning_in_two_parts_and_from_disk_is_learning_at_once(tmp_path: Path) -> None:
    whole = make_agent().learn(64).learn(64)
    parts = make_agent().learn(64)
    parts.save(tmp_path / "saved")
    env = gym.make_vec(
        "rlmem/Corridor-v0", 4, vectorization_mode="vector_entry_point", max_length=5, max_episode_steps=12
    )
    loaded = Agent.load(tmp_path / "saved", env, device="cpu").learn(64)
    assert loaded.num_timesteps == whole.num_timesteps == 128
    assert all(torch.equal(one, two) for one, two in zip(weights(whole), weights(loaded), strict=True))


def test_saving_overwrites_nothing(tmp_path: Path) -> None:
    agent = make_agent()
    agent.save(tmp_path / "a")
    with pytest.raises(UsageError, match="exists and is not overwritten"):
        agent.save(tmp_path / "a")
    with pytest.raises(UsageError, match="no environments to learn in"):
        Agent.load(tmp_path / "a", device="cpu").learn(10)


def test_pretrained_weights_load_and_play() -> None:
    agent = Agent.load("corridor-expire-span", device="cpu")
    envs = VectorCorridorEnv(20, max_length=30)
    observation, _ = envs.reset(seed=5)
    state, start, done, rewards = None, np.ones(20, dtype=bool), np.zeros(20, dtype=bool), 0.0
    while not done.all():
        action, state = agent.predict(observation, state, start, deterministic=True)
        observation, reward, terminated, truncated, _ = envs.step(action)
        rewards += float(reward[~done].sum())
        start = terminated | truncated
        done |= start
    assert rewards >= 19


def test_a_callback_sees_every_window() -> None:
    seen: list[dict[str, float]] = []
    make_agent().learn(96, callback=seen.append)
    assert len(seen) == 3
    assert all("train/value_loss" in metrics for metrics in seen)


def test_one_environment_and_environments_with_another_autoreset() -> None:
    learner = LearnerConfig(num_steps=8, num_minibatches=1)
    agent = Agent(gym.make("rlmem/Corridor-v0"), model=SMALL, learner=learner, device="cpu").learn(16)
    assert agent.num_timesteps == 16
    wrong = SyncVectorEnv([lambda: gym.make("rlmem/Corridor-v0")], autoreset_mode=AutoresetMode.NEXT_STEP)
    with pytest.raises(UsageError, match="SAME_STEP"):
        Agent(wrong, model=SMALL, learner=learner, device="cpu").learn(16)
