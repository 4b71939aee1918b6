"""Structured observations as flat tuples: the same leaves whether batched by Gymnasium or by us."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from rlmem.errors import UsageError
from rlmem.observation_leaves import leaf_spaces, leaves, stack_leaves

VIEW = spaces.Box(0, 255, (2, 3), np.uint8)
TURN = spaces.Discrete(5, start=2)
NESTED = spaces.Dict(
    {"view": VIEW, "inner": spaces.Dict({"position": spaces.Box(-1, 1), "pair": spaces.Tuple([TURN, VIEW])})}
)


class OneStep(gym.Env[Any, Any]):
    """Episodes of one step, with random observations."""

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.observation_space = space
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.observation_space.sample(), 0.0, False, True, {}


def test_paths() -> None:
    assert leaf_spaces(NESTED) == {
        "inner.pair.0": TURN,
        "inner.pair.1": VIEW,
        "inner.position": spaces.Box(-1, 1),
        "view": VIEW,
    }
    assert list(leaf_spaces(NESTED)) == ["inner.pair.0", "inner.pair.1", "inner.position", "view"]
    assert list(leaf_spaces(spaces.Tuple([TURN, spaces.Tuple([VIEW, TURN])]))) == ["0", "1.0", "1.1"]
    assert leaf_spaces(VIEW) == {"observation": VIEW}
    assert leaf_spaces(spaces.Dict({})) == {}


def test_the_order_does_not_depend_on_how_the_dict_was_built() -> None:
    backwards = spaces.Dict(OrderedDict([("b", VIEW), ("a", TURN)]))
    assert list(backwards.spaces) == ["b", "a"]
    assert list(leaf_spaces(backwards)) == ["a", "b"]
    assert [int(leaf) for leaf in leaves(backwards, {"b": np.array(1), "a": np.array(2)})] == [2, 1]


def test_equal_paths_are_refused() -> None:
    with pytest.raises(UsageError, match=r"'a\.b'"):
        leaf_spaces(spaces.Dict({"a.b": VIEW, "a": spaces.Dict({"b": VIEW})}))


def test_a_plain_observation_is_its_own_leaf() -> None:
    batch = np.zeros((4, 2, 3), np.uint8)
    assert leaves(VIEW, batch)[0] is batch


@pytest.mark.parametrize("space", [VIEW, TURN, NESTED, spaces.MultiBinary(3)], ids=lambda space: type(space).__name__)
def test_against_gymnasiums_batches_and_final_observations(space: spaces.Space[Any]) -> None:
    envs: SyncVectorEnv = SyncVectorEnv([lambda: OneStep(space)] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    first, _ = envs.reset(seed=[0, 1, 2])
    _, _, _, truncated, infos = envs.step(np.zeros(3, np.int64))
    assert truncated.all()
    for batch in (leaves(space, first), stack_leaves(space, infos["final_obs"])):
        assert len(batch) == len(leaf_spaces(space))
        for array, leaf in zip(batch, leaf_spaces(space).values(), strict=True):
            assert array.shape == (3, *(leaf.shape or ()))
            assert array.dtype == leaf.dtype
    rows = [leaves(space, observation) for observation in infos["final_obs"]]
    for number, array in enumerate(stack_leaves(space, infos["final_obs"])):
        assert all(np.array_equal(array[row], rows[row][number]) for row in range(3))
    envs.close()
