"""Evaluation: every seed once, in order, whatever the batch; sizes and spans against counts by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from rlmem.actor_critic import ActorCritic
from rlmem.agents.evaluation import Evaluation, evaluate, with_zero_spans
from rlmem.envs.corridor import CorridorEnv
from rlmem.envs.vocabulary import WORDS
from rlmem.errors import UsageError
from rlmem.memories import ExpireSpanMemory

SEEDS = [31, 7, 7, 1000, 2, 99, 5, 64, 12, 8, 3]

STEPS = 130  # longer than evaluate's own window of 100 steps, so that memories are deleted under way


class Play(NamedTuple):
    """An episode that was played step by step, alone."""

    total_reward: float
    length: int
    is_success: bool
    corridor_length: int
    sizes: Tensor  # (steps, layers), how many memories each query saw
    spans: Tensor  # (steps, layers)
    shows_object: Tensor  # (steps,) bool


@pytest.fixture
def policy(make_policy: Callable[..., ActorCritic]) -> ActorCritic:
    """Leans east, finds a door in some corridors and stands still in others."""
    policy = make_policy(27, head_scale=25)
    with torch.no_grad():
        policy.heads.bias[3] += 2
    return policy


@pytest.fixture
def make_envs(make_corridors: Callable[..., Any]) -> Callable[[int], Any]:
    return lambda num_envs: make_corridors(num_envs, "batch", 3, 12, STEPS)


def play(policy: ActorCritic, seed: int) -> Play:
    """One episode with the likeliest actions, by the single environment and one long cache."""
    env = CorridorEnv(3, 12, STEPS)
    observation, infos = env.reset(seed=seed)
    cache = policy.open(policy.core.initial_state(1), STEPS)
    sizes, shown = [], []
    rewards: list[float] = []
    is_over = False
    while not is_over:
        logits, _, size = cache.step((torch.as_tensor(observation)[None],), torch.tensor([not rewards]))
        sizes.append(size[0])
        shown.append(bool(observation[:, :, WORDS.index("object")].any()))
        observation, reward, terminated, truncated, infos = env.step(int(logits.argmax()))
        rewards.append(float(reward))
        is_over = terminated or truncated
    layers = zip(policy.core.layer_list(), cache.layer_inputs(), strict=True)
    spans = [
        layer.memory.max_span * torch.sigmoid(layer.attention_norm(hidden[0]) @ layer.memory.weight + layer.memory.bias)
        for layer, hidden in layers
        if isinstance(layer.memory, ExpireSpanMemory)
    ]
    return Play(
        sum(rewards),
        len(rewards),
        bool(infos["is_success"]),
        infos["length"],
        torch.stack(sizes),
        torch.stack(spans, 1).detach() if spans else torch.zeros(len(rewards), 0),
        torch.tensor(shown),
    )


def assert_equal_results(left: Evaluation, right: Evaluation) -> None:
    for name in ("returns", "lengths", "successes"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
    assert left.infos.keys() == right.infos.keys()
    for name, values in left.infos.items():
        np.testing.assert_array_equal(values, right.infos[name])
    assert left.memory_size_by_layer == pytest.approx(right.memory_size_by_layer, rel=1e-9)
    assert left.span_mean.keys() == right.span_mean.keys()
    for name, means in left.span_mean.items():
        assert means == pytest.approx(right.span_mean[name], rel=1e-4)


@pytest.mark.parametrize("batch", [4, 256])
@pytest.mark.parametrize("is_deterministic", [False, True])
def test_each_seed_is_played_once_and_results_come_in_their_order(
    policy: ActorCritic, make_corridors: Callable[..., Any], batch: int, is_deterministic: bool
) -> None:
    made: list[Any] = []

    def make_envs(num_envs: int) -> Any:
        made.append(make_corridors(num_envs, "batch", 3, 12, STEPS))
        return made[-1]

    result = evaluate(policy, make_envs, SEEDS, deterministic=is_deterministic, batch=batch)
    assert [seed for envs in made for seeds in envs.seeds for seed in seeds] == SEEDS
    assert all(len(envs.seeds) == 1 and envs.num_envs <= batch and envs.closed for envs in made)
    expected = [CorridorEnv(3, 12, STEPS).reset(seed=seed)[1]["length"] for seed in SEEDS]
    assert len(set(expected)) > 3
    assert result.infos["length"].tolist() == expected
    for name in ("returns", "lengths", "successes"):
        assert getattr(result, name).shape == (len(SEEDS),)
    assert result.lengths[1] == result.lengths[2] or not is_deterministic


def test_deterministic_results_are_those_of_each_seed_alone(
    policy: ActorCritic, make_envs: Callable[[int], Any]
) -> None:
    plays = [play(policy, seed) for seed in SEEDS]
    assert len({one.length for one in plays}) > 2, "all episodes are alike: choose another policy"
    assert {one.is_success for one in plays} == {True, False}
    for batch in (1, 4, 256):
        result = evaluate(policy, make_envs, SEEDS, deterministic=True, batch=batch, word="object")
        assert result.returns.tolist() == [one.total_reward for one in plays]
        assert result.lengths.tolist() == [one.length for one in plays]
        assert result.successes is not None
        assert result.successes.tolist() == [one.is_success for one in plays]
        assert result.infos["length"].tolist() == [one.corridor_length for one in plays]
        assert result.infos["is_success"].tolist() == [one.is_success for one in plays]
        sizes = torch.cat([one.sizes for one in plays]).double().mean(0)
        assert result.memory_size_by_layer == pytest.approx(sizes.tolist(), rel=1e-9)
        assert result.memory_size_mean == pytest.approx(float(sizes.mean()))


@pytest.mark.parametrize("is_deterministic", [False, True])
def test_the_batch_environment_and_gymnasiums_give_equal_results(
    policy: ActorCritic, make_corridors: Callable[..., Any], is_deterministic: bool
) -> None:
    """Only first episodes count: what the two draw for later ones differs."""
    sizes = {"min_length": 3, "max_length": 12, "max_episode_steps": 30}
    results = [
        evaluate(policy, partial(make_corridors, kind=kind, **sizes), SEEDS, deterministic=is_deterministic)
        for kind in ("batch", "sync")
    ]
    assert_equal_results(*results)


def test_sampled_results_can_be_repeated_and_differ_from_the_likeliest(
    make_policy: Callable[..., ActorCritic], make_envs: Callable[[int], Any]
) -> None:
    policy = make_policy(2)
    first, again = (evaluate(policy, make_envs, SEEDS, word="object") for _ in range(2))
    assert_equal_results(first, again)
    assert not np.array_equal(first.lengths, evaluate(policy, make_envs, SEEDS, deterministic=True).lengths)


def test_a_sampled_action_follows_the_policys_probabilities(
    make_policy: Callable[..., ActorCritic], make_corridors: Callable[..., Any]
) -> None:
    """One step an episode: only a step east, a tenth of all, changes what the agent sees."""
    policy = make_policy()
    with torch.no_grad():
        policy.heads.weight.zero_()
        policy.heads.bias[:4] = torch.tensor([0.5, 0.2, 0.2, 0.1]).log()
    made: list[Any] = []

    def make_envs(num_envs: int) -> Any:
        envs = make_corridors(num_envs, "batch", 3, 3, 1)
        made.append(envs)
        return envs

    result = evaluate(policy, make_envs, range(500), batch=500)
    assert result.lengths.tolist() == [1] * 500
    start, final = made[0].first_observation, made[0].steps[0][4]["final_obs"]
    num_east = int((start != final).any((1, 2, 3)).sum())
    assert abs(num_east - 50) < 4 * math.sqrt(500 * 0.1 * 0.9)


def constant_spans(policy: ActorCritic, spans: list[float]) -> ActorCritic:
    """Every step of layer n gets the span spans[n]."""
    for span, layer in zip(spans, policy.core.layer_list(), strict=True):
        assert isinstance(layer.memory, ExpireSpanMemory)
        with torch.no_grad():
            layer.memory.weight.zero_()
            layer.memory.bias.fill_(math.log(span / (layer.memory.max_span - span)))
    return policy


def mean_size(lengths: list[int], reach: int) -> float:
    """Mean over all queries of how many earlier steps of the episode are less than or exactly `reach` steps old."""
    sizes = [min(step, reach) for length in lengths for step in range(length)]
    return sum(sizes) / len(sizes)


def test_memory_size_against_a_count_by_hand(policy: ActorCritic, make_envs: Callable[[int], Any]) -> None:
    constant_spans(policy, [2.5, 6.2])  # with R = 3, m > 0 up to an age of 5 and of 9
    result = evaluate(policy, make_envs, SEEDS, deterministic=True, batch=4)
    lengths = result.lengths.tolist()
    assert max(lengths) > 100
    expected = [mean_size(lengths, 5), mean_size(lengths, 9)]
    assert result.memory_size_by_layer == pytest.approx(expected, rel=1e-9)
    assert result.memory_size_mean == pytest.approx(sum(expected) / 2)


def test_transformer_xl_keeps_its_reach(
    make_policy: Callable[..., ActorCritic], make_envs: Callable[[int], Any]
) -> None:
    result = evaluate(make_policy(memory="transformer_xl", max_span=8), make_envs, SEEDS, word="object")
    assert result.memory_size_by_layer == pytest.approx([mean_size(result.lengths.tolist(), 8)] * 2, rel=1e-9)
    assert result.span_mean == {}
    assert result.spans == ()


def test_zero_spans_leave_the_ramp_alone(policy: ActorCritic, make_envs: Callable[[int], Any]) -> None:
    before = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    forgetful = with_zero_spans(policy)
    result = evaluate(forgetful, make_envs, SEEDS, word="object")
    assert result.memory_size_by_layer == pytest.approx([mean_size(result.lengths.tolist(), 2)] * 2, rel=1e-9)
    assert result.span_mean == {"object": (0.0, 0.0), "other": (0.0, 0.0)}
    for name, tensor in policy.state_dict().items():
        assert torch.equal(tensor, before[name])
    for name, tensor in forgetful.state_dict().items():
        assert torch.equal(tensor, before[name]) or ".memory." in name


def test_zero_spans_need_spans(make_policy: Callable[..., ActorCritic]) -> None:
    with pytest.raises(UsageError, match="transformer_xl predicts no spans"):
        with_zero_spans(make_policy(memory="transformer_xl"))


def test_spans_are_split_by_what_a_step_shows(policy: ActorCritic, make_envs: Callable[[int], Any]) -> None:
    plays = [play(policy, seed) for seed in SEEDS]
    spans, is_shown = (torch.cat([getattr(one, name) for one in plays]) for name in ("spans", "shows_object"))
    assert 0 < int(is_shown.sum()) < len(is_shown)
    shown, other = spans[is_shown].mean(0), spans[~is_shown].mean(0)
    assert float((shown - other).abs().min()) > 0.01
    result = evaluate(policy, make_envs, SEEDS, deterministic=True, batch=4, word="object")
    assert list(result.span_mean) == ["object", "other"]
    assert result.span_mean["object"] == pytest.approx(shown.tolist(), rel=1e-4)
    assert result.span_mean["other"] == pytest.approx(other.tolist(), rel=1e-4)
    for layer, made in enumerate(result.spans):
        np.testing.assert_allclose(np.sort(made), np.sort(spans[:, layer]), rtol=1e-4)
    unsplit = evaluate(policy, make_envs, SEEDS, deterministic=True)
    assert unsplit.span_mean == {}
    assert [len(made) for made in unsplit.spans] == [len(spans)] * 2


@pytest.mark.parametrize("is_deterministic", [False, True])
def test_evaluating_touches_neither_the_policy_nor_global_randomness(
    policy: ActorCritic, make_envs: Callable[[int], Any], is_deterministic: bool
) -> None:
    before = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    policy.train()
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state(legacy=False)  # noqa: NPY002
    evaluate(policy, make_envs, SEEDS, deterministic=is_deterministic, word="object")
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_equal(np.random.get_state(legacy=False), numpy_state)  # noqa: NPY002
    assert policy.training
    for name, parameter in policy.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.requires_grad
        assert parameter.grad is None


def test_no_episodes_are_refused(policy: ActorCritic, make_envs: Callable[[int], Any]) -> None:
    with pytest.raises(UsageError, match="0 episodes"):
        evaluate(policy, make_envs, [])
