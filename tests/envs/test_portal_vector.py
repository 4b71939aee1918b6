"""The batch Multi-Room Portal: equal to single ones in Gymnasium's SyncVectorEnv, seeds, forced layouts, saved states.

What `VectorWordEnv` does for every environment alike is tested with the Corridor, too.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import rlmem  # noqa: F401  registers the environments
from rlmem.envs.grid_world import EAST, NORTH, WEST, IntArray, concatenate_layouts
from rlmem.envs.portal import PortalEnv
from rlmem.envs.portal_specification import Layouts, draw_layouts, right_doors
from rlmem.envs.portal_vector import VectorPortalEnv
from rlmem.envs.vocabulary import WORDS
from rlmem.word_space import WordSpace

Equal = Callable[[Any, Any], bool]
InfosAssertion = Callable[[dict[str, Any], dict[str, Any]], None]


class OwnGenerators(VectorPortalEnv):
    """Draws each row's layouts from a generator of the row's own, as single environments do."""

    def seed_rows(self, seed: int) -> None:
        self.generators = [gym.utils.seeding.np_random(seed + row)[0] for row in range(self.num_envs)]

    def _draw_layouts(self, rows: IntArray) -> Layouts:
        return concatenate_layouts([draw_layouts(self.rules, self.generators[row], 1) for row in rows])


def draw_actions(generator: np.random.Generator, env: VectorPortalEnv) -> IntArray:
    """Row 0 waits at a wall, others wander, go west, and, half of them, take the right doors and seldom err."""
    progress, layouts = env.episodes.state_arrays(), env.episodes.layouts
    rows = np.arange(env.num_envs)
    rooms = progress["room"]
    knowing = right_doors(layouts.west_colour[rows, rooms], layouts.right_colour[rows, rooms])
    wander = generator.integers(4, size=env.num_envs)
    rarely = np.where(generator.random(env.num_envs) < 0.02, generator.choice([WEST, EAST]), knowing)
    in_the_middle = progress["cell"] // env.rules.room_size == env.rules.room_size // 2
    back = np.where(in_the_middle, rarely, wander)
    kinds = [rows == 0, rows < env.num_envs // 4, rows < env.num_envs // 2]
    return np.select(kinds, [np.full_like(wander, NORTH), wander, np.full_like(wander, WEST)], back)


@pytest.mark.parametrize(
    ("num_envs", "num_steps", "arguments"),
    [
        (16, 3010, {}),
        (16, 2500, {"num_rooms": 6, "max_episode_steps": 37}),
        (8, 2000, {"num_rooms": 3, "room_size": 3, "max_episode_steps": 12}),
        (8, 1000, {"num_rooms": 4, "room_size": 9, "max_episode_steps": 60}),
    ],
)
def test_equal_to_single_environments(
    assert_equal_infos: InfosAssertion, num_envs: int, num_steps: int, arguments: dict[str, Any]
) -> None:
    singles = SyncVectorEnv([lambda: PortalEnv(**arguments)] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    batch = OwnGenerators(num_envs, **arguments)
    batch.seed_rows(5)
    generator = np.random.default_rng(0)
    seen = np.zeros(4, dtype=np.int64)  # right doors, last rooms, second mistakes, truncations
    theirs: Any = singles.reset(seed=5)
    ours: Any = batch.reset()
    for _ in range(num_steps):
        for mine, other in zip(ours[:-1], theirs[:-1], strict=True):
            assert mine.dtype == other.dtype
            assert np.array_equal(mine, other)
        assert_equal_infos(ours[-1], theirs[-1])
        actions = draw_actions(generator, batch)
        ours, theirs = batch.step(actions), singles.step(actions)
        is_last_room = ours[4]["final_info"]["is_success"] if "final_info" in ours[4] else np.zeros(num_envs, bool)
        right_doors_entered, truncations = ours[1] > 0, ours[3] & ~ours[2]
        seen += [np.sum(kind) for kind in (right_doors_entered, is_last_room, ours[2] & ~is_last_room, truncations)]
    assert (seen >= 3).all(), f"every kind of event must be compared, got {seen}"


def make_vec(num_envs: int = 4, **arguments: Any) -> VectorPortalEnv:
    env = gym.make_vec("rlmem/MultiRoomPortal-v0", num_envs, vectorization_mode="vector_entry_point", **arguments)
    assert isinstance(env, VectorPortalEnv)
    return env


def test_made_by_name() -> None:
    env = make_vec(64, num_rooms=9, room_size=3, max_episode_steps=20)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert (env.rules.num_rooms, env.rules.room_size, env.rules.max_episode_steps, env.num_envs) == (9, 3, 20, 64)
    assert (make_vec().rules.num_rooms, make_vec().rules.room_size, make_vec().rules.max_episode_steps) == (50, 5, 1000)
    observations, _ = env.reset(seed=0)
    assert env.observation_space.contains(observations)
    assert env.action_space.shape == (64,)
    assert isinstance(env.single_observation_space, WordSpace)
    assert env.single_observation_space.words == WORDS
    assert env.single_observation_space == PortalEnv().observation_space
    assert env.single_action_space == PortalEnv().action_space


def test_final_infos_are_the_ended_episodes() -> None:
    env = make_vec(3, num_rooms=3)
    env.reset(options={"west_colour": "red", "right_colour": [["red"] * 3, ["blue"] * 3, ["red", "blue", "blue"]]})
    for _ in range(5):
        infos = env.step(np.full(3, WEST))[4]
    assert infos["rooms_visited"].tolist() == [2, 1, 2]
    assert "final_info" not in infos
    observations, rewards, terminations, _, infos = env.step(np.full(3, WEST))
    assert rewards.tolist() == [0.2, 0, 0]
    assert terminations.tolist() == [True, True, False]
    final = infos["final_info"]
    assert final["is_success"].tolist() == [True, False, False]
    assert final["rooms_visited"].tolist() == [3, 1, 0]
    assert final["_rooms_visited"].tolist() == infos["_final_info"].tolist() == [True, True, False]
    assert infos["rooms_visited"].tolist() == [1, 1, 2]
    assert infos["is_success"].tolist() == [False] * 3
    number_of = {row: WORDS[np.flatnonzero(infos["final_obs"][row, 1, 1])[-1]] for row in (0, 1)}
    assert number_of == {0: "room-3", 1: "room-1"}, "where the door led"
    assert not infos["final_obs"][2].any()


def test_autoreset_starts_without_mistakes() -> None:
    """Episodes of one visit: a mistake in the first room is the first of its episode every time."""
    env = make_vec(200, max_episode_steps=3)
    env.reset(seed=0)
    for _ in range(5):
        for _ in range(3):
            _, _, terminations, truncations, _ = env.step(np.full(200, WEST))
            assert not terminations.any()
        assert truncations.all()
        assert not env.episodes.state_arrays()["has_erred"].any()


def layout_of_single(seed: int) -> list[list[int]]:
    env = PortalEnv()
    env.reset(seed=seed)
    return [field[0].tolist() for field in vars(env.episodes.layouts).values()]


def layouts_of(env: VectorPortalEnv) -> list[list[list[int]]]:
    return [[field[row].tolist() for field in vars(env.episodes.layouts).values()] for row in range(env.num_envs)]


def test_seeds_give_the_single_environments_layouts() -> None:
    env = make_vec(3)
    env.reset(seed=11)
    assert layouts_of(env) == [layout_of_single(seed) for seed in range(11, 14)]
    env.reset(seed=[9, 2, 9])
    assert layouts_of(env) == [layout_of_single(seed) for seed in (9, 2, 9)]
    env.reset()
    assert layout_of_single(9) not in layouts_of(env), "the common generator must not repeat row 0's"


def play(env: VectorPortalEnv, num_steps: int, seed: int = 0) -> list[Any]:
    """Everything that comes back from steps with seeded actions."""
    generator = np.random.default_rng(seed)
    return [env.step(draw_actions(generator, env)) for _ in range(num_steps)]


def test_seeds_determine_later_layouts(equal: Equal) -> None:
    runs = []
    for seed in (1, 1, 2):
        env = make_vec(8, num_rooms=8, max_episode_steps=40)
        env.reset(seed=seed)
        runs.append(play(env, 100))
    assert equal(runs[0], runs[1])
    assert not equal(runs[0], runs[2])


def test_forced_layouts_in_every_shape() -> None:
    env = make_vec(2, num_rooms=3)
    env.reset(options={"west_colour": "blue", "right_colour": ["red", "blue", "red"]})
    assert layouts_of(env) == [[[1, 1, 1], [0, 1, 0]]] * 2
    env.reset(options={"west_colour": np.array([["red", "red", "blue"], ["blue", "red", "red"]])})
    assert env.episodes.layouts.west_colour.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_reset_mask_restarts_some_and_leaves_the_rest() -> None:
    env = make_vec(3, num_rooms=5)
    env.reset(seed=0, options={"west_colour": "red", "right_colour": "red"})
    for _ in range(4):
        env.step(np.full(3, WEST))
    mask = np.array([False, True, False])
    right = [["red"] * 5, ["blue"] * 5, ["blue"] * 5]
    _, infos = env.reset(seed=50, options={"reset_mask": mask, "right_colour": right})
    assert env.episodes.layouts.right_colour.tolist() == [[0] * 5, [1] * 5, [0] * 5]
    assert env.episodes.state_arrays()["room"].tolist() == [1, 0, 1]
    assert env.episodes.steps.tolist() == [4, 0, 4]
    assert infos["rooms_visited"].tolist() == [0, 1, 0]
    assert infos["_rooms_visited"].tolist() == mask.tolist()


def test_results_are_fresh_arrays(equal: Equal) -> None:
    env = make_vec(4, num_rooms=4, max_episode_steps=9)
    returned: list[Any] = [env.reset(seed=0)]
    copies = copy.deepcopy(returned)
    for step in range(20):
        returned += play(env, 1, seed=step)
        copies.append(copy.deepcopy(returned[-1]))
    assert equal(returned, copies), "later steps must not write into earlier results"
    observations, infos = env.reset(seed=0)
    observations[:] = 7
    infos["rooms_visited"][:] = 7
    observations, infos = env.reset(seed=0)
    assert observations.max() == 1, "nor a caller into the environment"
    assert infos["rooms_visited"].max() == 1
    step_infos = env.step(np.full(4, NORTH))[4]
    step_infos["_rooms_visited"][:] = False
    step_infos["rooms_visited"][:] = 7
    step_infos = env.step(np.full(4, NORTH))[4]
    assert step_infos["_rooms_visited"].all()
    assert step_infos["rooms_visited"].max() == 1


@pytest.mark.parametrize("through_json", [False, True])
def test_a_saved_state_continues_to_the_bit(equal: Equal, through_json: bool) -> None:
    arguments = {"num_rooms": 7, "max_episode_steps": 60}
    env, other = make_vec(8, **arguments), make_vec(8, **arguments)
    env.reset(seed=6)
    play(env, 110)
    assert env.episodes.state_arrays()["has_erred"].any(), "mid-episode, with mistakes to be remembered"
    state: Any = env.state_dict()
    expected = play(env, 150, seed=9)
    assert sum("final_obs" in step[-1] for step in expected) > 10
    if through_json:
        state = json.loads(json.dumps(state, default=lambda array: array.tolist()))
    for attempt in ("at once", "again: playing on must not change the state that was loaded"):
        other.load_state_dict(state)
        assert equal(play(other, 150, seed=9), expected), attempt


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_envs": 5}, "the saved state has num_envs 5, but this environment has 4"),
        ({"rules": {"num_rooms": 9, "room_size": 5, "max_episode_steps": 9}}, "but this environment has {'num_rooms'"),
        ({"has_erred": np.zeros((4, 3), dtype=bool)}, r"the saved has_erred has shape \(4, 3\), not \(4, 50\)"),
        ({"right_colour": None}, r"lacks \['right_colour'\]: pass what VectorPortalEnv.state_dict returned"),
    ],
)
def test_a_foreign_state_is_refused(change: dict[str, Any], message: str) -> None:
    env = make_vec(4)
    env.reset(seed=0)
    state = {name: value for name, value in (env.state_dict() | change).items() if value is not None}
    with pytest.raises(ValueError, match=message):
        env.load_state_dict(state)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"right_colour": ["red"] * 4}, r"has shape \(4,\), but there are 4 environments with 50 rooms each: pass one"),
        ({"right_colour": [["red"]] * 4}, r"or an array of shape \(50,\) or \(4, 50\)"),
        ({"length": 5}, "'length', which reset does not know: use west_colour, right_colour"),
    ],
)
def test_bad_resets_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_vec(4).reset(options=options)


def test_misuse_is_refused() -> None:
    with pytest.raises(ResetNeeded, match="call reset"):
        make_vec(2).step(np.zeros(2, dtype=np.int64))
    with pytest.raises(ValueError, match="num_envs is 0, but a batch has at least one"):
        VectorPortalEnv(0)
    with pytest.raises(ValueError, match="render_mode is 'human'"):
        VectorPortalEnv(1, render_mode="human")
    with pytest.raises(ValueError, match="num_rooms is 51"):
        VectorPortalEnv(1, num_rooms=51)


def test_frames_are_the_single_environments() -> None:
    env = make_vec(2, render_mode="rgb_array")
    env.reset(seed=3)
    env.step(np.full(2, EAST))
    frames = env.render()
    assert frames is not None
    for row, frame in enumerate(frames):
        single = PortalEnv(render_mode="rgb_array")
        single.reset(seed=3 + row)
        single.step(EAST)
        assert np.array_equal(frame, single.render())


def test_gymnasiums_statistics_wrapper_reads_the_ends() -> None:
    env = gym.wrappers.vector.RecordEpisodeStatistics(make_vec(2, num_rooms=3))
    env.reset(options={"west_colour": "red", "right_colour": "red"})
    infos = [env.step(np.full(2, WEST))[4] for _ in range(6)]
    assert infos[-1]["final_info"]["rooms_visited"].tolist() == [3, 3]
    assert list(env.length_queue) == [6, 6]
    assert list(env.return_queue) == pytest.approx([0.3, 0.3])
