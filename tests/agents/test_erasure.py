"""Erasure: against memories that are taken out of storage by hand, and in play against a slow player."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence

import rlmem.experiments
from rlmem.actor_critic import ActorCritic
from rlmem.agents.erased_play import play_recorded, success_with_erased, success_with_steps_erased
from rlmem.agents.erasure import Erasure, action_divergence, erase, with_erased
from rlmem.agents.erasure_ranking import choose_candidates, rank_erasures
from rlmem.agents.evaluation import evaluate
from rlmem.agents.memory_metrics import shows_word
from rlmem.agents.tracing import EpisodeTrace, run_episode, trace_episode
from rlmem.checkpoint import load_policy
from rlmem.envs.corridor import CorridorEnv
from rlmem.envs.corridor_vector import VectorCorridorEnv
from rlmem.envs.vocabulary import WORDS
from rlmem.errors import UsageError
from rlmem.memory_state import LayerMemory, MemoryState
from rlmem.window import Window

STEPS = 30
SEEDS = [3, 11, 5, 8, 21, 2]
PRETRAINED = Path(rlmem.experiments.__file__).parent / "pretrained" / "corridor-expire-span"

Make = Callable[..., ActorCritic]


@pytest.fixture
def policy(make_policy: Make) -> ActorCritic:
    return make_policy(3, head_scale=25)


def trace_of(policy: ActorCritic) -> EpisodeTrace:
    return trace_episode(policy, CorridorEnv(40, 44, STEPS), 4)


def without_slot(policy: ActorCritic, trace: EpisodeTrace, erasure: Erasure) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs and values of the steps after a memory was made, which is taken out of storage by hand."""
    observation = tuple(torch.as_tensor(leaf)[None] for leaf in trace.observation)
    end = erasure.slot + 1
    state = policy.core.initial_state(1)
    is_first = torch.zeros(1, trace.num_steps, dtype=torch.bool)
    is_first[:, 0] = True
    window = Window.following(state, is_first[:, :end])
    with torch.no_grad():
        inputs = policy(tuple(leaf[:, :end] for leaf in observation), state, window).layer_inputs
        state = policy.core.carry(state, inputs, window, delete=False)
        layers = []
        for number, memory in enumerate(state.layers):
            is_left = memory.time[0] != (erasure.slot if erasure.layer in (None, number) else -5)
            layers.append(LayerMemory(memory.hidden[:, is_left], memory.time[:, is_left]))
        state = MemoryState(tuple(layers), state.next_time, state.episode_start)
        rest = policy(tuple(leaf[:, end:] for leaf in observation), state, Window.following(state, is_first[:, end:]))
    return rest.action_outputs[0], rest.value[0]


@pytest.mark.parametrize("memory", ["expire_span", "transformer_xl", "adaptive_span"])
def test_erasing_is_taking_out_of_storage(make_policy: Make, memory: str) -> None:
    policy = make_policy(3, memory=memory, head_scale=25)
    trace = trace_of(policy)
    erasures = [Erasure(slot, layer) for slot in (0, 7, 20) for layer in (0, 1, None)]
    effects = erase(policy, trace, erasures)
    assert [one.erasure for one in effects] == erasures
    for one in effects:
        outputs, value = without_slot(policy, trace, one.erasure)
        assert one.since == one.erasure.slot + 1
        np.testing.assert_allclose(one.action_outputs[one.since :], outputs, atol=1e-5)
        np.testing.assert_allclose(one.value_changes[one.since :], value.numpy() - trace.value[one.since :], atol=1e-5)
        assert (one.divergence[: one.since] == 0).all()
    assert max(np.abs(one.action_outputs - trace.action_outputs).max() for one in effects) > 1e-3


def test_what_no_step_sees_has_no_effect_and_the_largest_is_named(policy: ActorCritic) -> None:
    trace = trace_of(make_blind(policy))
    (effect,) = erase(make_blind(policy), trace, [Erasure(2)])
    assert effect.effect < 1e-6
    for one in rank_erasures(policy, trace_of(policy), top=3):
        assert one.effect == pytest.approx(float(one.divergence.max()))
        assert one.divergence[one.at] == one.divergence.max()
        assert one.value_change == one.value_changes[one.at]


def make_blind(policy: ActorCritic) -> ActorCritic:
    """A copy that sees its own step alone."""
    return with_erased(policy, [lambda age: age > 0] * 2)


def test_a_word_is_erased_from_one_steps_memory(policy: ActorCritic) -> None:
    trace = trace_of(policy)
    (effect,) = erase(policy, trace, [Erasure(0, word="object")])
    edited = torch.as_tensor(trace.observation[0])[None].clone()
    edited[:, 0, :, :, WORDS.index("object")] = 0
    with torch.no_grad():
        outputs = run_episode(policy, (edited,)).action_outputs[0]
    is_shown = np.asarray(trace.observation[0][..., WORDS.index("object")].any((1, 2)))
    assert is_shown[0]
    assert effect.since == int((~is_shown).argmax())
    np.testing.assert_allclose(effect.action_outputs, outputs, atol=1e-5)
    assert trace.observation[0][0, :, :, WORDS.index("object")].any()  # the trace itself keeps it
    assert effect.effect > 0


def test_the_ranking_holds_the_best_of_its_candidates(policy: ActorCritic) -> None:
    trace = trace_of(policy)
    ranked = rank_erasures(policy, trace, top=4, candidates=1000)
    assert len(ranked) == 4
    effects = [one.effect for one in ranked]
    assert effects == sorted(effects, reverse=True)
    every = erase(policy, trace, [Erasure(slot, layer) for slot in range(STEPS - 1) for layer in (0, 1, None)])
    assert effects[0] >= max(one.effect for one in every) - 1e-6
    chosen = choose_candidates(trace.layers[0], STEPS, 6)
    assert len(set(chosen)) == 6
    assert int(trace.layers[0].kept_steps[: STEPS - 1].argmax()) in chosen


def test_a_pooled_slot_goes_with_any_of_its_steps(make_policy: Make) -> None:
    policy = make_policy(3, memory="compressive", max_span=4, head_scale=25)
    trace = trace_of(policy)
    layer = trace.layers[0]
    pooled = int(np.flatnonzero(layer.birth[STEPS:] == 7)[0]) + STEPS  # of steps 4 to 7
    in_each = [torch.as_tensor(np.zeros((1, STEPS, len(layer.birth)), dtype=bool)) for _ in range(2)]
    num_pooled = len(layer.birth) - STEPS
    for table in in_each:
        table[0, 6:, num_pooled + 5] = True
        table[0, 6:, pooled - STEPS] = True
    with torch.no_grad():
        erased = with_erased(policy, [lambda age, table=table: table for table in in_each])  # type: ignore[misc]
        expected = run_episode(erased, (torch.as_tensor(trace.observation[0])[None],)).action_outputs[0]
    (effect,) = erase(policy, trace, [Erasure(5)])
    np.testing.assert_allclose(effect.action_outputs, expected, atol=1e-5)
    (alone,) = erase(policy, trace, [Erasure(pooled, 0)])
    assert alone.step == 7
    assert alone.effect > 0
    assert (alone.divergence[: 7 + 5] < 1e-8).all()  # nobody sees it before its group is more than L old


def test_divergences_are_the_distributions(make_policy: Make) -> None:
    config = make_policy().config
    view = spaces.Box(-1, 1, (2,), np.float32)
    before, after = torch.randn(5, 4), torch.randn(5, 4)
    discrete = ActorCritic(config, view, spaces.Discrete(4))
    expected = kl_divergence(Categorical(logits=before), Categorical(logits=after))
    torch.testing.assert_close(action_divergence(discrete, before, after), expected)
    several = ActorCritic(config, view, spaces.MultiDiscrete([3, 1]))
    expected = kl_divergence(Categorical(logits=before[:, :3]), Categorical(logits=after[:, :3]))
    torch.testing.assert_close(action_divergence(several, before, after), expected)
    switches = ActorCritic(config, view, spaces.MultiBinary(4))
    expected = kl_divergence(Bernoulli(logits=before), Bernoulli(logits=after)).sum(1)
    torch.testing.assert_close(action_divergence(switches, before, after), expected)
    steering = ActorCritic(config, view, spaces.Box(-1, 1, (4,), np.float32))
    std = steering.action_head.get_parameter("log_std").detach().exp()
    expected = kl_divergence(Normal(before, std), Normal(after, std)).sum(1)
    torch.testing.assert_close(action_divergence(steering, before, after).detach(), expected)


def make_envs(num_envs: int) -> Any:
    return VectorCorridorEnv(num_envs, 3, 12, 40)


def leaning_east(policy: ActorCritic) -> ActorCritic:
    with torch.no_grad():
        policy.heads.bias[3] += 2
    return policy


def test_play_that_erases_nothing_is_evaluation(policy: ActorCritic) -> None:
    policy = leaning_east(policy)
    expected = evaluate(policy, make_envs, SEEDS, batch=4)
    nothing = [np.zeros(0, dtype=np.int64)] * len(SEEDS)
    played, observations = play_recorded(policy, make_envs, SEEDS, batch=4)
    for outcome in (success_with_steps_erased(policy, make_envs, SEEDS, nothing, batch=4), played):
        np.testing.assert_array_equal(outcome.returns, expected.returns)
        np.testing.assert_array_equal(outcome.lengths, expected.lengths)
    assert len(set(expected.lengths.tolist())) > 2
    for leaves, seed, length in zip(observations, SEEDS, expected.lengths, strict=True):
        assert len(leaves[0]) == length
        np.testing.assert_array_equal(leaves[0][0], CorridorEnv(3, 12, 40).reset(seed=seed)[0])


def play_slowly(policy: ActorCritic, seed: int, erased: set[int]) -> list[torch.Tensor]:
    """Heads (outputs + 1,) of each step of an episode, each step from the whole episode so far as one window."""
    env = CorridorEnv(40, 44, STEPS)
    observation, _ = env.reset(seed=seed)
    seen, heads, is_over = [observation], [], False
    rate = policy.config.compression_rate
    while not is_over:

        def is_erased(age: torch.Tensor) -> torch.Tensor:
            table = torch.zeros(age.shape, dtype=torch.bool)
            num_queries = age.shape[1]
            num_pooled = age.shape[2] - num_queries
            for query in range(num_queries):
                for slot in erased & set(range(query)):
                    if set(range(slot, query + 1)) <= erased:
                        continue  # the run of chosen steps goes on
                    table[0, query, num_pooled + slot] = True
                    if slot // rate < num_pooled:  # groups are pooled in order
                        table[0, query, slot // rate] = True
            return table

        with torch.no_grad():
            output = run_episode(with_erased(policy, [is_erased] * 2), (torch.as_tensor(np.stack(seen))[None],))
        heads.append(torch.cat([output.action_outputs[0, -1], output.value[0, -1:]]))
        observation, _, terminated, truncated, _ = env.step(int(output.action_outputs[0, -1].argmax()))
        seen.append(observation)
        is_over = terminated or truncated
    return heads


@pytest.mark.parametrize("memory", ["expire_span", "compressive"])
@pytest.mark.parametrize("steps", [[0, 1, 2, 7], [3, 9, 10], [5]])
def test_play_without_some_steps_is_the_slow_players(make_policy: Make, memory: str, steps: list[int]) -> None:
    policy = make_policy(27, memory=memory, max_span=5, head_scale=60)
    expected = play_slowly(policy, 5, set(steps))
    played: list[torch.Tensor] = []
    hook = policy.heads.register_forward_hook(lambda module, inputs, output: played.append(output[0]))
    success_with_steps_erased(
        policy, lambda rows: VectorCorridorEnv(rows, 40, 44, STEPS), [5], [np.array(steps)], deterministic=True
    )
    hook.remove()
    assert len(expected) == STEPS
    torch.testing.assert_close(torch.stack(played[:STEPS]), torch.stack(expected), rtol=0, atol=1e-5)


def test_a_recurrent_policy_has_nothing_to_erase(make_policy: Make) -> None:
    policy = make_policy(memory="gru")
    with pytest.raises(UsageError, match="one state"):
        erase(policy, trace_of(policy), [Erasure(0)])
    with pytest.raises(UsageError, match="one state"):
        success_with_erased(policy, make_envs, SEEDS, lambda observation: torch.zeros(len(observation[0])).bool())


def test_the_pretrained_agent_needs_the_steps_that_show_the_object_and_no_others() -> None:
    policy = load_policy(PRETRAINED / "model.safetensors")
    seeds = list(range(1000, 1060))
    corridors = partial(VectorCorridorEnv, min_length=10, max_length=60, max_episode_steps=300)
    played, observations = play_recorded(policy, corridors, seeds)
    generator = np.random.default_rng(0)
    others = []
    for leaves in observations:
        is_shown = shows_word(policy, tuple(torch.as_tensor(leaf) for leaf in leaves), "object").numpy()
        others.append(generator.choice(np.flatnonzero(~is_shown), is_shown.sum(), replace=False))
    hidden = success_with_erased(
        policy, corridors, seeds, lambda observation: shows_word(policy, observation, "object")
    )
    control = success_with_steps_erased(policy, corridors, seeds, others)
    assert played.successes is not None
    assert hidden.successes is not None
    assert control.successes is not None
    assert played.successes.mean() > 0.9
    assert 0.3 < hidden.successes.mean() < 0.7
    assert control.successes.mean() > 0.9
