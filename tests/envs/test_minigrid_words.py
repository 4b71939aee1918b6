"""MiniGrid as words: equal to a slow decoding of MiniGrid's own grid, missions word by word, what is refused."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import minigrid  # noqa: F401  registers the environments
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Door, Key
from minigrid.minigrid_env import MiniGridEnv
from minigrid.wrappers import (
    FullyObsWrapper,
    ImgObsWrapper,
    RGBImgPartialObsWrapper,
    SymbolicObsWrapper,
    ViewSizeWrapper,
)

from rlmem.envs.minigrid_missions import BABYAI_LENGTH, BABYAI_WORDS, varying_mission_words
from rlmem.envs.minigrid_words import MINIGRID_WORDS, MiniGridWords, describe, encode_view
from rlmem.errors import UsageError
from rlmem.word_space import WordSpace

HEADING = {0: "facing-east", 1: "facing-south", 2: "facing-west", 3: "facing-north"}


def words_of(thing: Any) -> set[str]:
    """The words of an object of MiniGrid's grid, from its own attributes."""
    if thing is None:
        return set()
    words = {"block" if thing.type == "wall" else thing.type, thing.color}
    if isinstance(thing, Door):
        words.add("locked" if thing.is_locked else "open" if thing.is_open else "closed")
    return words


def slow_view(env: MiniGridEnv, size: int) -> list[list[set[str]]]:
    """Walk over the map and put each cell where the agent sees it."""
    is_visible = env.gen_obs_grid(size)[1]  # (columns, rows)
    view = [
        [{"block", "grey"} if is_visible[column, row] else {"unseen"} for column in range(size)] for row in range(size)
    ]
    forward, right = env.dir_vec, env.right_vec
    for x in range(env.width):
        for y in range(env.height):
            offset = np.array([x, y]) - env.agent_pos
            column, row = size // 2 + offset @ right, size - 1 - offset @ forward
            if 0 <= column < size and 0 <= row < size and is_visible[column, row]:
                view[row][column] = words_of(env.grid.get(x, y))
    view[-1][size // 2] = words_of(env.carrying) | {"agent", HEADING[env.agent_dir]}
    return view


def slow_map(env: MiniGridEnv) -> list[list[set[str]]]:
    cells = [[words_of(env.grid.get(x, y)) for x in range(env.width)] for y in range(env.height)]
    x, y = env.agent_pos
    cells[y][x] = {"agent", HEADING[env.agent_dir]}
    return cells


def as_sets(view: np.ndarray[Any, Any]) -> list[list[set[str]]]:
    return [[{MINIGRID_WORDS[word] for word in np.flatnonzero(cell)} for cell in row] for row in view]


def test_words() -> None:
    assert " ".join(MINIGRID_WORDS) == (
        "unseen block floor door key ball box goal lava agent red green blue purple yellow grey open closed locked "
        "facing-east facing-south facing-west facing-north"
    )


@pytest.mark.parametrize(
    "env_id",
    [
        "MiniGrid-MemoryS7-v0",
        "MiniGrid-Empty-5x5-v0",
        "MiniGrid-DoorKey-5x5-v0",
        "MiniGrid-GoToObject-6x6-N2-v0",
        "MiniGrid-LavaGapS5-v0",
    ],
)
@pytest.mark.parametrize("size", [7, 5])
def test_equal_to_a_slow_decoding(env_id: str, size: int) -> None:
    base = gym.make(env_id) if size == 7 else ViewSizeWrapper(gym.make(env_id), agent_view_size=size)
    env = MiniGridWords(base)
    generator = np.random.default_rng(0)
    observation, _ = env.reset(seed=3)
    for _ in range(150):
        assert observation in env.observation_space
        view = observation["view"] if isinstance(observation, dict) else observation
        assert as_sets(view) == slow_view(env.unwrapped, size)  # type: ignore[arg-type]  # it is a MiniGridEnv
        observation, _, terminated, truncated, _ = env.step(int(generator.integers(6)))
        if terminated or truncated:
            observation, _ = env.reset()


def test_doors_and_carried_keys() -> None:
    env = MiniGridWords(gym.make("MiniGrid-DoorKey-5x5-v0"))
    world: Any = env.unwrapped
    env.reset(seed=0)
    world.carrying = Key("yellow")
    x, y = world.front_pos
    seen = []
    for is_open, is_locked in ((False, True), (False, False), (True, False)):
        world.grid.set(x, y, Door("yellow", is_open, is_locked))
        view = env.observation(world.gen_obs())
        assert isinstance(view, np.ndarray)
        seen.append(as_sets(view)[-2][3])
        assert as_sets(view)[-1][3] == {"agent", "key", "yellow", HEADING[world.agent_dir]}
    assert seen == [{"yellow", "door", state} for state in ("locked", "closed", "open")]


def test_full_observation() -> None:
    env = MiniGridWords(FullyObsWrapper(gym.make("MiniGrid-DoorKey-6x6-v0")))
    observation, _ = env.reset(seed=1)
    for action in (0, 2, 1, 2, 3):
        assert observation in env.observation_space
        assert as_sets(observation) == slow_map(env.unwrapped)  # type: ignore[arg-type]
        observation = env.step(action)[0]


def test_rows_and_columns_are_not_swapped() -> None:
    image = np.ones((5, 2, 3), dtype=np.uint8)  # 5 columns, 2 rows, all free
    image[4, 0] = (5, 0, 0)
    view = encode_view(image, 1)
    assert describe(view) == "- | - | -                  | - | red key\n- | - | facing-south agent | - | -"


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")  # it is: a wrapper is checked
@pytest.mark.parametrize("env_id", ["MiniGrid-Empty-5x5-v0", "MiniGrid-GoToObject-6x6-N2-v0"])
def test_gymnasium_accepts_it(env_id: str) -> None:
    check_env(MiniGridWords(gym.make(env_id).unwrapped), skip_render_check=True)


def test_a_mission_that_varies_is_a_leaf_of_its_own() -> None:
    env = MiniGridWords(gym.make("MiniGrid-PutNear-6x6-N2-v0"))
    space = env.observation_space
    assert isinstance(space, gym.spaces.Dict)
    words = space["mission"]
    assert isinstance(words, WordSpace)
    assert words.shape == (1, 8, 12)
    missions = set()
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        text = describe(observation["mission"], words.words).replace(" | ", " ")
        assert text == env.unwrapped.mission  # type: ignore[attr-defined]
        missions.add(text)
    assert len(missions) > 1


def test_missions_of_different_lengths() -> None:
    words = varying_mission_words(gym.make("MiniGrid-Fetch-5x5-N2-v0").observation_space["mission"])  # type: ignore[index]
    assert words is not None
    assert words.length == 6
    assert describe(words.encode("Fetch a red key!"), words.words) == "fetch | a | red | key | - | -"


@pytest.mark.parametrize("env_id", ["BabyAI-BossLevel-v0", "BabyAI-SynthSeq-v0", "BabyAI-GoToRedBall-v0"])
def test_babyai_missions(env_id: str) -> None:
    env = MiniGridWords(gym.make(env_id))
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        assert observation in env.observation_space
        assert observation["mission"].shape == (1, BABYAI_LENGTH, len(BABYAI_WORDS))
        said = [BABYAI_WORDS[word] for word in np.argwhere(observation["mission"][0])[:, 1]]
        assert said == env.unwrapped.mission.replace(",", "").split()  # type: ignore[attr-defined]


def test_the_longest_babyai_mission_fits() -> None:
    words = varying_mission_words(gym.make("BabyAI-BossLevel-v0").observation_space["mission"])  # type: ignore[index]
    assert words is not None
    thing = "the red ball in front of you"
    both = f"put {thing} next to {thing} and put {thing} next to {thing}"
    assert words.encode(f"{both} after you {both}").sum() == BABYAI_LENGTH
    with pytest.raises(UsageError, match=r"holds \['fetch'\]"):
        words.encode("fetch the ball")


def test_mission_spaces_that_hide_missions_are_refused() -> None:
    env = gym.make("MiniGrid-Empty-5x5-v0").unwrapped
    words = MiniGridWords(env)
    words.reset(seed=0)
    env.mission = "go elsewhere"  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="the mission is 'go elsewhere'"):
        words.step(0)
    with pytest.raises(UsageError, match="too many"):
        varying_mission_words(MissionSpace(lambda a, b: a + b, [[str(n) for n in range(400)]] * 2))


def test_other_observations_are_refused() -> None:
    env = gym.make("MiniGrid-Empty-5x5-v0")
    for wrapped in (ImgObsWrapper(env), RGBImgPartialObsWrapper(env), SymbolicObsWrapper(env), gym.make("CartPole-v1")):
        with pytest.raises(UsageError, match="before wrappers that change the observation"):
            MiniGridWords(wrapped)
    with pytest.raises(UsageError, match="numbers up to"):
        encode_view(np.full((3, 3, 3), 200, dtype=np.uint8), 0)
    with pytest.raises(UsageError, match="one row of a batch at a time"):
        describe(np.zeros((2, 7, 7, 23)))


def test_success_is_an_end_with_a_reward() -> None:
    env = MiniGridWords(gym.make("MiniGrid-Empty-5x5-v0"))
    env.reset(seed=0)
    for action in (2, 2, 1, 2):  # forward, forward, right, forward: beside the goal
        *_, terminated, _, info = env.step(action)
        assert not terminated
        assert info["is_success"] is False
    *_, terminated, _, info = env.step(2)
    assert terminated
    assert info["is_success"] is True
    late = MiniGridWords(gym.make("MiniGrid-Empty-5x5-v0", max_steps=2))
    late.reset(seed=0)
    *_, terminated, _, _ = late.step(0)
    *_, terminated, truncated, info = late.step(0)
    assert truncated
    assert info["is_success"] is False
