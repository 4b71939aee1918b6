"""Generalised advantages against sums written from their definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rlmem.agents.returns import generalised_advantages


@dataclass
class Case:
    """A window (time, batch) in which episodes terminate, are truncated, or run on."""

    reward: NDArray[np.float64]
    value: NDArray[np.float64]
    is_terminated: NDArray[np.bool_]
    is_truncated: NDArray[np.bool_]
    value_of_final: NDArray[np.float64]
    value_after: NDArray[np.float64]

    def advantages(self, gamma: float, gae_lambda: float) -> NDArray[np.float64]:
        """What the function says; where it must not look, it is given NaN."""
        is_last = self.is_terminated | self.is_truncated
        final_value = np.where(is_last, np.where(self.is_terminated, 0.0, self.value_of_final), np.nan)
        next_value = np.where(is_last[-1], np.nan, self.value_after)
        arrays = (self.reward, self.value, is_last, final_value, next_value)
        result = generalised_advantages(*map(torch.as_tensor, arrays), gamma=gamma, gae_lambda=gae_lambda)
        assert result.dtype == torch.float64
        return np.asarray(result)

    def following_value(self, time: int, row: int) -> float:
        """V(s_(t+1)): 0 after a termination, the final observation's after a truncation."""
        if self.is_terminated[time, row]:
            return 0.0
        if self.is_truncated[time, row]:
            return float(self.value_of_final[time, row])
        return float(self.value[time + 1, row] if time + 1 < len(self.value) else self.value_after[row])

    def segment_end(self, time: int, row: int) -> int:
        """The last step that belongs to the same episode as `time`, or the window's last."""
        ends = np.flatnonzero((self.is_terminated | self.is_truncated)[time:, row])
        return time + int(ends[0]) if len(ends) else len(self.value) - 1


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shape = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    end_rate = draw(st.sampled_from([0.0, 0.2, 0.5, 1.0]))
    ends: Any = random.random(shape) < end_rate
    truncated_share = draw(st.sampled_from([0.0, 0.5, 1.0]))
    is_truncated = ends & (random.random(shape) < truncated_share)
    return Case(
        reward=random.normal(size=shape),
        value=random.normal(size=shape),
        is_terminated=ends & ~is_truncated,
        is_truncated=is_truncated,
        value_of_final=random.normal(size=shape),
        value_after=random.normal(size=shape[1]),
    )


unit = st.one_of(st.sampled_from([0.0, 0.99, 1.0]), st.floats(0, 1))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(case=cases(), gamma=unit, gae_lambda=unit)
def test_advantages_are_discounted_sums_of_errors_within_the_episode(
    case: Case, gamma: float, gae_lambda: float
) -> None:
    expected = np.zeros_like(case.value)
    for time, row in np.ndindex(expected.shape):
        for k in range(case.segment_end(time, row) - time + 1):
            step = time + k
            delta = case.reward[step, row] + gamma * case.following_value(step, row) - case.value[step, row]
            expected[time, row] += (gamma * gae_lambda) ** k * delta
    np.testing.assert_allclose(case.advantages(gamma, gae_lambda), expected, rtol=0, atol=1e-12)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(case=cases(), gamma=unit)
def test_lambda_1_gives_monte_carlo_returns(case: Case, gamma: float) -> None:
    expected = np.zeros_like(case.value)
    for time, row in np.ndindex(expected.shape):
        end = case.segment_end(time, row)
        rewards = sum(gamma ** (step - time) * case.reward[step, row] for step in range(time, end + 1))
        expected[time, row] = rewards + gamma ** (end + 1 - time) * case.following_value(end, row)
    np.testing.assert_allclose(case.advantages(gamma, 1.0) + case.value, expected, rtol=0, atol=1e-12)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(case=cases(), gamma=unit, gae_lambda=unit)
def test_rows_are_independent(case: Case, gamma: float, gae_lambda: float) -> None:
    together = case.advantages(gamma, gae_lambda)
    for row in range(together.shape[1]):
        alone = Case(*(array[..., row : row + 1] for array in vars(case).values()))
        np.testing.assert_array_equal(alone.advantages(gamma, gae_lambda)[:, 0], together[:, row])
