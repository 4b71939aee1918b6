"""The Multi-Room Portal's scripted players: their scores, and what they are allowed to know."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rlmem.envs.grid_world import EAST, FloatArray
from rlmem.envs.players import Player, RandomPlayer
from rlmem.envs.portal import PortalEnv
from rlmem.envs.portal_players import PortalOracle
from rlmem.envs.portal_vector import VectorPortalEnv

NUM_EPISODES = 400


def first_episodes(player: Player, **arguments: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Play one episode of every row; (rooms visited, return, whether it was truncated), each (NUM_EPISODES,)."""
    env = VectorPortalEnv(NUM_EPISODES, **arguments)
    observations, _ = env.reset(seed=0)
    rooms, returns, truncated = np.zeros((3, NUM_EPISODES))
    is_first, is_running = np.ones((2, NUM_EPISODES), dtype=bool)
    while is_running.any():
        observations, rewards, terminations, truncations, infos = env.step(player(observations, is_first))
        is_first = terminations | truncations
        returns += rewards * is_running
        now = is_first & is_running
        if now.any():
            rooms[now] = infos["final_info"]["rooms_visited"][now]
            truncated[now] = (truncations & ~terminations)[now]
        is_running &= ~is_first
    return rooms, returns, truncated


def assert_mean(values: FloatArray, expected: float, slack: float) -> None:
    """The mean is `expected`, up to four standard errors and what `expected` itself may be off."""
    bound = slack + 4 * values.std() / np.sqrt(len(values))
    assert abs(values.mean() - expected) < bound, f"{values.mean():.2f} is not {expected} +- {bound:.2f}"


def test_perfect_memory_reaches_room_35_and_never_errs_twice() -> None:
    rooms, returns, truncated = first_episodes(PortalOracle(0))
    assert_mean(rooms, 34.9, 0.1)
    assert 2.9 < rooms.std() < 3.8
    assert_mean(returns, 385, 2)
    assert (truncated[rooms < 50] == 1).all()


@pytest.mark.parametrize(("memory_steps", "rooms"), [(20, 8.1), (30, 12.1), (50, 18.0), (100, 33.8)])
def test_a_short_memory_reaches_fewer_rooms(memory_steps: int, rooms: float) -> None:
    assert_mean(first_episodes(PortalOracle(0, memory_steps))[0], rooms, 0.05)


def test_the_random_player_reaches_the_third_room() -> None:
    assert_mean(first_episodes(RandomPlayer(0))[0], 2.88, 0.05)


def test_a_memory_that_is_long_enough_is_perfect() -> None:
    ones, others = (
        first_episodes(PortalOracle(3, memory_steps), max_episode_steps=300) for memory_steps in (300, None)
    )
    assert np.array_equal(ones[0], others[0])
    assert np.array_equal(ones[1], others[1])


@pytest.mark.parametrize("room_size", [3, 9])
def test_other_rooms_are_played_as_well(room_size: int) -> None:
    rooms, _, _ = first_episodes(PortalOracle(1), num_rooms=5, room_size=room_size)
    assert (rooms == 5).all()


def test_what_is_forgotten_is_guessed_again() -> None:
    """After a mistake in room 1, the right side of room 1 is known 3 steps later, and not to a memory of 2."""
    is_repeated = []
    for memory_steps in (2, 3):
        env = VectorPortalEnv(NUM_EPISODES)
        observations, _ = env.reset(options={"west_colour": "red", "right_colour": "red"})
        player = PortalOracle(0, memory_steps)
        first = player(observations, np.ones(NUM_EPISODES, dtype=bool))
        actions = first
        for _ in range(3):
            observations = env.step(actions)[0]
            actions = player(observations, np.zeros(NUM_EPISODES, dtype=bool))
        is_repeated.append((actions == EAST)[first == EAST].mean())
    assert 0.3 < is_repeated[0] < 0.7
    assert is_repeated[1] == 0


def test_the_last_episode_is_forgotten() -> None:
    env, player = PortalEnv(num_rooms=3), PortalOracle(0)
    first_actions = []
    for _ in range(40):
        observation, _ = env.reset(options={"west_colour": "red", "right_colour": "red"})
        first_actions.append(int(player(observation, True)))
        observation, has_ended = env.step(first_actions[-1])[0], False
        while not has_ended:
            observation, _, has_ended, _, info = env.step(int(player(observation, False)))
        assert info["is_success"]
    assert 8 < first_actions.count(EAST) < 32, "every episode begins with a guess, though west was always right"


def test_single_observations_and_a_wrong_number_of_them() -> None:
    env, player = PortalEnv(num_rooms=4), PortalOracle(0)
    observation, info = env.reset(seed=0)
    is_first, has_ended = True, False
    while not has_ended:
        action = player(observation, is_first)
        assert action.shape == ()
        observation, _, has_ended, _, info = env.step(action)
        is_first = False
    assert info["is_success"]
    with pytest.raises(ValueError, match=r"is_first of shape \(3,\)"):
        player(observation, np.ones(3, dtype=bool))
    with pytest.raises(ValueError, match="memory_steps is 0, but it counts remembered steps"):
        PortalOracle(0, memory_steps=0)
