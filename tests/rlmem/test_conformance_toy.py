"""Known bugs in a user's small policy, planted one at a time: each fails its own property of `check_memory`."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from rlmem.testing import MemoryReport, PropertyResult, check_memory

STEPS = 40


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


class Toy(nn.Module):
    """A running mean of what was seen in the episode, in plain PyTorch: the count and the sum are its state."""

    observation_space = spaces.Box(-1, 1, (3,))

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.heads = nn.Linear(3, 3)

    def initial_state(self, batch: int) -> Tensor:
        return torch.zeros(batch, 4)

    def reset(self, state: Tensor, is_first: Tensor) -> Tensor:
        return state * ~is_first[:, None]

    def act(self, observation: Tensor, state: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        state = self.reset(state, is_first) + torch.cat([observation, torch.ones_like(observation[:, :1])], dim=1)
        scores = self.heads(torch.tanh(state[:, :3] / state[:, 3:]))
        return scores[:, :2], scores[:, 2], state

    def window(self, observation: Tensor, state: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        steps = []
        for time in range(is_first.shape[1]):
            *step, state = self.act(observation[:, time], state, is_first[:, time])
            steps.append(step)
        outputs, values = (torch.stack(part, dim=1) for part in zip(*steps, strict=True))
        return outputs, values, state.detach()

    def bootstrap(self, observation: Tensor, state: Tensor) -> Tensor:
        return self.act(observation, state, torch.zeros(len(state), dtype=torch.bool))[1]


def test_the_toy_passes() -> None:
    assert check_memory(Toy(), steps=STEPS).passed


def test_an_episode_that_leaves_a_trace() -> None:
    class Policy(Toy):
        def reset(self, state: Tensor, is_first: Tensor) -> Tensor:
            return torch.where(is_first[:, None], 0.01 * state, state)

    report = check_memory(Policy(), steps=STEPS)
    assert report.failed == ("boundary_outputs", "boundary_gradients")
    assert first_place(report["boundary_outputs"])[1] == 25
    assert "cleared" in report["boundary_outputs"].note


def test_a_bootstrap_that_stores_its_step() -> None:
    class Policy(Toy):
        def bootstrap(self, observation: Tensor, state: Tensor) -> Tensor:
            _, value, after = self.act(observation, state, torch.zeros(len(state), dtype=torch.bool))
            state.copy_(after)
            return value

    result = failure(check_memory(Policy(), steps=STEPS), "bootstrap")
    assert first_place(result)[1] == 1  # step 0 is a reset, which forgets it
    assert "stores its step" in result.note


def test_state_lost_between_windows() -> None:
    class Policy(Toy):
        def window(self, observation: Tensor, state: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            outputs, value, state = super().window(observation, state, is_first)
            return outputs, value, 0 * state if is_first.shape[1] == 1 else state

    result = failure(check_memory(Policy(), steps=STEPS), "window_size")
    assert first_place(result)[1] == 1
    assert "windows of 1" in str(result.where)


def test_a_gradient_that_is_cut() -> None:
    class Policy(Toy):
        def window(self, observation: Tensor, state: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            outputs, value, state = super().window(observation, state, is_first)
            return outputs, 0.5 * (value + value.detach()), state

    result = failure(check_memory(Policy(), steps=STEPS), "gradients")
    assert "heads" in str(result.where) or "all parameters" in str(result.where)
    assert "detach()" in result.note


class TimedToy(Toy):
    """Sees the age of its episode, too; state beside it: the times of the episode's first step and of the next."""

    def starting_at(self, state: Any, time: Tensor) -> Any:
        return self.memory(state), time, time

    def memory(self, state: Any) -> Tensor:
        found: Tensor = state[0] if isinstance(state, tuple) else state
        return found

    def age(self, time: Tensor, start: Tensor) -> Tensor:
        return (time - start).to(self.heads.weight.dtype)

    def act(self, observation: Tensor, state: Any, is_first: Tensor) -> tuple[Tensor, Tensor, Any]:
        memory, start, time = state if isinstance(state, tuple) else self.starting_at(state, torch.zeros(len(state)))
        start = torch.where(is_first, time, start)
        outputs, value, memory = super().act(observation, memory, is_first)
        return outputs, value + 0.01 * self.age(time, start), (memory, start, time + 1)

    def window(self, observation: Tensor, state: Any, is_first: Tensor) -> tuple[Tensor, Tensor, Any]:
        steps = []
        for time in range(is_first.shape[1]):
            *step, state = self.act(observation[:, time], state, is_first[:, time])
            steps.append(step)
        outputs, values = (torch.stack(part, dim=1) for part in zip(*steps, strict=True))
        return outputs, values, tuple(part.detach() for part in state)

    def bootstrap(self, observation: Tensor, state: Any) -> Tensor:
        return self.act(observation, state, torch.zeros(len(self.memory(state)), dtype=torch.bool))[1]


def test_times_as_floats() -> None:
    class Policy(TimedToy):
        def age(self, time: Tensor, start: Tensor) -> Tensor:
            return (time.float() - start.float()).to(self.heads.weight.dtype)

    assert check_memory(TimedToy(), steps=STEPS)["absolute_time"].status == "passed"
    result = failure(check_memory(Policy(), steps=STEPS), "absolute_time")
    assert first_place(result)[1] is not None
    assert "subtracted" in result.note
