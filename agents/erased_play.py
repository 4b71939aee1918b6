"""Episodes played without some memories: what an agent achieves that cannot use what it kept of chosen steps.

A step's memory is taken from every layer, with the pooled slots that the step is part of, from the first later step on
that is not chosen itself. If chosen are the steps that show a word, the agent does without the word from the first
step on at which it is out of view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlmem.actor_critic import ActorCritic, Observation
from rlmem.agents.erasure import check_has_slots, with_erased
from rlmem.agents.first_episodes import FirstEpisodes, Outcome, VectorEnv, play_episodes
from rlmem.observation_leaves import leaves
from rlmem.window import Window

_WINDOW = 100  # steps after which rows that are over leave; results do not depend on it

Which = Callable[[Observation], Tensor]
"""Chooses steps by what they show: (rows,) bool from leaves (rows, ...)."""


def success_with_erased(
    policy: ActorCritic,
    make_envs: Callable[[int], VectorEnv],
    seeds: Sequence[int],
    which: Which,
    *,
    deterministic: bool = False,
    batch: int = 256,
) -> Outcome:
    """Play one episode for each seed without the memories of the steps that `which` chooses.

    Args:
        policy: the actor-critic; its weights are not changed.
        make_envs: makes a vector environment of so many environments, with SAME_STEP autoreset.
        seeds: one an episode.
        which: chooses steps by what they show.
        deterministic: take the likeliest action instead of a sample.
        batch: how many episodes are played at once.

    Returns:
        What the episodes gave; `successes` tells whether the memories mattered.

    Raises:
        UsageError: the policy is recurrent.
    """
    return _play(policy, make_envs, seeds, lambda observation, rows, step: which(observation), deterministic, batch)


def success_with_steps_erased(
    policy: ActorCritic,
    make_envs: Callable[[int], VectorEnv],
    seeds: Sequence[int],
    steps: Sequence[NDArray[np.int64]],
    *,
    deterministic: bool = False,
    batch: int = 256,
) -> Outcome:
    """Play one episode for each seed without the memories of given steps; otherwise as `success_with_erased`.

    Args:
        steps: for each seed, numbers of steps, 0 being the episode's first.
    """

    def choose(observation: Observation, rows: NDArray[np.int64], step: int) -> Tensor:
        chosen = [step in steps[row] for row in rows]
        return torch.tensor(chosen, device=observation[0].device)

    return _play(policy, make_envs, seeds, choose, deterministic, batch)


def play_recorded(
    policy: ActorCritic, make_envs: Callable[[int], VectorEnv], seeds: Sequence[int], *, batch: int = 256
) -> tuple[Outcome, list[tuple[NDArray[Any], ...]]]:
    """Play one episode for each seed with all memories, as `success_with_erased` plays them without some.

    Returns:
        What the episodes gave, and for each one its observations, leaves (time, ...).
    """
    seen: list[list[tuple[NDArray[Any], ...]]] = [[] for _ in seeds]

    def record(observation: Observation, rows: NDArray[np.int64], step: int) -> Tensor:
        arrays = [leaf.cpu().numpy().copy() for leaf in observation]
        for position, row in enumerate(rows):
            seen[row].append(tuple(array[position] for array in arrays))
        return torch.zeros(len(rows), dtype=torch.bool, device=observation[0].device)

    outcome = _play(policy, make_envs, seeds, record, False, batch)
    pairs = zip(seen, outcome.lengths, strict=True)
    return outcome, [tuple(np.stack(leaf) for leaf in zip(*steps[:length], strict=True)) for steps, length in pairs]


Choose = Callable[[Observation, NDArray[np.int64], int], Tensor]  # observation, rows' numbers among the seeds, step


def _play(
    policy: ActorCritic,
    make_envs: Callable[[int], VectorEnv],
    seeds: Sequence[int],
    choose: Choose,
    deterministic: bool,
    batch: int,
) -> Outcome:
    check_has_slots(policy)
    generator = torch.Generator(policy.heads.weight.device).manual_seed(int(seeds[0])) if seeds else None
    num_played = 0

    def play(episodes: FirstEpisodes) -> None:
        nonlocal num_played
        player = _Player(policy, episodes, choose, num_played, None if deterministic else generator)
        num_played += len(episodes.is_over)
        player.play()

    return play_episodes(make_envs, seeds, play, batch)


class _Player:
    """First episodes under way; rows that are over leave between windows."""

    def __init__(
        self,
        policy: ActorCritic,
        episodes: FirstEpisodes,
        choose: Choose,
        first_row: int,
        generator: torch.Generator | None,
    ) -> None:
        self.device = policy.heads.weight.device
        self.episodes, self.choose, self.first_row, self.generator = episodes, choose, first_row, generator
        self.rows = np.arange(len(episodes.is_over))
        self.erased = _ErasedSteps(len(self.rows), self.device)
        layers = policy.core.layer_list()
        self.policy = with_erased(policy, [self.erased.in_layer(layer.memory) for layer in layers])

    def play(self) -> None:
        """Play until every row's first episode is over."""
        state = self.policy.core.initial_state(len(self.rows))
        is_over, is_first = self.episodes.is_over, True
        while len(self.rows):
            cache = self.policy.open(state, _WINDOW)
            firsts = torch.zeros(len(self.rows), _WINDOW, dtype=torch.bool, device=self.device)
            firsts[:, 0] = is_first
            for step in range(_WINDOW):
                observation = self._observed()
                rows = self.rows + self.first_row
                self.erased.add(self.choose(observation, rows, self.erased.num_steps))
                self._step(cache.step(observation, firsts[:, step])[0])
            state = self.policy.core.carry(state, cache.layer_inputs(), Window.following(state, firsts))
            index = torch.as_tensor((~is_over[self.rows]).nonzero()[0], device=self.device)
            self.rows, state, is_first = self.rows[~is_over[self.rows]], state.rows(index), False
            self.erased.keep_rows(index)

    def _observed(self) -> Observation:
        batch = leaves(self.policy.observation_space, self.episodes.observation)
        return tuple(torch.as_tensor(leaf[self.rows], device=self.device) for leaf in batch)

    def _step(self, outputs: Tensor) -> None:
        head = self.policy.action_head
        if self.generator is None:
            chosen = head.mode(outputs)
        else:
            chosen = head.sample(outputs, head.noise((len(self.rows),), self.generator))
        action = head.to_environment(chosen.cpu().numpy())
        actions = np.zeros((len(self.episodes.is_over), *action.shape[1:]), dtype=action.dtype)
        actions[:] = action[0]  # rows that are over play on, with any action that is possible
        actions[self.rows] = action
        self.episodes.step(actions)


class _ErasedSteps:
    """Which steps' memories the coming query does without, (rows, steps so far)."""

    def __init__(self, rows: int, device: torch.device) -> None:
        self.is_chosen = torch.zeros(rows, 0, dtype=torch.bool, device=device)
        self.is_erased = self.is_chosen

    @property
    def num_steps(self) -> int:
        """How many steps there are so far."""
        return self.is_chosen.shape[1]

    def add(self, is_chosen: Tensor) -> None:
        """The coming query's own step; is_chosen: (rows,) bool."""
        is_over = ~is_chosen[:, None]  # the run of chosen steps before this one, if there is one
        self.is_erased = torch.cat([self.is_erased | (self.is_chosen & is_over), torch.zeros_like(is_over)], dim=1)
        self.is_chosen = torch.cat([self.is_chosen, is_chosen[:, None]], dim=1)

    def keep_rows(self, index: Tensor) -> None:
        """Keep some rows; index: (rows,) int64."""
        self.is_chosen, self.is_erased = self.is_chosen[index], self.is_erased[index]

    def in_layer(self, memory: torch.nn.Module) -> Callable[[Tensor], Tensor]:
        """The function that `ErasedMemory` takes, for a layer's memory kind."""
        rate, max_span = getattr(memory, "rate", 1), getattr(memory, "max_span", 0)

        def is_erased(age: Tensor) -> Tensor:
            """(rows, 1, memory) bool; age: (rows, 1, memory), steps, infinity where unseen."""
            own = self.num_steps - 1
            step = (own - age.clamp(max=own + 1)).long().squeeze(1)  # -1 where unseen
            in_step = _at(self.is_erased, step)
            if rate > 1:  # of what is so old, what stands at the end of a group stands for all of it
                is_pooled = (age.squeeze(1) > max_span) & (step.remainder(rate) == rate - 1) & (step >= 0)
                members = torch.stack([_at(self.is_erased, step - back) for back in range(rate)])
                in_step = torch.where(is_pooled, members.any(0), in_step)
            return in_step[:, None]

        return is_erased


def _at(is_true: Tensor, step: Tensor) -> Tensor:
    """(rows, memory), what (rows, steps) says of steps (rows, memory) int64; False before the first."""
    padded = torch.nn.functional.pad(is_true, (1, 0))
    return padded.gather(1, (step + 1).clamp(min=0))
