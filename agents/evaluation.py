"""Evaluation: a fixed list of episodes, each played once by fixed weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlmem.actor_critic import ActorCritic
from rlmem.agents.memory_metrics import shows_word, spans
from rlmem.agents.rollout import gumbel_noise, successes
from rlmem.errors import check
from rlmem.memories import ExpireSpanMemory
from rlmem.window import Window

VectorEnv = gym.vector.VectorEnv[Any, Any, Any]

_WINDOW = 100  # steps between two deletions of dead memories; results do not depend on it


@dataclass(frozen=True)
class Evaluation:
    """What the episodes gave; arrays are (episodes,), in the order of the seeds.

    Args:
        returns: undiscounted return.
        lengths: steps, int64.
        successes: bool.
        infos: numbers that the environment reported at the episode's end, by name (Corridor: `length`).
        memory_size_by_layer: mean over all queries of how many memories a layer saw, the query's own step left out.
        span_mean: mean span in steps, per layer, of the steps that show the word and of the others; empty for kinds
            without spans.
    """

    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    successes: NDArray[np.bool_]
    infos: dict[str, NDArray[Any]]
    memory_size_by_layer: tuple[float, ...]
    span_mean: dict[str, tuple[float, ...]]

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
    check(len(seeds) >= 1, "an evaluation of 0 episodes was asked for, but it needs at least 1")
    device = policy.heads.weight.device
    generator = torch.Generator(device).manual_seed(int(seeds[0]))
    played = []
    for start in range(0, len(seeds), batch):
        chunk = list(seeds[start : start + batch])
        envs = make_envs(len(chunk))
        played.append(_Episodes(policy, envs, chunk, None if deterministic else generator, word))
        played[-1].play()
        envs.close()
    size = np.sum([p.size_total for p in played], axis=0) / np.sum([p.lengths.sum() for p in played])
    totals = sum((p.span_total for p in played[1:]), played[0].span_total)
    return Evaluation(
        returns=np.concatenate([p.returns for p in played]),
        lengths=np.concatenate([p.lengths for p in played]),
        successes=np.concatenate([p.successes for p in played]),
        infos={name: np.concatenate([p.infos[name] for p in played]) for name in played[0].infos},
        memory_size_by_layer=tuple(size.tolist()),
        span_mean=_span_means(totals, word),
    )


def _span_means(totals: Tensor, word: str | None) -> dict[str, tuple[float, ...]]:
    """totals: (2, 2, layers), sum and count of the spans of the word's steps and of the others."""
    if word is None or totals.shape[2] == 0:
        return {}
    means = (totals[:, 0] / totals[:, 1]).tolist()
    return {word: tuple(means[0]), "other": tuple(means[1])}


class _Episodes:
    """A batch of first episodes; rows whose episode is over are dropped from the policy's batch between windows."""

    def __init__(
        self,
        policy: ActorCritic,
        envs: VectorEnv,
        seeds: list[int],
        generator: torch.Generator | None,
        word: str | None,
    ) -> None:
        self.policy, self.envs, self.generator, self.word = policy, envs, generator, word
        self.device = policy.heads.weight.device
        self.observation, _ = envs.reset(seed=seeds)  # type: ignore[arg-type]  # Gymnasium takes lists, unannotated
        num = len(seeds)
        self.returns = np.zeros(num)
        self.lengths = np.zeros(num, dtype=np.int64)
        self.successes = np.zeros(num, dtype=np.bool_)
        self.is_over = np.zeros(num, dtype=np.bool_)
        self.infos: dict[str, NDArray[Any]] = {}
        self.size_total = np.zeros(policy.config.num_layers)
        layers = policy.config.num_layers if policy.config.memory == "expire_span" else 0
        self.span_total = torch.zeros(2, 2, layers, dtype=torch.float64)

    def play(self) -> None:
        """Play until every row's first episode is over."""
        rows = np.arange(len(self.is_over))
        state = self.policy.core.initial_state(len(rows))
        is_first = True
        while len(rows):
            cache = self.policy.open(state, _WINDOW)
            firsts = torch.zeros(len(rows), _WINDOW, dtype=torch.bool, device=self.device)
            firsts[:, 0] = is_first
            seen, is_counted = [], []
            for step in range(_WINDOW):
                observation = torch.as_tensor(self.observation[rows], device=self.device)
                logits, _, size = cache.step(observation, firsts[:, step])
                is_live = ~self.is_over[rows]
                self.size_total += size.cpu().numpy()[is_live].sum(0)
                seen.append(observation)
                is_counted.append(torch.as_tensor(is_live, device=self.device))
                self._step(rows, self._choose(logits))
            window = Window.following(state, firsts)
            self._add_spans(cache.layer_inputs(), torch.stack(seen, 1), torch.stack(is_counted, 1))
            state = self.policy.core.carry(state, cache.layer_inputs(), window)
            is_left = ~self.is_over[rows]
            rows = rows[is_left]
            state = state.rows(torch.as_tensor(is_left.nonzero()[0], device=self.device))
            is_first = False

    def _choose(self, logits: Tensor) -> NDArray[np.int64]:
        if self.generator is not None:
            logits = logits + gumbel_noise(tuple(logits.shape), self.generator)
        action: NDArray[np.int64] = logits.argmax(-1).cpu().numpy()
        return action

    def _step(self, rows: NDArray[np.int64], action: NDArray[np.int64]) -> None:
        actions = np.zeros(len(self.is_over), dtype=np.int64)
        actions[rows] = action
        self.observation, reward, terminated, truncated, infos = self.envs.step(actions)
        is_last = terminated | truncated
        is_live = ~self.is_over
        self.returns[is_live] += np.asarray(reward)[is_live]
        self.lengths[is_live] += 1
        is_ended = is_last & is_live
        if is_ended.any():
            self.successes[is_ended] = successes(infos, reward, is_last)[is_ended]
            for name, values in infos.get("final_info", {}).items():
                if not name.startswith("_") and isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
                    self.infos.setdefault(name, np.zeros(len(self.is_over), values.dtype))[is_ended] = values[is_ended]
            self.is_over |= is_ended

    def _add_spans(self, layer_inputs: tuple[Tensor, ...], observation: Tensor, is_counted: Tensor) -> None:
        layers = spans(self.policy, layer_inputs)
        if layers is None or self.word is None:
            return
        is_shown = shows_word(observation, self.policy.encoder.words, self.word)
        for group, chosen in enumerate((is_shown & is_counted, ~is_shown & is_counted)):
            for layer, span in enumerate(layers):
                self.span_total[group, 0, layer] += span[chosen].double().sum().cpu()
                self.span_total[group, 1, layer] += chosen.sum().cpu()
