"""The properties that every kind of memory must have (numbers as in the design)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch
from gymnasium.spaces import Discrete
from torch import Tensor

from rlmem.actor_critic import ActorCritic
from rlmem.checkpoint import load_tensors, save_tensors
from rlmem.memory_state import EMPTY_TIME, LayerMemory, MemoryState
from rlmem.model_config import MemoryKind, ModelConfig
from rlmem.window import Window
from rlmem.word_space import WordSpace

WORDS = tuple("abcdef")
BATCH, STEPS = 5, 100
KINDS: tuple[MemoryKind, ...] = get_args(MemoryKind)
RECURRENT = ("lstm", "gru")
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}

each_kind = pytest.mark.parametrize("kind", KINDS)
each_deleting_kind = pytest.mark.parametrize("kind", sorted({*KINDS} - {"compressive"}))
each_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def make_policy(kind: MemoryKind, dtype: torch.dtype = torch.float64) -> ActorCritic:
    torch.manual_seed(0)
    config = ModelConfig(
        model=16, heads=2, feedforward=24, position_reach=20 if kind == "compressive" else 9, memory=kind, max_span=12,
        ramp=4, initial_span_fraction=(0.3,), compression_rate=3, num_compressed=4,
    )  # fmt: skip
    policy = ActorCritic(config, WordSpace(3, 3, WORDS), Discrete(4)).to(dtype)
    for name, parameter in policy.named_parameters():
        if name.endswith("memory.weight"):
            parameter.data.normal_(generator=torch.Generator().manual_seed(1))
        if name.endswith("memory.logit"):  # a span per head
            parameter.data = torch.tensor([-1.5, -0.5], dtype=dtype)
    policy.heads.weight.data.normal_(std=0.5, generator=torch.Generator().manual_seed(3))
    return policy


def make_steps(batch: int = BATCH, steps: int = STEPS) -> tuple[Tensor, Tensor]:
    """Observations and episode starts at different steps in different rows."""
    generator = torch.Generator().manual_seed(2)
    observation = (torch.rand(batch, steps, 3, 3, len(WORDS), generator=generator) < 0.3).to(torch.uint8)
    is_first = torch.rand(batch, steps, generator=generator) < 0.05
    is_first[0] = False  # one row with a single long episode
    is_first[:, 0] = True
    return observation, is_first


def staggered_state(policy: ActorCritic) -> MemoryState:
    """An empty state whose rows are at different absolute times, far beyond what float32 counts exactly."""
    state = policy.core.initial_state(BATCH)
    time = 400_000_000 + 37 * torch.arange(BATCH)
    return replace(state, next_time=time, episode_start=time.clone())


def run_windows(
    policy: ActorCritic, state: MemoryState, observation: Tensor, is_first: Tensor, size: int, *, delete: bool = True
) -> tuple[Tensor, Tensor, MemoryState]:
    """Logits and values of consecutive windows of `size` steps, memory carried across."""
    logits, values = [], []
    for start in range(0, observation.shape[1], size):
        part = slice(start, start + size)
        window = Window.following(state, is_first[:, part])
        output = policy((observation[:, part],), state, window)
        state = policy.core.carry(state, output.layer_inputs, window, delete=delete)
        logits.append(output.action_outputs)
        values.append(output.value)
    return torch.cat(logits, 1), torch.cat(values, 1), state


def act(
    policy: ActorCritic, state: MemoryState, observation: Tensor, is_first: Tensor, size: int
) -> tuple[Tensor, Tensor]:
    """The same step by step, with a cache for `size` steps at a time."""
    logits, values = [], []
    for start in range(0, observation.shape[1], size):
        cache = policy.open(state, size)
        for time in range(start, start + size):
            step_logits, step_value, _ = cache.step((observation[:, time],), is_first[:, time])
            logits.append(step_logits)
            values.append(step_value)
        window = Window.following(state, is_first[:, start : start + size])
        state = policy.core.carry(state, cache.layer_inputs(), window)
    return torch.stack(logits, 1), torch.stack(values, 1)


def largest(a: Tensor, b: Tensor) -> float:
    return float((a - b).detach().abs().max())


@each_kind
@each_dtype
def test_1_acting_equals_the_windowed_forward(kind: MemoryKind, dtype: torch.dtype) -> None:
    policy = make_policy(kind, dtype)
    observation, is_first = make_steps()
    state = staggered_state(policy)
    logits, values, _ = run_windows(policy, state, observation, is_first, 50)
    acted_logits, acted_values = act(policy, state, observation, is_first, 25)
    log_prob, acted_log_prob = logits.log_softmax(-1), acted_logits.log_softmax(-1)
    assert min(logits.std(), values.std()) > 0.3
    assert largest(log_prob, acted_log_prob) < TOLERANCE[dtype]
    assert largest(values, acted_values) < TOLERANCE[dtype]


@each_kind
@each_dtype
@pytest.mark.parametrize("size", [25, 1])
def test_2_window_size_does_not_matter(kind: MemoryKind, dtype: torch.dtype, size: int) -> None:
    policy = make_policy(kind, dtype)
    observation, is_first = make_steps()
    state = staggered_state(policy)
    whole, whole_values, whole_state = run_windows(policy, state, observation, is_first, STEPS)
    parts, parts_values, parts_state = run_windows(policy, state, observation, is_first, size)
    assert largest(whole, parts) < TOLERANCE[dtype]
    assert largest(whole_values, parts_values) < TOLERANCE[dtype]
    for one, other in zip(whole_state.layers, parts_state.layers, strict=True):
        assert torch.equal(one.time, other.time)


@each_kind
def test_3_rows_are_independent(kind: MemoryKind) -> None:
    policy = make_policy(kind)
    observation, is_first = make_steps()
    state = staggered_state(policy)
    logits, values, last = run_windows(policy, state, observation, is_first, 20)
    for row in range(BATCH):
        index = torch.tensor([row])
        alone, alone_values, alone_last = run_windows(
            policy, state.rows(index), observation[index], is_first[index], 20
        )
        assert largest(alone[0], logits[row]) < 1e-10
        assert largest(alone_values[0], values[row]) < 1e-10
        for one, all_rows in zip(alone_last.layers, last.layers, strict=True):
            time = all_rows.time[row]
            assert torch.equal(one.time[0], time[time != EMPTY_TIME])


@each_kind
def test_4_nothing_crosses_an_episode_boundary(kind: MemoryKind) -> None:
    policy = make_policy(kind)
    observation, _ = make_steps(steps=20)
    is_first = torch.zeros(BATCH, 20, dtype=torch.bool)
    is_first[:, 0] = is_first[:, 12] = True
    state = staggered_state(policy)
    window = Window.following(state, is_first)

    inputs = policy.encoder((observation,)).detach().requires_grad_()
    hidden = policy.core(inputs, state, window).hidden
    hidden[:, 12:].sum().backward()
    assert inputs.grad is not None
    assert inputs.grad[:, :12].abs().max() == 0
    assert inputs.grad[:, 12:].abs().max() > 0

    changed = observation.clone()
    changed[:, :12] = 1 - changed[:, :12]
    before, after = (policy((x,), state, window).action_outputs[:, 12:] for x in (observation, changed))
    assert torch.equal(before, after)
    for size in (4, 20):  # the boundary inside a later window, and in the same one
        old, new = (run_windows(policy, state, x, is_first, size)[0][:, 12:] for x in (observation, changed))
        assert largest(old, new) == 0
        old, new = (act(policy, state, x, is_first, size)[0][:, 12:] for x in (observation, changed))
        assert largest(old, new) == 0


@each_kind
def test_5_empty_slots_change_nothing(kind: MemoryKind) -> None:
    policy = make_policy(kind)
    observation, is_first = make_steps()
    _, _, state = run_windows(policy, staggered_state(policy), observation, is_first, 20)
    is_first = torch.zeros_like(is_first)
    assert any(layer.is_empty.any() for layer in state.layers) or kind in (*RECURRENT, "none")
    garbage = MemoryState(
        tuple(
            LayerMemory(
                m.hidden.new_full((BATCH, 3, m.hidden.shape[2]), 1e8), m.time.new_full((BATCH, 3), EMPTY_TIME)
            ).followed_by(replace(m, hidden=torch.where(m.is_empty[..., None], -1e8, m.hidden)))
            for m in state.layers
        ),
        state.next_time,
        state.episode_start,
    )
    clean, dirty = (run_windows(policy, s, observation, is_first, 20) for s in (state, garbage))
    assert largest(clean[0], dirty[0]) < 1e-10
    acted, acted_dirty = (act(policy, s, observation, is_first, 20)[0] for s in (state, garbage))
    assert largest(acted, acted_dirty) < 1e-10
    for one, other in zip(clean[2].layers, dirty[2].layers, strict=True):
        assert torch.equal(one.time, other.time)

    def gradient(s: MemoryState) -> Tensor:
        policy.zero_grad()
        window = Window.following(s, is_first)
        output = policy((observation,), s, window)
        (output.action_outputs.sum() + policy.core.auxiliary_loss(output.traces, window)).backward()
        return torch.cat([p.grad.flatten() for p in policy.parameters() if p.grad is not None])

    assert largest(gradient(state), gradient(garbage)) < 1e-8


@each_deleting_kind
def test_6_deletion_changes_nothing(kind: MemoryKind) -> None:
    policy = make_policy(kind)
    observation, is_first = make_steps()
    state = staggered_state(policy)
    kept, kept_values, kept_state = run_windows(policy, state, observation, is_first, 20, delete=False)
    deleted, deleted_values, deleted_state = run_windows(policy, state, observation, is_first, 20)
    assert kept_state.layers[0].time.shape[1] == STEPS
    assert deleted_state.layers[0].time.shape[1] < 30
    assert largest(kept, deleted) < 1e-10
    assert largest(kept_values, deleted_values) < 1e-10


@each_kind
@pytest.mark.parametrize("ends_episode", [False, True])
def test_7_the_bootstrap_sees_what_acting_would(kind: MemoryKind, ends_episode: bool) -> None:
    """A value asked for in the middle or at the end of a window equals the one that acting gets there next."""
    policy = make_policy(kind)
    observation, is_first = make_steps(steps=40)
    is_first[:, 21:] = False
    state = staggered_state(policy)
    reached = run_windows(policy, state, observation[:, :20], is_first[:, :20], 20)[2]
    cache = policy.open(reached, 20)
    for time in range(20, 40):
        value_there = cache.peek((observation[:, time],))
        if time > 20 and ends_episode:  # a final observation in the old episode is never stored
            cache.peek((1 - observation[:, time],))
        _, value, _ = cache.step((observation[:, time],), is_first[:, time])
        if not is_first[:, time].any():
            assert largest(value_there, value) < 1e-10
    _, expected, _ = run_windows(policy, state, observation, is_first, 20)
    assert largest(expected[:, -1], value) < 1e-10


@each_kind
def test_memory_size_counts_what_a_query_sees(kind: MemoryKind) -> None:
    policy = make_policy(kind)
    observation, is_first = make_steps()
    state = staggered_state(policy)
    window = Window.following(state, is_first)
    traces = policy((observation,), state, window).traces
    seen = [(trace.log_mask > -torch.inf).any(1).sum(2) - 1 for trace in traces] or [(~is_first).long()] * 2
    counted = torch.stack(seen, dim=2)  # (batch, query, layers)
    cache = policy.open(state, STEPS)
    sizes = torch.stack([cache.step((observation[:, t],), is_first[:, t])[2] for t in range(STEPS)], dim=1)
    assert torch.equal(sizes, counted)
    assert counted[0].max() >= 4 or kind in (*RECURRENT, "none")
    assert (counted[is_first] == 0).all()


@each_kind
def test_a_state_goes_to_disk_and_back(kind: MemoryKind, tmp_path: Path) -> None:
    policy = make_policy(kind)
    observation, is_first = make_steps(steps=60)
    _, _, state = run_windows(policy, staggered_state(policy), observation[:, :40], is_first[:, :40], 20)
    save_tensors(state.tensors(), tmp_path / "state.safetensors")
    restored = MemoryState.from_tensors(load_tensors(tmp_path / "state.safetensors")[0])
    index = torch.tensor([3, 1])
    for loaded, kept, rows in ((restored, state, slice(None)), (restored.rows(index), state.rows(index), index)):
        inputs = observation[rows, 40:], is_first[rows, 40:]
        again, expected = (run_windows(policy, s, *inputs, 20)[:2] for s in (loaded, kept))
        assert torch.equal(again[0], expected[0])
        assert torch.equal(again[1], expected[1])


@each_kind
def test_a_stream_without_episodes(kind: MemoryKind) -> None:
    policy = make_policy(kind)
    observation, is_first = make_steps(2)
    is_first = torch.zeros_like(is_first)
    state = policy.core.initial_state(2)
    whole, _, whole_state = run_windows(policy, state, observation, is_first, STEPS)
    parts, _, parts_state = run_windows(policy, state, observation, is_first, 7)
    assert largest(whole, parts) < 1e-10
    for one, other in zip(whole_state.layers, parts_state.layers, strict=True):
        assert torch.equal(one.time, other.time)
        assert one.time.shape[1] < 20
    assert largest(act(policy, state, observation, is_first, 50)[0], whole) < 1e-10


@each_kind
def test_gradients_stop_at_the_windows_start(kind: MemoryKind) -> None:
    policy = make_policy(kind)
    observation, is_first = make_steps(steps=20)
    state = staggered_state(policy)
    inputs = policy.encoder((observation,)).detach().requires_grad_()
    window = Window.following(state, is_first[:, :10])
    output = policy.core(inputs[:, :10], state, window)
    state = policy.core.carry(state, output.layer_inputs, window)
    following = policy.core(inputs[:, 10:], state, Window.following(state, is_first[:, 10:])).hidden
    (gradient,) = torch.autograd.grad(following.sum(), inputs)
    assert gradient[:, :10].abs().max() == 0
    assert gradient[:, 10:].abs().max() > 0
