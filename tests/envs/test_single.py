"""One environment from its id: unknown ids, refused keywords, MiniGrid as words."""

from __future__ import annotations

import sys
from pathlib import Path

import gymnasium as gym
import pytest
from minigrid.wrappers import FullyObsWrapper, ImgObsWrapper

from rlmem.envs.minigrid_words import MiniGridWords
from rlmem.envs.single import find_spec, make_single_env
from rlmem.errors import UsageError


@pytest.mark.parametrize(
    ("env_id", "message"),
    [
        ("CartPole-v9", r"no environment 'CartPole-v9' \(near it: .*CartPole-v1"),
        ("MiniGrid-MemoryS8-v0", r"near it: .*MiniGrid-MemoryS7-v0"),
        ("rlmem/Coridor-v0", r"near it: rlmem/Corridor-v0"),
        ("zzz", r"no environment 'zzz': correct the id, or .* 'mymodule:zzz'"),
        ("no_such_module:Env-v0", r"module 'no_such_module' .* cannot be imported \(ModuleNotFoundError"),
    ],
)
def test_unknown_ids(env_id: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_spec(env_id)
    with pytest.raises(UsageError, match=message):
        make_single_env(env_id)


def test_a_module_that_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raising_envs.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=r"'raising_envs:Env-v0' cannot be imported \(ZeroDivisionError"):
        find_spec("raising_envs:Env-v0")
    assert "raising_envs" not in sys.modules


def test_refused_keywords() -> None:
    with pytest.raises(UsageError, match=r"cannot be made with the keywords {'colour': 3} .*unexpected keyword"):
        make_single_env("CartPole-v1", colour=3)
    with pytest.raises(UsageError, match="min_length is 1"):
        make_single_env("rlmem:rlmem/Corridor-v0", min_length=1)


def test_keywords_and_wrappers_are_used() -> None:
    env = make_single_env("CartPole-v1", max_episode_steps=7, wrappers=[gym.wrappers.TimeAwareObservation])
    assert isinstance(env, gym.wrappers.TimeAwareObservation)
    assert env.spec is not None
    assert env.spec.max_episode_steps == 7


def test_minigrid_comes_in_words() -> None:
    space = make_single_env("BabyAI-GoToRedBall-v0").observation_space
    assert isinstance(space, gym.spaces.Dict)
    assert space["mission"].shape == (1, 72, 32)
    full = make_single_env("MiniGrid-Empty-5x5-v0", wrappers=[FullyObsWrapper])
    assert full.observation_space.shape == (5, 5, 23)
    for other in (
        make_single_env("rlmem/Corridor-v0"),
        make_single_env("MiniGrid-Empty-5x5-v0", wrappers=[ImgObsWrapper]),
    ):
        assert not isinstance(other, MiniGridWords)
