"""Evaluation: a fixed list of episodes, each played once by fixed weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlmem.actor_critic import ActorCritic, Observation
from rlmem.agents.first_episodes import FirstEpisodes, Outcome, VectorEnv, play_episodes
from rlmem.agents.memory_metrics import shows_word, spans
from rlmem.errors import check
from rlmem.memories import ExpireSpanMemory
from rlmem.memories.limited import LimitedMemory
from rlmem.observation_leaves import leaves
from rlmem.window import Window

_WINDOW = 100  # steps between two deletions of dead memories; results do not depend on it


@dataclass(frozen=True)
class Evaluation(Outcome):
    """What the episodes gave, and what the memory did in them.

    Args:
        memory_size_by_layer: mean over all queries of how many memories a layer saw, the query's own step left out.
        span_mean: mean span in steps, per layer, of the steps that show the word and of the others; empty for kinds
            without spans.
        spans: per layer (memories,) float32, e_i in steps of every memory that the episodes made; empty for kinds
            without spans.
    """

    memory_size_by_layer: tuple[float, ...]
    span_mean: dict[str, tuple[float, ...]]
    spans: tuple[NDArray[np.float32], ...]

    @property
    def memory_size_mean(self) -> float:
        """|C_t| of the paper: the mean over queries and layers."""
        return float(np.mean(self.memory_size_by_layer))


def with_zero_spans(policy: ActorCritic) -> ActorCritic:
    """A copy of a policy whose every span is 0: what is left is what the ramp alone remembers.

    Raises:
        UsageError: the policy's memory kind predicts no spans.
    """
    policy = copy.deepcopy(policy)
    memories = [module for module in policy.modules() if isinstance(module, ExpireSpanMemory)]
    check(bool(memories), f"the memory {policy.config.memory} predicts no spans, so there are none to force to 0")
    for memory in memories:
        with torch.no_grad():
            memory.weight.zero_()
            memory.bias.fill_(-torch.inf)
    return policy


def with_memory_limit(policy: ActorCritic, limit: int) -> ActorCritic:
    """A copy of a policy none of whose layers sees memories more than `limit` steps old.

    Raises:
        UsageError: the policy is recurrent, and its memory has no age.
    """
    policy = copy.deepcopy(policy)
    layers = policy.core.layer_list()
    check(
        bool(layers), f"the memory {policy.config.memory} is one state without an age, so it cannot be cut off at one"
    )
    for layer in layers:
        layer.memory = LimitedMemory(layer.memory, limit)
    return policy


def evaluate(
    policy: ActorCritic,
    make_envs: Callable[[int], VectorEnv],
    seeds: Sequence[int],
    *,
    deterministic: bool = False,
    batch: int = 256,
    word: str | None = None,
) -> Evaluation:
    """Play one episode for each seed.

    Args:
        policy: the actor-critic; its weights are not changed.
        make_envs: makes a vector environment of so many environments, with SAME_STEP autoreset, whose
            `reset(seed=[...])` seeds each.
        seeds: one an episode.
        deterministic: take the likeliest action instead of a sample.
        batch: how many episodes are played at once.
        word: the word whose steps' spans are reported apart.
    """
    device = policy.heads.weight.device
    generator = torch.Generator(device).manual_seed(int(seeds[0])) if seeds else None
    played: list[_PolicyEpisodes] = []

    def play(episodes: FirstEpisodes) -> None:
        played.append(_PolicyEpisodes(policy, episodes, None if deterministic else generator, word))
        played[-1].play()

    outcome = play_episodes(make_envs, seeds, play, batch)
    size = np.sum([p.size_total for p in played], axis=0) / outcome.lengths.sum()
    totals = sum((p.span_total for p in played[1:]), played[0].span_total)
    made = [one for p in played for one in p.spans]  # per window, then per layer
    return Evaluation(
        **vars(outcome),
        memory_size_by_layer=tuple(size.tolist()),
        span_mean=_span_means(totals, word),
        spans=tuple(np.concatenate(layer) for layer in zip(*made, strict=True)),
    )


def _span_means(totals: Tensor, word: str | None) -> dict[str, tuple[float, ...]]:
    """totals: (2, 2, layers), sum and count of the spans of the word's steps and of the others; 0 without spans."""
    if word is None or not totals[:, 1].any():
        return {}
    means = (totals[:, 0] / totals[:, 1]).tolist()
    return {word: tuple(means[0]), "other": tuple(means[1])}


class _PolicyEpisodes:
    """First episodes played by a policy; rows that are over leave its batch between windows."""

    def __init__(
        self, policy: ActorCritic, episodes: FirstEpisodes, generator: torch.Generator | None, word: str | None
    ) -> None:
        self.policy, self.episodes, self.generator, self.word = policy, episodes, generator, word
        self.device = policy.heads.weight.device
        self.size_total = np.zeros(policy.config.num_layers)
        self.span_total = torch.zeros(2, 2, policy.config.num_layers, dtype=torch.float64)
        self.spans: list[list[NDArray[np.float32]]] = []

    def play(self) -> None:
        """Play until every row's first episode is over."""
        is_over = self.episodes.is_over
        rows = np.arange(len(is_over))
        state = self.policy.core.initial_state(len(rows))
        is_first = True
        while len(rows):
            cache = self.policy.open(state, _WINDOW)
            firsts = torch.zeros(len(rows), _WINDOW, dtype=torch.bool, device=self.device)
            firsts[:, 0] = is_first
            seen, is_counted = [], []
            for step in range(_WINDOW):
                observation = self._observed(rows)
                action_outputs, _, size = cache.step(observation, firsts[:, step])
                is_live = ~is_over[rows]
                self.size_total += size.cpu().numpy()[is_live].sum(0)
                seen.append(observation)
                is_counted.append(torch.as_tensor(is_live, device=self.device))
                self._step(rows, action_outputs)
            window = Window.following(state, firsts)
            shown = tuple(torch.stack(leaf, dim=1) for leaf in zip(*seen, strict=True))
            self._add_spans(cache.layer_inputs(), shown, torch.stack(is_counted, 1))
            state = self.policy.core.carry(state, cache.layer_inputs(), window)
            is_left = ~is_over[rows]
            rows = rows[is_left]
            state = state.rows(torch.as_tensor(is_left.nonzero()[0], device=self.device))
            is_first = False

    def _observed(self, rows: NDArray[np.int64]) -> Observation:
        batch = leaves(self.policy.observation_space, self.episodes.observation)
        return tuple(torch.as_tensor(leaf[rows], device=self.device) for leaf in batch)

    def _step(self, rows: NDArray[np.int64], action_outputs: Tensor) -> None:
        head = self.policy.action_head
        if self.generator is None:
            chosen = head.mode(action_outputs)
        else:
            chosen = head.sample(action_outputs, head.noise((len(rows),), self.generator))
        action = head.to_environment(chosen.cpu().numpy())
        actions = np.zeros((len(self.episodes.is_over), *action.shape[1:]), dtype=action.dtype)
        actions[:] = action[0]  # rows that are over play on, with any action that is possible
        actions[rows] = action
        self.episodes.step(actions)

    def _add_spans(self, layer_inputs: tuple[Tensor, ...], observation: Observation, is_counted: Tensor) -> None:
        layers = spans(self.policy, layer_inputs)
        if layers is None:
            return
        self.spans.append([span[is_counted].float().cpu().numpy() for span in layers])
        if self.word is None:
            return
        is_shown = shows_word(self.policy, observation, self.word)
        for group, chosen in enumerate((is_shown & is_counted, ~is_shown & is_counted)):
            for layer, span in enumerate(layers):
                self.span_total[group, 0, layer] += span[chosen].double().sum().cpu()
                self.span_total[group, 1, layer] += chosen.sum().cpu()
