"""Traces: what acting did, what the memory's definition says, and what storage held step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rlmem.actor_critic import ActorCritic
from rlmem.agents.tracing import EpisodeTrace, run_episode, trace_episode
from rlmem.envs.corridor import CorridorEnv
from rlmem.envs.vocabulary import WORDS
from rlmem.window import Window

TRANSFORMERS = ["expire_span", "transformer_xl", "adaptive_span", "compressive", "none"]
STEPS = 40

Make = Callable[..., ActorCritic]


def trace_of(policy: ActorCritic, seed: int = 4, render_mode: str | None = None) -> EpisodeTrace:
    return trace_episode(policy, CorridorEnv(40, 44, STEPS, render_mode=render_mode), seed)


def tensors(trace: EpisodeTrace) -> tuple[torch.Tensor, ...]:
    return tuple(torch.as_tensor(leaf)[None] for leaf in trace.observation)


@pytest.mark.parametrize("memory", [*TRANSFORMERS, "lstm", "gru"])
def test_a_trace_says_what_acting_said(make_policy: Make, memory: str) -> None:
    policy = make_policy(3, memory=memory)
    trace = trace_of(policy)
    assert trace.num_steps == STEPS  # longer than the acting cache's parts, so that memories die under way
    assert trace.is_truncated
    with torch.no_grad():
        output = run_episode(policy, tensors(trace))
    np.testing.assert_allclose(trace.action_outputs, output.action_outputs[0], atol=1e-5)
    np.testing.assert_allclose(trace.value, output.value[0], atol=1e-5)
    assert trace.probabilities is not None
    np.testing.assert_allclose(trace.probabilities.sum(1), 1, atol=1e-6)
    assert len(trace.layers) == (0 if memory in ("lstm", "gru") else 2)


@pytest.mark.parametrize("memory", TRANSFORMERS)
def test_attention_and_mask_fit_each_other_and_the_memorys_life(make_policy: Make, memory: str) -> None:
    trace = trace_of(make_policy(3, memory=memory, num_compressed=2))
    for layer in trace.layers:
        slots = np.arange(len(layer.birth))
        step = np.arange(STEPS)[:, None]
        assert layer.attention.shape == layer.mask.shape == (STEPS, len(slots))
        np.testing.assert_allclose(layer.attention.sum(1), 1, atol=1e-5)
        np.testing.assert_array_equal(layer.birth[:STEPS], np.arange(STEPS))
        np.testing.assert_array_equal(layer.mask[np.arange(STEPS), np.arange(STEPS)], 1)
        is_unseen = (step > layer.seen_until) | (step < layer.birth)
        assert (layer.mask[is_unseen] == 0).all()
        assert (layer.attention[layer.mask == 0] == 0).all()
        assert (layer.mask[layer.seen_until, slots] > 0).all()
        assert (layer.mask[layer.full_until[:STEPS], slots[:STEPS]] == 1).all()
        is_gone = (layer.deleted >= 0) & (step >= layer.deleted)
        assert (layer.mask[is_gone] == 0).all()
        assert (layer.full_until <= layer.seen_until).all()
    expected = {"expire_span": True, "adaptive_span": True}.get(memory, False)
    assert all((layer.span is not None) == expected for layer in trace.layers)
    is_pooling = memory == "compressive"
    assert all((len(layer.birth) > STEPS) == is_pooling for layer in trace.layers)
    assert all((layer.covers[STEPS:] == 4).all() for layer in trace.layers)


def test_the_mask_is_the_papers(make_policy: Make) -> None:
    policy = make_policy(3)
    trace = trace_of(policy)
    for layer in trace.layers:
        assert layer.span is not None
        assert layer.span.std() > 0
        for step in range(STEPS):
            age = step - np.arange(STEPS)
            expected = np.clip(1 + (layer.span - age) / policy.config.ramp, 0, 1) * (age >= 0)
            np.testing.assert_allclose(layer.mask[step], expected, atol=1e-5)


def test_a_fixed_span_shows_its_window(make_policy: Make) -> None:
    for layer in trace_of(make_policy(3, memory="transformer_xl", max_span=5)).layers:
        np.testing.assert_array_equal(layer.seen_until, np.minimum(np.arange(STEPS) + 5, STEPS - 1))
        np.testing.assert_array_equal(layer.full_until, layer.seen_until)
        deleted = np.arange(STEPS) + 6
        np.testing.assert_array_equal(layer.deleted, np.where(deleted < STEPS, deleted, -1))


@pytest.mark.parametrize("memory", TRANSFORMERS)
def test_deleted_is_when_carry_drops_the_slot(make_policy: Make, memory: str) -> None:
    policy = make_policy(3, memory=memory)
    trace = trace_of(policy)
    state = policy.core.initial_state(1)
    for step in range(STEPS):
        for traced, stored in zip(trace.layers, state.layers, strict=True):
            is_single = torch.ones_like(stored.time) if stored.steps is None else stored.steps == 1
            held = set(stored.time[is_single.bool() & ~stored.is_empty].tolist())
            is_there = (traced.deleted[:STEPS] == -1) | (traced.deleted[:STEPS] > step)
            assert held == {slot for slot in range(step) if is_there[slot]}
        observation = tuple(leaf[:, step : step + 1] for leaf in tensors(trace))
        window = Window.following(state, torch.tensor([[step == 0]]))
        with torch.no_grad():
            state = policy.core.carry(state, policy(observation, state, window).layer_inputs, window)


def test_weights_are_those_that_the_attention_reads_with(make_policy: Make) -> None:
    attention = make_policy(1).core.layer_list()[0].attention
    normed, columns = torch.randn(2, 3 + 4, 16), torch.tensor([[0, 2, 5], [1, 1, 4]])
    log_mask = torch.zeros(2, 1, 4, 7)
    log_mask[:, :, 2:, 1] = -torch.inf
    with torch.no_grad():
        weights = attention.weights(normed, log_mask, columns)
        values = attention.split_heads(attention.key_value(normed).chunk(2, dim=-1)[1])
        read = attention.output((weights @ values).transpose(1, 2).flatten(2))
        torch.testing.assert_close(read, attention(normed, log_mask, columns))
    assert (weights[:, :, 2:, 1] == 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 4))


def test_tracing_leaves_the_policy_as_it_was(make_policy: Make) -> None:
    policy = make_policy(3)
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    trace_of(policy)
    assert all(torch.equal(value, before[name]) for name, value in policy.state_dict().items())
    assert not any(layer.attention._forward_pre_hooks for layer in policy.core.layer_list())


def test_episodes_repeat_and_likeliest_actions_need_no_luck(make_policy: Make) -> None:
    policy = make_policy(3)
    first, second = trace_of(policy), trace_of(policy)
    np.testing.assert_array_equal(first.action, second.action)
    assert len(set(first.action.tolist())) > 1
    likeliest = trace_episode(policy, CorridorEnv(40, 44, STEPS), 4, deterministic=True)
    np.testing.assert_array_equal(likeliest.action, likeliest.action_outputs.argmax(1))


def test_words_and_pictures(make_policy: Make) -> None:
    trace = trace_of(make_policy(3), render_mode="rgb_array")
    first: Any = trace.observation[0][0]
    colour = "red" if first[:, :, WORDS.index("red")].any() else "blue"
    assert trace.labels[0] == f"{colour} object"
    assert trace.cells is not None
    assert trace.cells[0].tolist() == ["block", f"{colour} object", "block", "block", "agent", "", *["block"] * 3]
    assert trace.columns == 3
    assert trace.frames is not None
    assert trace.views is not None
    assert trace.frames.index.shape == trace.views.index.shape == (STEPS,)
    env = CorridorEnv(40, 44, STEPS, render_mode="rgb_array")
    env.reset(seed=4)
    for step, action in enumerate(trace.action):
        np.testing.assert_array_equal(trace.frames.images[trace.frames.index[step]], env.render())
        env.step(int(action))
    assert len(trace.frames.images) < STEPS
    bare = trace_of(make_policy(3))
    assert bare.frames is None
    assert bare.views is None
