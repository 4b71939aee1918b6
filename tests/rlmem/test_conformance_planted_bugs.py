"""Known bugs, planted one at a time: each fails its own property of `check_memory`, and says where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from rlmem.actor_critic import ActorCritic, Observation, PolicyCache, PolicyOutput
from rlmem.memory_state import EMPTY_TIME, MemoryState
from rlmem.model_config import ModelConfig
from rlmem.testing import MemoryReport, PropertyResult, check_memory
from rlmem.testing.actor_critic_adapter import ActorCriticAdapter
from rlmem.window import Window

STEPS, QUARTER = 40, 10
OBSERVATIONS = spaces.Box(-1, 1, (3,))


def make_policy(kind: type[ActorCritic] = ActorCritic) -> ActorCritic:
    torch.manual_seed(0)
    config = ModelConfig(model=16, heads=2, feedforward=16, position_reach=5, max_span=12, ramp=3)
    policy = kind(config, OBSERVATIONS, spaces.Discrete(3))
    for parameter in policy.parameters():
        parameter.data.add_(torch.randn(parameter.shape), alpha=0.2)
    return policy


def failure(report: MemoryReport, name: str) -> PropertyResult:
    """The result of the one property that failed."""
    assert report.failed == (name,), report
    result = report[name]
    assert result.difference is not None
    assert result.tolerance is not None
    assert result.difference > result.tolerance
    assert result.note
    assert result.where is not None
    return result


def first_place(result: PropertyResult) -> tuple[int | None, int | None]:
    """Row and step of the first difference."""
    where = result.first or result.where
    assert where is not None
    return where.row, where.step


def test_without_a_bug() -> None:
    report = check_memory(make_policy(), steps=STEPS)
    assert report.failed == report.not_checked == (), report


class StaleRow(PolicyCache):
    """Row 0 of the cache keeps in its ninth slot what the step before left there."""

    def layer_inputs(self) -> tuple[Tensor, ...]:
        found = tuple(inputs.clone() for inputs in super().layer_inputs())
        for inputs in found:
            inputs[0, 8:9] = inputs[0, 7:8][: inputs[0, 8:9].shape[0]]
        return found


def test_a_stale_cache_row() -> None:
    class Policy(ActorCritic):
        def open(self, state: MemoryState, num_steps: int) -> PolicyCache:
            return StaleRow(self, state, num_steps)

    result = failure(check_memory(make_policy(Policy), steps=STEPS), "acting")
    assert first_place(result) == (0, QUARTER)  # where the next cache reads it
    assert "stale" in result.note


class LateCache(PolicyCache):
    """Bootstraps from a memory that lacks the last step."""

    def __init__(self, policy: ActorCritic, state: MemoryState, num_steps: int) -> None:
        super().__init__(policy, state, num_steps)
        self.behind = PolicyCache(policy, state, num_steps)
        self.last: tuple[Observation, Tensor] | None = None

    def step(self, observation: Observation, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.last is not None:
            self.behind.step(*self.last)
        self.last = observation, is_first
        return super().step(observation, is_first)

    def peek(self, observation: Observation) -> Tensor:
        return self.behind.peek(observation)


def test_a_bootstrap_that_is_off_by_one() -> None:
    class Policy(ActorCritic):
        def open(self, state: MemoryState, num_steps: int) -> PolicyCache:
            return LateCache(self, state, num_steps)

    result = failure(check_memory(make_policy(Policy), steps=STEPS), "bootstrap")
    assert first_place(result)[1] == 1  # the first step that has one to remember
    assert "bootstrap()" in str(result.where)
    assert "misses the last step" in result.note


def test_a_gradient_across_an_episodes_end() -> None:
    class Policy(ActorCritic):
        def forward(self, observation: Observation, state: MemoryState, window: Window) -> PolicyOutput:
            output = super().forward(observation, state, window)
            before = torch.nn.functional.pad(output.value, (1, 0))[:, :-1]
            is_first = window.time == window.episode_start
            leak = torch.where(is_first, before - before.detach(), 0)  # adds nothing but gradient
            return replace(output, value=output.value + leak)

    result = failure(check_memory(make_policy(Policy), steps=STEPS), "boundary_gradients")
    assert result.where is not None
    assert result.where.step is not None
    assert result.where.step < 25  # where the episode ends
    assert result.where.row is not None
    assert "outputs from step 25 on" in result.where.quantity


def test_rows_that_influence_each_other() -> None:
    class Cache(PolicyCache):
        def step(self, observation: Observation, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            outputs, value, sizes = super().step(observation, is_first)
            return outputs, value + 0.1 * value.mean(), sizes

        def peek(self, observation: Observation) -> Tensor:
            value = super().peek(observation)
            return value + 0.1 * value.mean()

    class Policy(ActorCritic):
        def forward(self, observation: Observation, state: MemoryState, window: Window) -> PolicyOutput:
            output = super().forward(observation, state, window)
            return replace(output, value=output.value + 0.1 * output.value.mean(0))

        def open(self, state: MemoryState, num_steps: int) -> PolicyCache:
            return Cache(self, state, num_steps)

    result = failure(check_memory(make_policy(Policy), steps=STEPS), "rows")
    assert "value of the row alone" in str(result.where)
    assert "over the batch" in result.note


def with_carry(policy: ActorCritic, changed: Callable[[MemoryState, MemoryState], MemoryState]) -> ActorCritic:
    """Let deletion give `changed(with deletion, without)`."""
    core: Any = type(policy.core)

    class Core(core):  # type: ignore[misc]
        def carry(self, *arguments: Any, delete: bool = True) -> MemoryState:
            kept: MemoryState = super().carry(*arguments, delete=False)
            return changed(super().carry(*arguments), kept) if delete else kept

    policy.core.__class__ = Core
    return policy


def test_positions_shifted_after_compaction() -> None:
    def shift(deleted: MemoryState, kept: MemoryState) -> MemoryState:
        """Slots that stay when others are deleted move one step back."""
        layers = []
        for layer, whole in zip(deleted.layers, kept.layers, strict=True):
            has_lost = (~layer.is_empty).sum(1) < (~whole.is_empty).sum(1)
            moved = has_lost[:, None] & ~layer.is_empty
            layers.append(replace(layer, time=layer.time - moved.long()))
        return replace(deleted, layers=tuple(layers))

    result = failure(check_memory(with_carry(make_policy(), shift), steps=STEPS), "deletion")
    step = first_place(result)[1]
    assert step is not None
    assert 3 < step <= QUARTER  # the ramp is 3 steps long: nothing dies before
    assert "position or time shifts" in result.note


def test_memories_deleted_too_early() -> None:
    def forget_newest(deleted: MemoryState, kept: MemoryState) -> MemoryState:
        layers = []
        for layer in deleted.layers:
            is_newest = layer.time == deleted.next_time[:, None] - 1
            layers.append(replace(layer, time=layer.time.masked_fill(is_newest, EMPTY_TIME)))
        return replace(deleted, layers=tuple(layers))

    result = failure(check_memory(with_carry(make_policy(), forget_newest), steps=STEPS), "deletion")
    assert first_place(result)[1] == 1
    assert "deleted too early" in result.note


class SeesGarbage(ActorCriticAdapter):
    """Adds something to the value where an empty slot holds a large number, as it does in the check alone."""

    def window(self, observation: Any, state: Any, is_first: Tensor) -> tuple[Tensor, Tensor, MemoryState]:
        memory = self._settled(state)
        outputs, value, carried = super().window(observation, memory, is_first)
        first = memory.layers[0]
        is_large = (first.hidden.abs().amax(2) > 1e4) & first.is_empty if first.hidden.numel() else first.is_empty
        return outputs, value + 0.1 * is_large.any(1)[:, None], carried


def test_empty_slots_that_are_seen() -> None:
    policy = SeesGarbage(make_policy(), QUARTER)
    result = failure(check_memory(policy, steps=STEPS), "empty_slots")
    assert first_place(result)[1] == 20  # the first step after the garbage was written
    assert "value of windows with garbage" in str(result.where)


@pytest.mark.parametrize("lost", ["tensors", "from_tensors"])
def test_a_state_that_is_not_saved_whole(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors, from_tensors = MemoryState.tensors, MemoryState.from_tensors

    def moved(named: dict[str, Tensor]) -> dict[str, Tensor]:
        return {**named, "next_time": named["next_time"] + 1}

    if lost == "tensors":
        monkeypatch.setattr(MemoryState, "tensors", lambda state: moved(tensors(state)))
    else:
        monkeypatch.setattr(MemoryState, "from_tensors", lambda named: from_tensors(moved(named)))
    result = failure(check_memory(make_policy(), steps=STEPS), "saved_state")
    assert "leaves out" in result.note
