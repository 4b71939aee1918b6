"""The previous action and reward in the observation: single and batch agree, spaces, saved states."""

from __future__ import annotations

import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import rlmem  # noqa: F401  registers the environments
from rlmem.envs.previous_action import PreviousActionReward, VectorPreviousActionReward, none_action, with_none
from rlmem.envs.vectorise import vectorise
from rlmem.errors import UsageError

ACTION_SPACES: list[spaces.Space[Any]] = [
    spaces.Discrete(4),
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([2, 5]),
    spaces.Box(0.5, 2.0, (2,), np.float32),
    spaces.MultiBinary(3),
]


class Counter(gym.Env[Any, Any]):
    """Observes and rewards its step number; ends after a seeded number of steps, every second time by truncation."""

    def __init__(self, action_space: spaces.Space[Any], nested: bool = False) -> None:
        self.action_space = action_space
        box = spaces.Box(0, 100, (2,), np.float32)
        self.nested = nested
        self.observation_space = spaces.Dict({"a": box, "b": spaces.Discrete(101)}) if nested else box

    def observe(self) -> Any:
        array = np.full(2, self.steps, dtype=np.float32)
        return {"a": array, "b": np.int64(self.steps)} if self.nested else array

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps, self.length = 0, int(self.np_random.integers(1, 6))
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action in self.action_space
        self.steps += 1
        is_over = self.steps == self.length
        odd = self.length % 2 == 1
        return self.observe(), self.steps / 3, is_over and odd, is_over and not odd, {}


def assert_equal(ours: Any, theirs: Any) -> None:
    """Compare nested dictionaries of arrays; types and all."""
    assert type(ours) is type(theirs)
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for name, value in theirs.items():
            assert_equal(ours[name], value)
    elif isinstance(theirs, tuple) or (isinstance(theirs, np.ndarray) and theirs.dtype == object):
        for mine, other in zip(ours, theirs, strict=True):
            assert_equal(mine, other)
    elif theirs is not None:
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("action_space", ACTION_SPACES, ids=str)
@pytest.mark.parametrize("shown", [{}, {"action": False}, {"reward": False}])
@pytest.mark.parametrize("nested", [False, True])
def test_batch_equals_singles(action_space: spaces.Space[Any], shown: dict[str, bool], nested: bool) -> None:
    singles = SyncVectorEnv(
        [lambda: PreviousActionReward(Counter(action_space, nested), **shown)] * 3,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    plain = SyncVectorEnv([lambda: Counter(action_space, nested)] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    batch = VectorPreviousActionReward(plain, **shown)
    assert batch.single_observation_space == singles.single_observation_space
    assert batch.observation_space == singles.observation_space
    assert_equal(batch.reset(seed=4), singles.reset(seed=4))
    singles.action_space.seed(0)
    num_ended = 0
    for step in range(40):
        actions = singles.action_space.sample()
        ours, theirs = batch.step(actions), singles.step(actions)
        num_ended += int((ours[2] | ours[3]).sum())
        assert_equal(ours, theirs)
        assert ours[0] in batch.observation_space
        if step == 20:
            mask = np.array([True, False, True])
            assert_equal(
                batch.reset(options={"reset_mask": mask})[0], singles.reset(options={"reset_mask": mask.copy()})[0]
            )
    assert num_ended > 10


def test_what_is_shown() -> None:
    envs = VectorPreviousActionReward(vectorise(lambda: Counter(spaces.Discrete(4)), 2))
    observations, _ = envs.reset(seed=[0, 1])
    assert observations["previous_action"].tolist() == [4, 4]
    assert observations["previous_reward"].tolist() == [[0], [0]]
    lengths = [env.unwrapped.length for env in envs.unwrapped.envs]  # type: ignore[attr-defined]
    assert lengths == [5, 3]
    for _ in range(2):
        observations, *_ = envs.step(np.array([2, 3]))
    assert observations["previous_action"].tolist() == [2, 3]
    assert np.allclose(observations["previous_reward"], 2 / 3)
    observations, rewards, terminations, _, infos = envs.step([1, 0])
    assert terminations.tolist() == [False, True]
    assert observations["previous_action"].tolist() == [1, 4]
    assert observations["previous_reward"].tolist() == [[1], [0]]
    assert rewards.tolist() == [1, 1]
    assert infos["final_obs"][0] is None
    assert_equal(
        infos["final_obs"][1],
        {
            "observation": np.full(2, 3, np.float32),
            "previous_action": np.int64(0),
            "previous_reward": np.array([1], np.float32),
        },
    )


@pytest.mark.parametrize("action_space", ACTION_SPACES, ids=str)
def test_none_is_a_previous_action_and_so_are_all_actions(action_space: spaces.Space[Any]) -> None:
    space = with_none(action_space)
    assert none_action(space)[()] in space
    assert action_space.sample() in space
    if not isinstance(action_space, spaces.MultiBinary):
        assert none_action(space)[()] not in action_space


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")  # it is: a wrapper is checked
@pytest.mark.filterwarnings("ignore:.*value is -?infinity")  # a reward can be any
def test_gymnasium_accepts_it() -> None:
    check_env(PreviousActionReward(gym.make("rlmem/Corridor-v0").unwrapped), skip_render_check=True)


def test_refusals() -> None:
    env = Counter(spaces.Discrete(2))
    with pytest.raises(UsageError, match="leave the wrapper out"):
        PreviousActionReward(env, action=False, reward=False)
    with pytest.raises(UsageError, match="whose previous action cannot be shown"):
        PreviousActionReward(Counter(spaces.Dict({"a": spaces.Discrete(2)})))
    with pytest.raises(UsageError, match="needs SAME_STEP"):
        VectorPreviousActionReward(SyncVectorEnv([lambda: env]))


def drive(envs: Any, generator: np.random.Generator, num_steps: int) -> list[Any]:
    return [envs.step(generator.integers(4, size=envs.num_envs)) for _ in range(num_steps)]


def test_saved_state_continues() -> None:
    def make() -> Any:
        return VectorPreviousActionReward(gym.make_vec("rlmem/Corridor-v0", num_envs=3, max_length=4))

    envs = make()
    envs.reset(seed=0)
    drive(envs, np.random.default_rng(0), 7)
    state = json.loads(json.dumps(envs.state_dict(), default=np.ndarray.tolist))
    going_on = drive(envs, np.random.default_rng(1), 30)
    loaded = make()
    loaded.reset(seed=9)
    loaded.load_state_dict(state)
    assert loaded.state_dict()["previous_action"].tolist() == state["previous_action"]
    assert_equal(drive(loaded, np.random.default_rng(1), 30)[-1][0], going_on[-1][0])
    with pytest.raises(UsageError, match="saved without VectorPreviousActionReward"):
        loaded.load_state_dict(state["environments"])
    with pytest.raises(UsageError, match="have shape"):
        loaded.load_state_dict(state | {"previous_action": [4]})


def test_no_state_where_the_environments_have_none() -> None:
    envs = VectorPreviousActionReward(vectorise("CartPole-v1", 1))
    assert not hasattr(envs, "state_dict")
    assert not hasattr(envs, "load_state_dict")
