"""The scripted players' scores, and what they are allowed to know."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rlmem.envs.corridor import CorridorEnv
from rlmem.envs.corridor_specification import SIDES
from rlmem.envs.corridor_vector import VectorCorridorEnv
from rlmem.envs.grid_world import ACTIONS, COLOURS, EAST, NORTH, SOUTH
from rlmem.envs.players import MemorylessPlayer, OraclePlayer, Player, RandomPlayer

NUM_EPISODES = 4096


def first_scores(player: Player) -> float:
    """Mean reward of one episode of every row; later episodes would count short corridors too often."""
    env = VectorCorridorEnv(NUM_EPISODES)
    observations, _ = env.reset(seed=0)
    is_first = np.ones(NUM_EPISODES, dtype=bool)
    is_running = np.ones(NUM_EPISODES, dtype=bool)
    total = 0.0
    while is_running.any():
        observations, rewards, terminations, truncations, _ = env.step(player(observations, is_first))
        is_first = terminations | truncations
        total += rewards[is_running].sum()
        is_running &= ~is_first
    return total / NUM_EPISODES


def test_the_oracle_scores_one() -> None:
    assert first_scores(OraclePlayer()) == 1.0


def test_the_memoryless_player_scores_one_half() -> None:
    assert abs(first_scores(MemorylessPlayer(0)) - 0.5) < 4 * 0.5 / np.sqrt(NUM_EPISODES)


def test_the_random_player_scores_seven_in_a_hundred() -> None:
    assert abs(first_scores(RandomPlayer(0)) - 0.07) < 0.005 + 4 * np.sqrt(0.07 * 0.93 / NUM_EPISODES)


def test_the_oracle_forgets_the_last_episode() -> None:
    """Every end is right over many episodes of every row, though the colours change."""
    env, player = VectorCorridorEnv(64, max_length=6), OraclePlayer()
    observations, _ = env.reset(seed=1)
    is_first = np.ones(64, dtype=bool)
    num_ends = 0
    for _ in range(200):
        observations, rewards, is_first, truncations, _ = env.step(player(observations, is_first))
        assert (rewards == is_first).all()
        assert not truncations.any()
        num_ends += int(is_first.sum())
    assert num_ends > 1000


def test_a_first_observation_without_an_object_wipes_the_memory() -> None:
    player = OraclePlayer()
    env = CorridorEnv()
    start, _ = env.reset(options={"length": 4, "object_colour": "red", "red_door": "south"})
    for _ in range(3):
        doors = env.step(EAST)[0]
    player(start, True)
    assert player(doors, False) == SOUTH
    assert player(doors, True) == NORTH, "it knows of no colour now"


@pytest.mark.parametrize(("colour", "side"), list(itertools.product(COLOURS, SIDES)))
def test_single_observations(colour: str, side: str) -> None:
    env, player = CorridorEnv(), OraclePlayer()
    observation, _ = env.reset(options={"length": 30, "object_colour": colour, "red_door": side})
    rewards, is_first, ended = [], True, False
    while not ended:
        observation, reward, terminated, truncated, _ = env.step(player(observation, is_first))
        rewards.append(reward)
        is_first, ended = False, terminated or truncated
    assert rewards == [0] * 29 + [1]


def test_random_players_are_uniform_and_seeded() -> None:
    observations, _ = VectorCorridorEnv(8000).reset(seed=0)
    is_first = np.ones(8000, dtype=bool)
    actions = RandomPlayer(3)(observations, is_first)
    counts = np.bincount(actions, minlength=len(ACTIONS))
    assert np.abs(counts - 2000).max() < 4 * np.sqrt(8000 * 3 / 16)
    assert np.array_equal(actions, RandomPlayer(3)(observations, is_first))
    assert not np.array_equal(actions, RandomPlayer(4)(observations, is_first))


@pytest.mark.parametrize("player", [OraclePlayer(), MemorylessPlayer(0), RandomPlayer(0)])
def test_wrong_shapes_are_refused(player: Player) -> None:
    observations, _ = VectorCorridorEnv(2).reset(seed=0)
    with pytest.raises(ValueError, match=r"is_first of shape \(3,\)"):
        player(observations, np.ones(3, dtype=bool))
    with pytest.raises(ValueError, match=r"got observations of shape \(2, 3, 3\)"):
        player(observations[..., 0], np.ones(2, dtype=bool))
