"""The first episode of each environment of a batch, one for each seed: played once, whatever plays it.

"The first so many episodes to finish" would count short ones too often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from rlmem.agents.rollout import successes
from rlmem.errors import check

Player = Callable[[Any, NDArray[np.bool_]], NDArray[np.int64]]
"""Gives actions (rows,) for observations (rows, ...) and `is_first` (rows,) bool."""

VectorEnv = gym.vector.VectorEnv[Any, Any, Any]


@dataclass(frozen=True)
class Outcome:
    """What episodes gave; arrays are (episodes,), in the order of the seeds.

    Args:
        returns: undiscounted return.
        lengths: steps, int64.
        successes: bool; None where the environment does not report `is_success`.
        infos: numbers that the environment reported at the episode's end, by name (Corridor: `length`).
    """

    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    successes: NDArray[np.bool_] | None
    infos: dict[str, NDArray[Any]]


class FirstEpisodes:
    """Steps a batch and records each row's first episode.

    Args:
        envs: vector environment with SAME_STEP autoreset whose `reset(seed=[...])` seeds each row.
        seeds: one a row.

    Attributes:
        observation: the rows' current observations, as the environment gives them.
        is_first: (rows,) bool, True where the current observation is the first of its episode.
        returns: (rows,) float64, undiscounted return so far.
        lengths: (rows,) int64, steps so far.
        successes: (rows,) bool, or None while no environment has reported it.
        is_over: (rows,) bool, True once the row's first episode has ended; what the row does then is not recorded.
        infos: numbers that the environment reported at the episodes' ends, by name, (rows,).
    """

    def __init__(self, envs: VectorEnv, seeds: Sequence[int]) -> None:
        self.envs = envs
        self.observation, _ = envs.reset(seed=list(seeds))  # type: ignore[arg-type]  # Gymnasium takes lists, unannotated
        rows = len(seeds)
        self.is_first = np.ones(rows, dtype=np.bool_)
        self.returns = np.zeros(rows)
        self.lengths = np.zeros(rows, dtype=np.int64)
        self.successes: NDArray[np.bool_] | None = None
        self.is_over = np.zeros(rows, dtype=np.bool_)
        self.infos: dict[str, NDArray[Any]] = {}

    def step(self, actions: NDArray[Any]) -> None:
        """Take a step in every row.

        Args:
            actions: (rows, ...), as the environment takes them.
        """
        self.observation, reward, terminated, truncated, infos = self.envs.step(actions)
        self.is_first = is_last = terminated | truncated
        is_live = ~self.is_over
        self.returns[is_live] += np.asarray(reward)[is_live]
        self.lengths[is_live] += 1
        is_ended = is_last & is_live
        if is_ended.any():
            reported = successes(infos)
            if reported is not None:
                self.successes = np.zeros(len(is_live), dtype=np.bool_) if self.successes is None else self.successes
                self.successes[is_ended] = reported[is_ended]
            for name, values in infos.get("final_info", {}).items():
                if not name.startswith("_") and isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
                    self.infos.setdefault(name, np.zeros(len(is_live), values.dtype))[is_ended] = values[is_ended]
            self.is_over |= is_ended


def play_episodes(
    make_envs: Callable[[int], VectorEnv],
    seeds: Sequence[int],
    play: Callable[[FirstEpisodes], None],
    batch: int,
) -> Outcome:
    """Play one episode for each seed.

    Args:
        make_envs: makes a vector environment of so many environments, with SAME_STEP autoreset.
        seeds: one an episode, at least one.
        play: steps a batch until all of its first episodes are over.
        batch: how many episodes are played at once.
    """
    check(len(seeds) >= 1, "an evaluation of 0 episodes was asked for, but it needs at least 1")
    played = []
    for start in range(0, len(seeds), batch):
        chunk = list(seeds[start : start + batch])
        envs = make_envs(len(chunk))
        try:
            played.append(FirstEpisodes(envs, chunk))
            play(played[-1])
        finally:
            envs.close()
    return Outcome(
        returns=np.concatenate([p.returns for p in played]),
        lengths=np.concatenate([p.lengths for p in played]),
        successes=_joined([p.successes for p in played]),
        infos={
            name: np.concatenate([p.infos[name] for p in played])
            for name in played[0].infos
            if all(name in p.infos for p in played)
        },
    )


def _joined(parts: list[NDArray[np.bool_] | None]) -> NDArray[np.bool_] | None:
    reported = [part for part in parts if part is not None]
    return np.concatenate(reported) if len(reported) == len(parts) else None


def play_script(
    player: Player,
    make_envs: Callable[[int], VectorEnv],
    seeds: Sequence[int],
    batch: int = 256,
) -> Outcome:
    """Play one episode for each seed with a scripted player.

    Args:
        player: with a memory of its own, of one batch at a time.
        make_envs: see `play_episodes`.
        seeds: one an episode.
        batch: how many episodes are played at once.
    """

    def play(episodes: FirstEpisodes) -> None:
        while not episodes.is_over.all():
            episodes.step(player(episodes.observation, episodes.is_first))

    return play_episodes(make_envs, seeds, play, batch)
