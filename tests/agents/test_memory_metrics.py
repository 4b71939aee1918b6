"""What is logged of the memory, against counts over every step since the beginning."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rlmem.actor_critic import ActorCritic
from rlmem.agents.memory_metrics import memory_metrics, shows_word
from rlmem.agents.rollout import Collector, Rollout
from rlmem.envs.vocabulary import WORDS
from rlmem.memories import ExpireSpanMemory

NUM_ENVS, NUM_STEPS, NUM_WINDOWS = 4, 6, 4

SIZES = {"memory/size_mean", "memory/size_max", "memory/evicted"}
SPANS = {"memory/span_mean", "memory/span_max"}


def windows(
    policy: ActorCritic, make_corridors: Callable[..., Any], word: str | None
) -> tuple[list[Rollout], list[dict[str, float]]]:
    collector = Collector(make_corridors(NUM_ENVS), policy, NUM_STEPS, torch.Generator().manual_seed(0), 0)
    rollouts, metrics = [], []
    for _ in range(NUM_WINDOWS):
        rollouts.append(collector.collect())
        metrics.append(memory_metrics(policy, rollouts[-1], collector.carry(rollouts[-1]), word))
    return rollouts, metrics


def all_reaches(policy: ActorCritic, rollouts: list[Rollout]) -> list[list[list[float]]]:
    """[layer][row][step]: at this age and beyond, no query sees the memory."""
    reaches = []
    for number, layer in enumerate(policy.core.layer_list()):
        hidden = torch.cat([rollout.layer_inputs[number] for rollout in rollouts], dim=1)
        if isinstance(layer.memory, ExpireSpanMemory):
            reaches.append((span_of(policy, number, hidden) + layer.memory.ramp).tolist())
        else:
            reaches.append(torch.full(hidden.shape[:2], policy.config.max_span + 1.0).tolist())
    return reaches


def span_of(policy: ActorCritic, number: int, hidden: Tensor) -> Tensor:
    layer = policy.core.layer_list()[number]
    memory = layer.memory
    assert isinstance(memory, ExpireSpanMemory)
    logit = layer.attention_norm(hidden) @ memory.weight + memory.bias
    return (memory.max_span / (1 + torch.exp(-logit))).detach()


def starts(rollouts: list[Rollout]) -> list[list[int]]:
    """[row][time]: when the episode began that `time` belongs to; one time more than there were steps."""
    is_last = torch.cat([rollout.is_last for rollout in rollouts]).t().tolist()
    found = []
    for row in is_last:
        begun = [0]
        for time, ended in enumerate(row):
            begun.append(time + 1 if ended else begun[-1])
        found.append(begun)
    return found


@pytest.mark.parametrize("memory", ["expire_span", "transformer_xl"])
def test_sizes_and_evictions_against_brute_force(
    make_policy: Callable[..., ActorCritic], make_corridors: Callable[..., Any], memory: str
) -> None:
    policy = make_policy(3, memory=memory, max_span=4, ramp=2)
    rollouts, metrics = windows(policy, make_corridors, None)
    reaches, begun = all_reaches(policy, rollouts), starts(rollouts)
    live_before = [0, 0]
    all_sizes: list[float] = []
    for window, found in enumerate(metrics):
        first, end = window * NUM_STEPS, (window + 1) * NUM_STEPS
        window_sizes, window_evicted = [], 0
        for layer in range(2):
            reach = reaches[layer]

            def visible(row: int, time: int, reach: list[list[float]] = reach) -> int:
                return sum(time - i < reach[row][i] for i in range(begun[row][time], time))

            sizes = [visible(row, time) for row in range(NUM_ENVS) for time in range(first, end)]
            assert found[f"memory/size_mean/layer_{layer}"] == pytest.approx(sum(sizes) / len(sizes))
            assert found[f"memory/size_max/layer_{layer}"] == max(sizes)
            live = sum(visible(row, end) for row in range(NUM_ENVS))
            evicted = live_before[layer] + NUM_ENVS * NUM_STEPS - live
            assert found[f"memory/evicted/layer_{layer}"] == evicted
            live_before[layer] = live
            window_sizes += sizes
            window_evicted += evicted
        assert found["memory/size_mean"] == pytest.approx(sum(window_sizes) / len(window_sizes))
        assert found["memory/size_max"] == max(window_sizes)
        assert found["memory/evicted"] == window_evicted
        all_sizes += window_sizes
    assert len(set(all_sizes)) > 3, "sizes hardly differ: nothing was tested"
    assert sum(live_before) > 0


def test_spans_against_a_direct_computation(
    make_policy: Callable[..., ActorCritic], make_corridors: Callable[..., Any]
) -> None:
    policy = make_policy(3)
    rollouts, metrics = windows(policy, make_corridors, "object")
    for rollout, found in zip(rollouts, metrics, strict=True):
        spans = [span_of(policy, layer, hidden) for layer, hidden in enumerate(rollout.layer_inputs)]
        assert found["memory/span_mean"] == pytest.approx(float(torch.stack(spans).mean()), rel=1e-5)
        assert found["memory/span_max"] == pytest.approx(float(torch.stack(spans).max()), rel=1e-5)
        for layer, span in enumerate(spans):
            groups: dict[str, list[float]] = {"object": [], "other": []}
            for row in range(NUM_ENVS):
                for time in range(NUM_STEPS):
                    is_shown = bool(rollout.observation[0][time, row, :, :, WORDS.index("object")].any())
                    groups["object" if is_shown else "other"].append(float(span[row, time]))
            assert found[f"memory/span_mean/layer_{layer}"] == pytest.approx(float(span.mean()), rel=1e-5)
            assert found[f"memory/span_max/layer_{layer}"] == pytest.approx(float(span.max()), rel=1e-5)
            for name, values in groups.items():
                expected = sum(values) / len(values)
                assert found[f"memory/span_mean/layer_{layer}/{name}"] == pytest.approx(expected, rel=1e-5)
            assert len({round(sum(values) / len(values), 3) for values in groups.values()}) == 2


@pytest.mark.parametrize(
    ("memory", "word", "overall"),
    [
        ("expire_span", "object", SIZES | SPANS),
        ("expire_span", None, SIZES | SPANS),
        ("transformer_xl", "object", SIZES),
    ],
)
def test_names_are_those_of_every_log(
    make_policy: Callable[..., ActorCritic],
    make_corridors: Callable[..., Any],
    memory: str,
    word: str | None,
    overall: set[str],
) -> None:
    _, metrics = windows(make_policy(memory=memory), make_corridors, word)
    expected = overall | {f"{name}/layer_{layer}" for name in overall for layer in range(2)}
    if memory == "expire_span" and word is not None:
        expected |= {f"memory/span_mean/layer_{layer}/{name}" for layer in range(2) for name in (word, "other")}
    for found in metrics:
        assert set(found) == expected
        assert all(type(value) is float and math.isfinite(value) for value in found.values())


def test_a_group_that_no_step_belongs_to_is_left_out(
    make_policy: Callable[..., ActorCritic], make_corridors: Callable[..., Any]
) -> None:
    _, metrics = windows(make_policy(), make_corridors, "room-7")
    assert "memory/span_mean/layer_0/other" in metrics[0]
    assert "memory/span_mean/layer_0/room-7" not in metrics[0]


def test_shows_word_looks_at_every_cell(make_policy: Callable[..., ActorCritic]) -> None:
    observation = torch.zeros(2, 4, 3, 3, len(WORDS), dtype=torch.uint8)
    observation[0, 1, 2, 0, WORDS.index("door")] = 1
    observation[1, 3, 0, 2, WORDS.index("door")] = 1
    observation[1, 2, 1, 1, WORDS.index("red")] = 1
    found = shows_word(make_policy(), (observation,), "door")
    assert found.nonzero().tolist() == [[0, 1], [1, 3]]
