"""Cutting a policy's memory off at an age."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from rlmem.actor_critic import ActorCritic
from rlmem.agents.evaluation import with_memory_limit
from rlmem.envs.vocabulary import WORDS
from rlmem.errors import UsageError
from rlmem.window import Window

STEPS = 24


def run(policy: ActorCritic, observation: torch.Tensor) -> torch.Tensor:
    """Action outputs (batch, query, actions) of one window from an empty memory."""
    state = policy.core.initial_state(len(observation))
    is_first = torch.zeros(observation.shape[:2], dtype=torch.bool)
    is_first[:, 0] = True
    with torch.no_grad():
        outputs: torch.Tensor = policy((observation,), state, Window.following(state, is_first)).action_outputs
    return outputs


def observations(batch: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(batch, STEPS, 3, 3, len(WORDS), generator=generator) < 0.2).to(torch.uint8)


@pytest.mark.parametrize("memory", ["expire_span", "transformer_xl", "adaptive_span", "compressive"])
@pytest.mark.parametrize("limit", [0, 1, 3])
def test_what_is_older_than_the_layers_reach_changes_nothing(
    make_policy: Callable[..., ActorCritic], memory: str, limit: int
) -> None:
    policy = with_memory_limit(make_policy(memory=memory, max_span=12), limit)
    before = observations()
    after = before.clone()
    after[:, 5] = 1 - after[:, 5]
    changed = (run(policy, before) - run(policy, after)).abs().amax((0, 2)) > 0  # (query,)
    reach = 2 * limit  # one layer hands on to the next
    assert changed[5]
    assert not changed[5 + reach + 1 :].any()
    if limit:
        assert changed[5 + 1 : 5 + limit].all()


@pytest.mark.parametrize("memory", ["expire_span", "transformer_xl", "adaptive_span", "compressive"])
def test_a_limit_that_nothing_reaches_changes_nothing_and_acting_agrees(
    make_policy: Callable[..., ActorCritic], memory: str
) -> None:
    policy = make_policy(memory=memory, max_span=8)
    limited, unlimited = run(with_memory_limit(policy, 1000), observations()), run(policy, observations())
    torch.testing.assert_close(limited, unlimited, rtol=1e-5, atol=1e-6)  # the one in PyTorch's operations
    short = with_memory_limit(policy, 4)
    expected = run(short, observations())
    cache = short.open(short.core.initial_state(3), STEPS)
    for time in range(STEPS):
        outputs, _, size = cache.step((observations()[:, time],), torch.full((3,), time == 0))
        torch.testing.assert_close(outputs, expected[:, time], rtol=0, atol=1e-5)
        assert int(size.max()) <= 4


def test_a_recurrent_policy_has_no_age_to_cut_at(make_policy: Callable[..., ActorCritic]) -> None:
    with pytest.raises(UsageError, match="one state without an age"):
        with_memory_limit(make_policy(memory="gru"), 3)
