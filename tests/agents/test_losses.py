"""The losses against one sample at a time in Python, and where their gradients stop."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlmem.agents.losses import a2c_policy_loss, normalise_advantages, ppo_policy_loss

samples = st.lists(st.tuples(*(st.floats(-2, 2) for _ in range(3))), min_size=1, max_size=20)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(samples=samples, clip=st.sampled_from([0.05, 0.2, 0.5]))
def test_ppo_is_the_mean_of_each_samples_smaller_surrogate(
    samples: list[tuple[float, float, float]], clip: float
) -> None:
    total = 0.0
    for log_prob, old_log_prob, advantage in samples:
        ratio = math.exp(log_prob) / math.exp(old_log_prob)
        clipped = min(max(ratio, 1 - clip), 1 + clip)
        total += min(ratio * advantage, clipped * advantage)
    new, old, advantages = torch.tensor(samples, dtype=torch.float64).unbind(1)
    assert float(ppo_policy_loss(new - old, advantages, clip)) == pytest.approx(-total / len(samples), abs=1e-10)


@pytest.mark.parametrize(
    ("ratio", "advantage", "is_clipped"),
    [
        (1.3, 1.0, True),  # already likelier than allowed, and good
        (0.7, -1.0, True),  # already rarer than allowed, and bad
        (1.3, -1.0, False),  # likelier although bad: must come back
        (0.7, 1.0, False),  # rarer although good: must come back
        (1.1, 1.0, False),
        (0.9, -1.0, False),
    ],
)
def test_ppo_gradient_is_zero_exactly_where_clipping_holds_a_sample_back(
    ratio: float, advantage: float, is_clipped: bool
) -> None:
    log_ratio = torch.tensor([math.log(ratio), 0.0], dtype=torch.float64, requires_grad=True)
    loss = ppo_policy_loss(log_ratio, torch.tensor([advantage, 0.0], dtype=torch.float64), 0.2)
    (gradient,) = torch.autograd.grad(loss, log_ratio)
    expected = 0.0 if is_clipped else -ratio * advantage / 2
    assert float(gradient[0]) == pytest.approx(expected, abs=1e-12)


def test_a2c_is_the_policy_gradient() -> None:
    log_prob = torch.tensor([-0.5, -2.0, -1.0], dtype=torch.float64, requires_grad=True)
    advantage = torch.tensor([1.0, -3.0, 0.5], dtype=torch.float64)
    loss = a2c_policy_loss(log_prob, advantage)
    assert float(loss.detach()) == pytest.approx(-(-0.5 * 1.0 + -2.0 * -3.0 + -1.0 * 0.5) / 3)
    (gradient,) = torch.autograd.grad(loss, log_prob)
    torch.testing.assert_close(gradient, -advantage / 3)


def test_advantages_above_the_floor_get_mean_0_and_deviation_1() -> None:
    advantage = torch.randn(20, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 5 + 3
    normalised = normalise_advantages(advantage, 0.1)
    assert float(normalised.mean()) == pytest.approx(0, abs=1e-12)
    assert float(normalised.std(correction=0)) == pytest.approx(1)
    torch.testing.assert_close(normalised, (advantage - advantage.mean()) / advantage.std(correction=0))


def test_silence_stays_silent() -> None:
    noise = torch.randn(20, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    quiet = normalise_advantages(noise * 1e-4, 0.1)
    torch.testing.assert_close(quiet, (noise - noise.mean()) * 1e-3)
    assert float(quiet.abs().max()) < 0.01
    assert not normalise_advantages(torch.full((4, 2), 0.25), 0.1).any()
