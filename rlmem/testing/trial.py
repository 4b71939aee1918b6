"""One check's policy, observations and tolerance, and the ways to play them: in windows and step by step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from rlmem.errors import RlmemError
from rlmem.testing.actor_critic_adapter import ActorCriticAdapter
from rlmem.testing.differences import Difference, compare_steps
from rlmem.testing.observations import steps_of

_LATE = 400_000_000  # steps; float32 counts exactly to 2^24 = 16.8 million
_BETWEEN_ROWS = 37  # steps


class PolicyError(RlmemError):
    """A policy does not follow the protocol, or raised an error."""


class NotChecked(Exception):
    """A property cannot be checked; the message says why."""


@dataclass(frozen=True)
class Played:
    """What a policy said of some steps.

    Args:
        outputs: (batch, steps, ...).
        value: (batch, steps).
        state: after the steps.
    """

    outputs: Tensor
    value: Tensor
    state: Any

    @classmethod
    def of(cls, taken: list[Played]) -> Played:
        """Single steps, shapes (batch, ...), one after another."""
        outputs = torch.stack([step.outputs for step in taken], dim=1)
        return cls(outputs, torch.stack([step.value for step in taken], dim=1), taken[-1].state)

    def rows(self, index: Tensor) -> Played:
        """Some rows, in their order; index: (rows,) int64."""
        return replace(self, outputs=self.outputs[index], value=self.value[index])

    def after(self, step: int) -> Played:
        """The steps from `step` on."""
        return replace(self, outputs=self.outputs[:, step:], value=self.value[:, step:])


@dataclass(frozen=True)
class Trial:
    """What every property's check gets.

    Args:
        policy: a copy of the user's, in `dtype`; see `MemoryPolicy`.
        observation: (batch, steps, ...).
        other: as `observation`, drawn anew.
        is_first: (batch, steps) bool; row 0 is one long episode, the others' begin at different steps.
        tolerance: the difference that still passes.
        dtype: of the policy's copy.
        device: of the policy's copy.
        seed: of what a property draws itself.
    """

    policy: Any
    observation: Any
    other: Any
    is_first: Tensor
    tolerance: float
    dtype: torch.dtype
    device: torch.device
    seed: int

    @property
    def batch(self) -> int:
        """Rows."""
        return self.is_first.shape[0]

    @property
    def steps(self) -> int:
        """Steps a row."""
        return self.is_first.shape[1]

    @property
    def quarter(self) -> int:
        """The usual length of a window, a quarter of the steps."""
        return self.steps // 4

    def generator(self) -> torch.Generator:
        """A new source of randomness, on the CPU."""
        return torch.Generator().manual_seed(self.seed)

    def late_times(self) -> Tensor:
        """(batch,) int64, absolute times far beyond what float32 counts, different in every row."""
        return _LATE + _BETWEEN_ROWS * torch.arange(self.batch, device=self.device)

    def begin(self, index: Tensor | None = None, times: Tensor | None = None) -> Any:
        """The state before the first step of some rows, at late absolute times if the policy can start there."""
        times = self.late_times() if times is None else times
        times = times if index is None else times[index]
        state = self.policy.initial_state(len(times))
        return self.policy.starting_at(state, times) if self.has("starting_at") else state

    def has(self, hook: str) -> bool:
        """Whether the policy offers an optional method."""
        return callable(getattr(self.policy, hook, None))

    def needs(self, hook: str, reason: str) -> None:
        """Raise `NotChecked` unless the policy offers an optional method."""
        if not self.has(hook):
            raise NotChecked(f"the policy has no method {hook}; {reason}")

    def parameters(self) -> dict[str, nn.Parameter]:
        """The copy's parameters by name; raises `NotChecked` if there are none."""
        if not isinstance(self.policy, nn.Module):
            raise NotChecked("the policy is no torch.nn.Module, so its parameters are not known; make it one")
        module = self.policy.policy if isinstance(self.policy, ActorCriticAdapter) else self.policy
        found = {name: p for name, p in module.named_parameters() if p.requires_grad}
        if not found:
            raise NotChecked("the policy has no parameter that requires a gradient")
        return found

    def window(self, observation: Any, state: Any, is_first: Tensor, *, keep_all: bool = False) -> Played:
        """One window, its shapes checked."""
        run = self.policy.window_keeping_all if keep_all else self.policy.window
        outputs, value, state = _three(run(observation, state, is_first), "window")
        _check_shape("window", "outputs", outputs, tuple(is_first.shape), is_exact=False)
        _check_shape("window", "value", value, tuple(is_first.shape), is_exact=True)
        return Played(outputs, value, state)

    @torch.no_grad()
    def windows(self, observation: Any, state: Any, is_first: Tensor, size: int, *, keep_all: bool = False) -> Played:
        """Consecutive windows of at most `size` steps, memory carried across."""
        parts = []
        for start in range(0, is_first.shape[1], size):
            part = slice(start, start + size)
            parts.append(self.window(steps_of(observation, part), state, is_first[:, part], keep_all=keep_all))
            state = parts[-1].state
        return Played(torch.cat([p.outputs for p in parts], 1), torch.cat([p.value for p in parts], 1), state)

    @torch.no_grad()
    def act(self, observation: Any, state: Any, is_first: Tensor) -> Played:
        """One step, shapes (batch, ...)."""
        outputs, value, state = _three(self.policy.act(observation, state, is_first), "act")
        _check_shape("act", "outputs", outputs, tuple(is_first.shape), is_exact=False)
        _check_shape("act", "value", value, tuple(is_first.shape), is_exact=True)
        return Played(outputs, value, state)

    def acting(self, observation: Any, state: Any, is_first: Tensor) -> Played:
        """All steps, one after another."""
        taken = []
        for step in range(is_first.shape[1]):
            taken.append(self.act(steps_of(observation, step), state, is_first[:, step]))
            state = taken[-1].state
        return Played.of(taken)

    @torch.no_grad()
    def bootstrap(self, observation: Any, state: Any) -> Tensor:
        """The value (batch,) of an observation that is not stored."""
        value = self.policy.bootstrap(observation, state)
        _check_shape("bootstrap", "value", value, (self.batch,), is_exact=True)
        result: Tensor = value
        return result

    def compare(
        self, expected: Played, found: Played, name: str = "", *, step: int = 0, row: int = 0
    ) -> list[Difference]:
        """The differences of outputs and of values; `step` and `row` are the first ones' numbers in the check."""
        return [
            compare_steps(quantity + name, one, other, self.tolerance, step=step, row=row)
            for quantity, one, other in (
                ("outputs", expected.outputs, found.outputs),
                ("value", expected.value, found.value),
            )
        ]


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """PyTorch's default dtype inside, for states that a policy makes with torch.zeros; afterwards what it was."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _three(answer: Any, method: str) -> tuple[Any, Any, Any]:
    if not isinstance(answer, tuple) or len(answer) != 3:
        raise PolicyError(f"the policy's {method}() returned {type(answer).__name__}, not (outputs, value, state)")
    return answer


def _check_shape(method: str, name: str, found: Any, expected: tuple[int, ...], *, is_exact: bool) -> None:
    if not isinstance(found, Tensor):
        raise PolicyError(f"the policy's {method}() gave {type(found).__name__} as {name}, which must be a tensor")
    leading = tuple(found.shape) if is_exact else tuple(found.shape[: len(expected)])
    if leading != expected:
        shape = str(expected) if is_exact else f"({', '.join(map(str, expected))}, ...)"
        raise PolicyError(
            f"the policy's {method}() gave {name} of shape {tuple(found.shape)}, but it must be {shape}: "
            + ("(batch, steps) lead" if method == "window" else "(batch,) leads")
        )
