"""Other people's learners on our environments, our agent in their evaluation, and their environments in our learner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import rlmem
from rlmem.agents.learner_config import LearnerConfig
from rlmem.experiments.cli import main
from rlmem.model_config import ModelConfig

OURS = ("rlmem/Corridor-v0", "rlmem/MultiRoomPortal-v0")
SMALL = ModelConfig(model=16, feedforward=16, max_span=16, ramp=4, position_reach=16)


def stable_baselines(env_id: str) -> Any:
    pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed")
    from stable_baselines3.common.env_util import make_vec_env

    return make_vec_env(env_id, n_envs=4, seed=0)


@pytest.mark.parametrize("env_id", OURS)
def test_stable_baselines3_ppo_trains_10000_steps(env_id: str) -> None:
    envs = stable_baselines(env_id)
    from stable_baselines3 import PPO

    model = PPO("MlpPolicy", envs, n_steps=256, batch_size=256, n_epochs=2, seed=0, device="cpu")
    model.learn(10_000)
    assert model.num_timesteps >= 10_000
    episodes = [episode["r"] for episode in model.ep_info_buffer]  # type: ignore[union-attr]
    assert episodes, "no episode ended"
    assert all(np.isfinite(episodes))


@pytest.mark.parametrize("env_id", OURS)
def test_sb3_contrib_recurrent_ppo_trains_10000_steps(env_id: str) -> None:
    contrib = pytest.importorskip("sb3_contrib", reason="sb3-contrib is not installed")
    envs = stable_baselines(env_id)
    sizes = {"lstm_hidden_size": 16, "net_arch": []}
    model = contrib.RecurrentPPO(
        "MlpLstmPolicy", envs, n_steps=256, batch_size=512, n_epochs=1, policy_kwargs=sizes, seed=0, device="cpu"
    )
    model.learn(10_000)
    assert model.num_timesteps >= 10_000


def test_stable_baselines3_evaluates_our_agent_unchanged() -> None:
    pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed")
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    agent = rlmem.Agent.load("corridor-expire-span", device="cpu")
    envs = make_vec_env("rlmem/Corridor-v0", n_envs=3, seed=0, env_kwargs={"max_length": 60})
    rewards, lengths = evaluate_policy(agent, envs, n_eval_episodes=12, return_episode_rewards=True)  # type: ignore[arg-type]
    assert len(rewards) == 12  # type: ignore[arg-type]
    assert np.mean(rewards) >= 11 / 12  # the memory of each row goes in and out, or half of the doors would be wrong
    assert min(lengths) >= 3  # type: ignore[arg-type]


@pytest.mark.parametrize("env_id", ["popgym-RepeatPreviousEasy-v0", "popgym-PositionOnlyCartPoleEasy-v0"])
def test_popgym_trains_through_the_command_line(env_id: str, tmp_path: Path) -> None:
    pytest.importorskip("popgym", reason="popgym is not installed")
    words = (
        f"train --env-id popgym:{env_id} --total-timesteps 1024 --num-envs 4 --num-steps 16 --num-minibatches 2 "
        f"--model 16 --feedforward 16 --eval-interval 512 --eval-episodes 4 --num-threads 1 --quiet --name run "
        f"--output {tmp_path} --previous-action --previous-reward"
    )
    assert main(words.split()) == 0
    (folder,) = tmp_path.glob("*/run")
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["step"] == 1024
    assert np.isfinite(last["eval/mean_reward"])


def test_popgym_through_the_library() -> None:
    pytest.importorskip("popgym", reason="popgym is not installed")
    learner = LearnerConfig(num_steps=16, num_minibatches=2)
    agent = rlmem.Agent("popgym:popgym-AutoencodeEasy-v0", num_envs=4, model=SMALL, learner=learner, device="cpu")
    agent.learn(256)
    env = gym.make("popgym-AutoencodeEasy-v0")
    observation, _ = env.reset(seed=0)
    action, _ = agent.predict(observation)
    assert env.action_space.contains(action)


@pytest.mark.parametrize("env_id", OURS)
def test_gymnasiums_wrappers_record_episodes_and_videos(env_id: str, tmp_path: Path) -> None:
    pytest.importorskip("moviepy", reason="moviepy is not installed")
    env: gym.Env[Any, Any] = gym.make(env_id, render_mode="rgb_array", max_episode_steps=6)
    env = gym.wrappers.RecordVideo(
        env, str(tmp_path / "videos"), episode_trigger=lambda number: number == 0, disable_logger=True
    )
    env = gym.wrappers.RecordEpisodeStatistics(env)
    env.reset(seed=0)
    is_over = False
    info: dict[str, Any] = {}
    while not is_over:
        _, _, terminated, truncated, info = env.step(0)
        is_over = terminated or truncated
    env.close()
    assert info["episode"]["l"] == 6
    assert [path.stat().st_size > 1000 for path in (tmp_path / "videos").glob("*.mp4")] == [True]
