"""The longest-kept observations, against a count by hand over a traced episode."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rlmem.actor_critic import ActorCritic
from rlmem.agents.retained_observations import longest_kept
from rlmem.agents.tracing import EpisodeTrace, trace_episode
from rlmem.envs.corridor import CorridorEnv

Make = Callable[..., ActorCritic]
STEPS = 30


def trace_of(policy: ActorCritic) -> EpisodeTrace:
    return trace_episode(policy, CorridorEnv(5, 9, STEPS), seed=4)


def looks(trace: EpisodeTrace) -> list[bytes]:
    return [step.tobytes() for step in trace.observation[0]]


@pytest.mark.parametrize("memory", ["expire_span", "transformer_xl", "adaptive_span"])
def test_each_look_once_by_its_longest_kept_step(make_policy: Make, memory: str) -> None:
    policy = make_policy(3, memory=memory)
    trace = trace_of(policy)
    seen = looks(trace)
    assert 2 < len(set(seen)) < trace.num_steps
    for layer in trace.layers:
        ranked = longest_kept(policy.observation_space, trace, layer, trace.num_steps)
        longest = {look: max(k for k, one in zip(layer.kept_steps, seen, strict=True) if one == look) for look in seen}
        expected = {look: kept for look, kept in longest.items() if kept > 0}
        assert {seen[one.step]: one.kept_steps for one in ranked} == expected
        assert len(ranked) == len(expected)
        assert [one.kept_steps for one in ranked] == sorted(expected.values(), reverse=True)
        assert longest_kept(policy.observation_space, trace, layer, 2) == ranked[:2]


def test_what_is_said_of_one(make_policy: Make) -> None:
    policy = make_policy(3)
    trace = trace_of(policy)
    (layer, _) = trace.layers
    for one in longest_kept(policy.observation_space, trace, layer, 10):
        assert one.step == layer.birth[one.slot] == one.slot
        assert one.covers == 1
        assert one.label == trace.labels[one.step]
        assert one.num_alike == looks(trace).count(looks(trace)[one.step])
        later = [layer.attention[step, one.slot] for step in range(one.step + 1, one.step + one.kept_steps + 1)]
        assert one.attention_mean == pytest.approx(np.mean(later))
        assert one.attention_most == pytest.approx(max(later))
        assert layer.attention[one.attention_most_at, one.slot] == pytest.approx(max(later))
        assert one.is_kept_to_the_end == bool(layer.mask[-1, one.slot] > 0)


def test_equally_long_kept_ones_by_attention(make_policy: Make) -> None:
    policy = make_policy(3, memory="transformer_xl", max_span=4)
    trace = trace_of(policy)
    for layer in trace.layers:
        ranked = longest_kept(policy.observation_space, trace, layer, 10)
        same = [one.attention_most for one in ranked if one.kept_steps == 4]
        assert len(same) > 2
        assert same == sorted(same, reverse=True)


def test_a_pooled_slot_stands_beside_the_step_it_ends_with(make_policy: Make) -> None:
    policy = make_policy(3, memory="compressive", max_span=4)
    trace = trace_of(policy)
    for layer in trace.layers:
        ranked = longest_kept(policy.observation_space, trace, layer, 20)
        pooled = [one for one in ranked if one.covers == 4]
        assert pooled
        assert all(one.slot >= trace.num_steps and one.step == layer.birth[one.slot] for one in pooled)


def test_nothing_is_kept_where_there_is_no_memory(make_policy: Make) -> None:
    policy = make_policy(3, memory="none")
    trace = trace_of(policy)
    assert [longest_kept(policy.observation_space, trace, layer, 5) for layer in trace.layers] == [[], []]
