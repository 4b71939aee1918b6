"""The batch Corridor: equal to single ones in Gymnasium's SyncVectorEnv, seeds, forced layouts, saved states."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

import rlmem  # noqa: F401  registers the environments
from rlmem.envs.corridor import CorridorEnv
from rlmem.envs.corridor_specification import Layout, Layouts, draw_layouts
from rlmem.envs.corridor_vector import VectorCorridorEnv
from rlmem.envs.grid_world import EAST, WEST, IntArray, concatenate_layouts

Equal = Callable[[Any, Any], bool]
InfosAssertion = Callable[[dict[str, Any], dict[str, Any]], None]


class OwnGenerators(VectorCorridorEnv):
    """Draws each row's layouts from a generator of the row's own, as single environments do."""

    def seed_rows(self, seed: int) -> None:
        self.generators = [gym.utils.seeding.np_random(seed + row)[0] for row in range(self.num_envs)]

    def _draw_layouts(self, rows: IntArray) -> Layouts:
        return concatenate_layouts([draw_layouts(self.rules, self.generators[row], 1) for row in rows])


def draw_actions(generator: np.random.Generator, num_envs: int) -> IntArray:
    """The first half of the rows wanders, the second half walks east: truncations and doors, right and wrong."""
    wander = generator.integers(4, size=num_envs)
    hurry = np.where(generator.random(num_envs) < 0.9, EAST, wander)
    return np.where(np.arange(num_envs) < num_envs // 2, wander, hurry)


@pytest.mark.parametrize(
    ("num_envs", "num_steps", "arguments"),
    [
        (16, 2500, {}),
        (16, 2500, {"max_length": 10, "max_episode_steps": 30}),
        (8, 2500, {"min_length": 3, "max_length": 3, "max_episode_steps": 7}),
    ],
)
def test_equal_to_single_environments(
    assert_equal_infos: InfosAssertion, num_envs: int, num_steps: int, arguments: dict[str, Any]
) -> None:
    singles = SyncVectorEnv([lambda: CorridorEnv(**arguments)] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    batch = OwnGenerators(num_envs, **arguments)
    batch.seed_rows(5)
    generator = np.random.default_rng(0)
    seen = np.zeros(3, dtype=np.int64)  # right doors, wrong doors, truncations
    theirs: Any = singles.reset(seed=5)
    ours: Any = batch.reset()
    for _ in range(num_steps):
        for mine, other in zip(ours[:-1], theirs[:-1], strict=True):
            assert mine.dtype == other.dtype
            assert np.array_equal(mine, other)
        assert_equal_infos(ours[-1], theirs[-1])
        actions = draw_actions(generator, num_envs)
        ours, theirs = batch.step(actions), singles.step(actions)
        seen += [int(ours[1].sum()), int((ours[2] & (ours[1] == 0)).sum()), int((ours[3] & ~ours[2]).sum())]
    assert (seen > 5).all(), f"every kind of end must be compared, got {seen}"


def make_vec(num_envs: int = 4, **arguments: Any) -> VectorCorridorEnv:
    env = gym.make_vec("rlmem/Corridor-v0", num_envs, vectorization_mode="vector_entry_point", **arguments)
    assert isinstance(env, VectorCorridorEnv)
    return env


def test_made_by_name() -> None:
    env = make_vec(64, max_length=9, max_episode_steps=20)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert (env.rules.max_length, env.rules.max_episode_steps, env.num_envs) == (9, 20, 64)
    assert make_vec().rules.max_episode_steps == 1000
    observations, _ = env.reset(seed=0)
    assert env.observation_space.contains(observations)
    assert env.action_space.shape == (64,)
    assert env.single_observation_space == CorridorEnv().observation_space
    assert env.single_action_space == CorridorEnv().action_space


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_gymnasiums_own_batches_of_the_single_environment(mode: str) -> None:
    vector_kwargs = {"autoreset_mode": AutoresetMode.SAME_STEP}
    if mode == "async":
        vector_kwargs["context"] = "spawn"  # type: ignore[assignment]
    name = "rlmem:rlmem/Corridor-v0"
    theirs = gym.make_vec(name, 2, vectorization_mode=mode, vector_kwargs=vector_kwargs, max_episode_steps=2)
    ours = make_vec(2, max_episode_steps=2)
    assert isinstance(theirs, SyncVectorEnv | AsyncVectorEnv)
    assert np.array_equal(theirs.reset(seed=3)[0], ours.reset(seed=3)[0])
    for _ in range(2):
        observations = [env.step(np.array([WEST, EAST])) for env in (theirs, ours)]
    assert observations[0][3].all()
    assert observations[1][3].all()
    final: Any = theirs.close() or observations[0][4]["final_obs"]
    assert np.array_equal(np.stack(list(final)), observations[1][4]["final_obs"])


def words_of(env: VectorCorridorEnv) -> list[Layout]:
    return [env.episodes.layouts.in_words(row) for row in range(env.num_envs)]


def layout_of_single(seed: int, **arguments: Any) -> Layout:
    env = CorridorEnv(**arguments)
    env.reset(seed=seed)
    return env.episodes.layouts.in_words(0)


def test_seeds_give_the_single_environments_layouts() -> None:
    env = make_vec(5)
    env.reset(seed=11)
    assert words_of(env) == [layout_of_single(seed) for seed in range(11, 16)]
    env.reset(seed=[9, 2, 9, 4, 0])
    assert words_of(env) == [layout_of_single(seed) for seed in (9, 2, 9, 4, 0)]


def play(env: VectorCorridorEnv, num_steps: int, seed: int = 0) -> list[Any]:
    """Everything that comes back from steps with seeded actions."""
    generator = np.random.default_rng(seed)
    return [env.step(draw_actions(generator, env.num_envs)) for _ in range(num_steps)]


def test_seeds_determine_later_layouts(equal: Equal) -> None:
    arguments = {"max_length": 20, "max_episode_steps": 40}
    runs = []
    for seed in (1, 1, 2):
        env = make_vec(8, **arguments)
        env.reset(seed=seed)
        runs.append(play(env, 200))
    assert equal(runs[0], runs[1])
    assert not equal(runs[0], runs[2])


def test_later_layouts_are_not_the_first_ones_again() -> None:
    env = make_vec(1, max_length=10**6)
    env.reset(seed=3)
    first = words_of(env)
    env.reset()
    assert words_of(env) != first, "the common generator must not repeat row 0's"


def test_autoreset_layouts_are_uniform() -> None:
    env = make_vec(2000, max_length=6, max_episode_steps=1)
    env.reset(seed=4)
    fields = []
    for _ in range(10):
        env.step(np.full(2000, WEST))
        fields.append(
            np.stack(
                [env.episodes.layouts.length - 3, env.episodes.layouts.object_colour, env.episodes.layouts.red_door]
            )
        )
    counts = np.zeros((4, 2, 2))
    np.add.at(counts, tuple(np.concatenate(fields, axis=1)), 1)
    chi_square = ((counts - 1250) ** 2 / 1250).sum()
    assert chi_square < 46  # 15 degrees of freedom: exceeded less than once in 10,000 seeds


def test_forced_layouts() -> None:
    env = make_vec(3)
    env.reset(seed=0, options={"length": [3, 4, 200], "object_colour": "blue", "red_door": ["north", "south", "north"]})
    assert words_of(env) == [(3, "blue", "north"), (4, "blue", "south"), (200, "blue", "north")]


def test_reset_mask_restarts_some_and_leaves_the_rest() -> None:
    env = make_vec(4, min_length=8)
    env.reset(seed=0)
    env.step(np.full(4, EAST))
    before = words_of(env)
    mask = np.array([False, True, False, True])
    options = {"reset_mask": mask, "length": [10, 11, 12, 13]}
    _, infos = env.reset(seed=50, options=options)
    after = words_of(env)
    assert (after[0], after[2]) == (before[0], before[2])
    assert after[1] == layout_of_single(51, min_length=8)._replace(length=11)
    assert after[3] == layout_of_single(53, min_length=8)._replace(length=13)
    assert env.episodes.state_arrays()["columns"].tolist() == [1, 0, 1, 0]
    assert env.episodes.steps.tolist() == [1, 0, 1, 0]
    assert infos["_length"].tolist() == mask.tolist()
    assert infos["length"].tolist() == [0, 11, 0, 13]
    assert options["reset_mask"] is mask, "the caller's options stay as they are"


def test_results_are_fresh_arrays(equal: Equal) -> None:
    env = make_vec(4, max_length=5, max_episode_steps=3)
    returned: list[Any] = [env.reset(seed=0)]
    copies = copy.deepcopy(returned)
    for step in range(6):
        returned += play(env, 1, seed=step)
        copies.append(copy.deepcopy(returned[-1]))
    env.reset(seed=1)
    assert equal(returned, copies), "later steps must not write into earlier results"
    observations, _ = env.reset(seed=0)
    observations[:] = 7
    assert env.reset(seed=0)[0].max() == 1, "nor a caller into the environment"


@pytest.mark.parametrize("through_json", [False, True])
def test_a_saved_state_continues_to_the_bit(equal: Equal, through_json: bool) -> None:
    arguments = {"max_length": 20, "max_episode_steps": 40}
    env, other = make_vec(8, **arguments), make_vec(8, **arguments)
    env.reset(seed=6)
    play(env, 101)
    assert (env.episodes.state_arrays()["columns"] > 0).any(), "mid-episode"
    state: Any = env.state_dict()
    expected = play(env, 200, seed=9)
    assert sum("final_obs" in step[-1] for step in expected) > 10
    if through_json:
        state = json.loads(json.dumps(state, default=lambda array: array.tolist()))
    other.load_state_dict(state)
    assert equal(play(other, 200, seed=9), expected)
    other.load_state_dict(state)
    assert equal(play(other, 200, seed=9), expected), "playing on must not change the state that was loaded"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_envs": 5}, "the saved state has num_envs 5, but this environment has 4"),
        ({"rules": {"min_length": 3, "max_length": 9, "max_episode_steps": 1000}}, "but this environment has {'min_l"),
        ({"steps": np.zeros(5)}, r"the saved steps has shape \(5,\), not \(4,\)"),
        ({"generator": None}, "lacks \\['generator'\\]"),
    ],
)
def test_a_foreign_state_is_refused(equal: Equal, change: dict[str, Any], message: str) -> None:
    env = make_vec(4)
    env.reset(seed=0)
    state = {name: value for name, value in (env.state_dict() | change).items() if value is not None}
    before = env.state_dict()
    with pytest.raises(ValueError, match=message):
        env.load_state_dict(state)
    assert equal(before["columns"], env.state_dict()["columns"])


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros(3, dtype=np.int64), r"got actions of shape \(3,\)"),
        (np.zeros((4, 1), dtype=np.int64), r"got actions of shape \(4, 1\)"),
        (np.zeros(4), "dtype float64"),
        (np.array([0, 1, 2, 4]), "got actions from 0 to 4"),
        (np.array([0, -1, 2, 3]), "got actions from -1 to 3"),
    ],
)
def test_bad_actions_are_refused(actions: Any, message: str) -> None:
    env = make_vec(4)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(actions)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_actions_of_any_integer_kind(equal: Equal, dtype: type[np.integer[Any]]) -> None:
    env, other = make_vec(4, max_length=4), make_vec(4, max_length=4)
    env.reset(seed=0)
    other.reset(seed=0)
    for action in (EAST, EAST, EAST, 1, WEST):
        actions = np.full(4, action)
        assert equal(env.step(actions.astype(dtype)), other.step(actions))


@pytest.mark.parametrize(
    ("seed", "options", "message"),
    [
        ([1, 2], None, "got 2 seeds for 4 environments"),
        (None, {"length": [5, 6]}, r"has shape \(2,\), but there are 4 environments"),
        (None, {"layout": 1}, "'layout', which reset does not know"),
        (None, {"reset_mask": [True] * 4}, "pass a NumPy array of bool"),
        (None, {"reset_mask": np.zeros(4, dtype=bool)}, "at least one True"),
        (None, {"reset_mask": np.ones(4)}, "pass a NumPy array of bool"),
    ],
)
def test_bad_resets_are_refused(seed: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_vec(4).reset(seed=seed, options=options)


def test_nothing_before_the_first_reset() -> None:
    env = make_vec(2, render_mode="rgb_array")
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(np.zeros(2, dtype=np.int64))
    with pytest.raises(ResetNeeded, match="call reset"):
        env.render()
    with pytest.raises(ResetNeeded, match="reset all first"):
        env.reset(options={"reset_mask": np.array([True, False])})


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="num_envs is 0, but a batch has at least one"):
        VectorCorridorEnv(0)
    with pytest.raises(ValueError, match="render_mode is 'human'"):
        VectorCorridorEnv(1, render_mode="human")
    with pytest.raises(ValueError, match="max_length is 2, below"):
        VectorCorridorEnv(1, max_length=2)


def test_frames_are_the_single_environments() -> None:
    env = make_vec(2, max_length=9, render_mode="rgb_array")
    options = {"length": 7, "object_colour": ["red", "blue"], "red_door": "north"}
    env.reset(seed=0, options=options)
    env.step(np.full(2, EAST))
    frames = env.render()
    assert frames is not None
    for frame, colour in zip(frames, ("red", "blue"), strict=True):
        single = CorridorEnv(max_length=9, render_mode="rgb_array")
        single.reset(seed=0, options={**options, "object_colour": colour})
        single.step(EAST)
        assert np.array_equal(frame, single.render())
    assert make_vec(2).render() is None


def test_gymnasiums_statistics_wrapper_reads_the_ends() -> None:
    env = gym.wrappers.vector.RecordEpisodeStatistics(make_vec(2, max_episode_steps=3))
    env.reset(seed=0)
    infos = [env.step(np.full(2, WEST))[4] for _ in range(3)]
    assert infos[-1]["final_info"]["_length"].all()
    assert list(env.length_queue) == [3, 3]
