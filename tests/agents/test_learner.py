"""One update against a direct computation, what must not change the weights, and learning from end to end."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from rlmem.actor_critic import ActorCritic
from rlmem.agents import learner as learner_module
from rlmem.agents.learner import DivergedError, Learner, cost_gate, explained_variance
from rlmem.agents.learner_config import LearnerConfig
from rlmem.agents.optimizer import make_optimizer
from rlmem.agents.returns import generalised_advantages
from rlmem.agents.rollout import Collector, Rollout
from rlmem.agents.trainer import Trainer
from rlmem.envs.corridor_vector import VectorCorridorEnv
from rlmem.errors import UsageError
from rlmem.memories import ExpireSpanMemory
from rlmem.window import Window

NUM_STEPS, NUM_ENVS, SEED = 6, 6, 27


@pytest.fixture
def policy(make_policy: Callable[..., ActorCritic]) -> ActorCritic:
    return make_policy(head_scale=5)


@pytest.fixture
def rollout(policy: ActorCritic, make_corridors: Callable[..., Any]) -> Rollout:
    """A window that begins with memories, in which episodes end, and that holds rewards."""
    collector = Collector(make_corridors(NUM_ENVS), policy, NUM_STEPS, torch.Generator().manual_seed(SEED), SEED)
    for _ in range(2):
        collector.carry(collector.collect())
    rollout = collector.collect()
    assert rollout.reward.any()
    assert rollout.is_last[:-1].any()
    assert rollout.final_value.any()
    assert all(layer.time.shape[1] for layer in rollout.state.layers)
    return rollout


def config(**overrides: Any) -> LearnerConfig:
    """Coefficients that all matter, gradients that are not clipped."""
    chosen: dict[str, Any] = {"num_steps": NUM_STEPS, "max_grad_norm": 1e9, "span_cost": 0.03, "gamma": 0.9}
    return LearnerConfig(**(chosen | overrides))


def learner_of(policy: ActorCritic, **overrides: Any) -> Learner:
    """A learner of a copy of the policy."""
    return Learner(copy.deepcopy(policy), config(**overrides), torch.Generator().manual_seed(0))


def update(learner: Learner, rollout: Rollout, success_rate: float | None = None) -> dict[str, float]:
    return learner.update(rollout, success_rate=success_rate, progress=0.0)


def gradients(policy: ActorCritic) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in policy.named_parameters() if p.grad is not None}


def weights(policy: ActorCritic) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in policy.named_parameters()}


def direct_losses(policy: ActorCritic, config: LearnerConfig, rollout: Rollout, rows: list[int]) -> dict[str, Tensor]:
    """The losses of some rows, each row and step by itself."""
    advantage = generalised_advantages(
        rollout.reward, rollout.value, rollout.is_last, rollout.final_value, rollout.next_value,
        gamma=config.gamma, gae_lambda=config.gae_lambda,
    )  # fmt: skip
    weight = (advantage - advantage.mean()) / max(float(advantage.std(correction=0)), config.adv_std_floor)
    policy_losses, value_losses, entropies, span_losses = [], [], [], []
    for row in rows:
        index = torch.tensor([row])
        state = rollout.state.rows(index)
        is_first = rollout.window.time[index] == rollout.window.episode_start[index]
        window = Window.following(state, is_first, rollout.is_last[:, index].t())
        output = policy((rollout.observation[0][:, row][None],), state, window)
        span_losses.append(policy.core.auxiliary_loss(output.traces, window))
        for time in range(NUM_STEPS):
            action = int(rollout.action[time, row])
            probability = torch.softmax(output.action_outputs[0, time], -1)
            log_prob = probability[action].log()
            old = torch.softmax(rollout.action_outputs[time, row], -1)[action].log()
            if config.algorithm == "a2c":
                surrogate = log_prob * weight[time, row]
            else:
                ratio = (log_prob - old).exp()
                clipped = ratio.clamp(1 - config.clip_coef, 1 + config.clip_coef)
                surrogate = torch.minimum(ratio * weight[time, row], clipped * weight[time, row])
            policy_losses.append(-surrogate)
            target = advantage[time, row] + rollout.value[time, row]
            value_losses.append((output.value[0, time] - target) ** 2)
            entropies.append(-(probability * probability.log()).sum())
    return {
        "policy": torch.stack(policy_losses).mean(),
        "value": torch.stack(value_losses).mean(),
        "entropy": torch.stack(entropies).mean(),
        "span": torch.stack(span_losses).mean(),
    }


def check_against_direct(
    policy: ActorCritic, learner: Learner, rollout: Rollout, metrics: dict[str, float], minibatches: list[list[int]]
) -> None:
    """Metrics are means over the minibatches; the gradient that is left is the last one's."""
    config = learner.config
    parts = [direct_losses(policy, config, rollout, rows) for rows in minibatches]
    mean = {name: float(torch.stack([part[name] for part in parts]).mean().detach()) for name in parts[0]}
    assert metrics["train/policy_gradient_loss"] == pytest.approx(mean["policy"], abs=1e-5)
    assert metrics["train/value_loss"] == pytest.approx(mean["value"], abs=1e-5)
    assert metrics["train/entropy_loss"] == pytest.approx(-mean["entropy"], abs=1e-5)
    assert metrics["memory/auxiliary_loss"] == pytest.approx(config.span_cost * mean["span"], abs=1e-5)
    assert abs(mean["span"]) > 0.1
    last = parts[-1]
    loss = last["policy"] + config.vf_coef * last["value"] - config.ent_coef * last["entropy"]
    policy.zero_grad()
    (loss + config.span_cost * last["span"]).backward()
    torch.testing.assert_close(gradients(learner.policy), gradients(policy), rtol=1e-4, atol=1e-5)


def test_a2c_update_against_a_direct_computation(policy: ActorCritic, rollout: Rollout) -> None:
    learner = learner_of(policy, algorithm="a2c", ent_coef=0.1)
    metrics = update(learner, rollout)
    check_against_direct(policy, learner, rollout, metrics, [list(range(NUM_ENVS))])
    norm = torch.stack([gradient.square().sum() for gradient in gradients(policy).values()]).sum().sqrt()
    assert metrics["train/grad_norm"] == pytest.approx(float(norm), rel=1e-4)
    assert metrics["train/approx_kl"] == pytest.approx(0, abs=1e-5)


def test_ppo_minibatches_against_a_direct_computation(policy: ActorCritic, rollout: Rollout) -> None:
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(rollout.action_outputs.shape, generator=generator)
    moved = dataclasses.replace(rollout, action_outputs=rollout.action_outputs + 0.5 * noise)  # so that the clip acts
    learner = learner_of(policy, update_epochs=2, num_minibatches=3, learning_rate=1e-30)  # the weights stand still
    metrics = update(learner, moved)
    order = torch.Generator().manual_seed(0)
    minibatches = [rows.tolist() for _ in range(2) for rows in torch.randperm(NUM_ENVS, generator=order).chunk(3)]
    assert sorted(minibatches[0] + minibatches[1] + minibatches[2]) == list(range(NUM_ENVS))
    check_against_direct(policy, learner, moved, metrics, minibatches)
    assert metrics["train/approx_kl"] > 0.01


def test_the_first_gradients_of_a2c_and_ppo_are_equal(policy: ActorCritic, rollout: Rollout) -> None:
    found = []
    algorithms: tuple[Literal["a2c", "ppo"], ...] = ("a2c", "ppo")
    for algorithm in algorithms:
        learner = learner_of(policy, algorithm=algorithm, update_epochs=1, num_minibatches=1)
        update(learner, rollout)
        found.append(gradients(learner.policy))
    assert any(gradient.abs().max() > 1e-2 for gradient in found[0].values())
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)


def test_an_update_follows_the_gradient_clipped_to_its_norm(policy: ActorCritic, rollout: Rollout) -> None:
    learner = learner_of(policy, algorithm="a2c", optimizer="rmsprop", max_grad_norm=1e-2)
    metrics = update(learner, rollout)
    clipped = gradients(learner.policy)
    norm = torch.stack([gradient.square().sum() for gradient in clipped.values()]).sum().sqrt()
    assert metrics["train/grad_norm"] > 0.1
    assert float(norm) == pytest.approx(1e-2, rel=1e-3)
    before, after = weights(policy), weights(learner.policy)
    for name, gradient in clipped.items():  # RMSProp's first step
        step = learner.config.learning_rate * gradient / (gradient.abs() * math.sqrt(1 - 0.99) + 1e-5)
        torch.testing.assert_close(after[name], before[name] - step, rtol=1e-4, atol=1e-6)


def test_a_window_without_any_reward_or_value_error_teaches_nothing_but_entropy(
    policy: ActorCritic, rollout: Rollout
) -> None:
    zero = torch.zeros_like(rollout.reward)
    silent = dataclasses.replace(
        rollout, reward=zero, value=zero, final_value=zero, next_value=torch.zeros_like(rollout.next_value)
    )
    metrics = update(learner_of(policy), silent)
    assert metrics["train/policy_gradient_loss"] == 0
    assert math.isnan(metrics["train/explained_variance"])


@pytest.mark.parametrize(("success_rate", "expected"), [(None, 0), (0.0, 0), (0.8, 0), (0.85, 0.5), (0.9, 1), (1.0, 1)])
def test_the_cost_gate_opens_between_its_two_rates(success_rate: float | None, expected: float) -> None:
    assert cost_gate(success_rate, 0.8, 0.9) == pytest.approx(expected)


def test_the_cost_gate_may_be_a_step_or_absent() -> None:
    assert [cost_gate(rate, 0.8, 0.8) for rate in (None, 0.79, 0.8, 1.0)] == [0, 0, 1, 1]
    assert [cost_gate(rate, 0.0, 0.0) for rate in (None, 0.0, 1.0)] == [1, 1, 1]


def test_memory_costs_what_the_gate_lets_through(policy: ActorCritic, rollout: Rollout) -> None:
    gate: dict[str, Any] = {"span_cost_gate_low": 0.8, "span_cost_gate_high": 0.9, "algorithm": "a2c"}
    found = {}
    for success_rate in (None, 0.85, 1.0):
        learner = learner_of(policy, **gate)
        metrics = update(learner, rollout, success_rate)
        found[success_rate] = gradients(learner.policy)
        assert metrics["memory/alpha"] == pytest.approx(0.03 * {None: 0, 0.85: 0.5, 1.0: 1}[success_rate])
    name = "core.layers.0.memory.bias"
    assert found[None][name] < found[0.85][name] < found[1.0][name]  # cost pulls spans down
    torch.testing.assert_close(found[0.85][name] - found[None][name], found[1.0][name] - found[0.85][name])
    torch.testing.assert_close(found[None]["heads.weight"], found[1.0]["heads.weight"])


@pytest.mark.parametrize("algorithm", ["a2c", "ppo"])
@pytest.mark.parametrize("poison", ["reward", "weights", "gradient"])
def test_what_is_no_number_ends_the_update_and_leaves_the_weights(
    policy: ActorCritic, rollout: Rollout, algorithm: str, poison: str
) -> None:
    learner = learner_of(policy, algorithm=algorithm)
    if poison == "reward":
        rollout.reward[2, 1] = math.nan
    elif poison == "weights":
        with torch.no_grad():
            learner.policy.core.layer_list()[0].expand.weight[0, 0] = math.nan
    else:
        learner.policy.heads.bias.register_hook(lambda gradient: gradient * math.inf)
    before = weights(learner.policy)
    named = "the gradient's norm became" if poison == "gradient" else "the loss became nan"
    with pytest.raises(DivergedError, match=f"{named}.*--learning-rate"):
        update(learner, rollout)
    torch.testing.assert_close(weights(learner.policy), before, rtol=0, atol=0, equal_nan=True)
    assert not learner.optimizer.state


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_span_predictors_have_a_group_of_their_own(
    policy: ActorCritic, make_policy: Callable[..., ActorCritic], optimizer: Literal["adam", "rmsprop"]
) -> None:
    chosen = config(optimizer=optimizer, span_lr_scale=3.0)
    rest, span = make_optimizer(policy, chosen).param_groups
    memories = [module for module in policy.modules() if isinstance(module, ExpireSpanMemory)]
    assert {id(p) for p in span["params"]} == {id(p) for memory in memories for p in (memory.weight, memory.bias)}
    assert (rest["scale"], span["scale"]) == (1.0, 3.0)
    together = [*rest["params"], *span["params"]]
    assert len(together) == len({id(p) for p in together})
    assert {id(p) for p in together} == {id(p) for p in policy.parameters()}
    fixed = make_policy(memory="transformer_xl")
    (only,) = make_optimizer(fixed, chosen).param_groups
    assert {id(p) for p in only["params"]} == {id(p) for p in fixed.parameters()}


@pytest.mark.parametrize(("is_annealed", "factor"), [(True, 0.75), (False, 1.0)])
def test_learning_rates_fall_linearly_and_keep_their_scale(
    policy: ActorCritic, rollout: Rollout, is_annealed: bool, factor: float
) -> None:
    learner = learner_of(policy, anneal_lr=is_annealed, learning_rate=4e-3, span_lr_scale=3.0)
    metrics = learner.update(rollout, success_rate=None, progress=0.25)
    assert metrics["train/learning_rate"] == pytest.approx(4e-3 * factor)
    rates = [group["lr"] for group in learner.optimizer.param_groups]
    assert rates == pytest.approx([4e-3 * factor, 12e-3 * factor])


def test_explained_variance() -> None:
    target = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    assert explained_variance(target, target) == 1
    assert explained_variance(torch.zeros(2, 2), target) == 0
    assert explained_variance(target + 5, target) == pytest.approx(1)
    assert explained_variance(-target, target) == pytest.approx(-3)
    assert math.isnan(explained_variance(target, torch.ones(2, 2)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_steps": 0},
        {"num_minibatches": 0},
        {"learning_rate": 0.0},
        {"gamma": 1.1},
        {"span_cost": -1e-6},
        {"span_cost_gate_low": 0.9, "span_cost_gate_high": 0.8},
        {"learning_rate": math.nan},
    ],
)
def test_coefficients_that_cannot_be_are_refused_by_their_flag(wrong: dict[str, Any]) -> None:
    flag = "--" + next(iter(wrong)).replace("_", "-")
    with pytest.raises(UsageError, match=flag):
        LearnerConfig(**wrong)


def test_rows_beyond_what_fits_the_cache_are_run_in_turn(
    policy: ActorCritic, rollout: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for rows_at_once in (100, 4, 1):
        monkeypatch.setattr(learner_module, "_ROWS_AT_ONCE", rows_at_once)
        learner = learner_of(policy, algorithm="a2c")
        found.append((update(learner, rollout), gradients(learner.policy)))
    for metrics, gradient in found[1:]:
        assert metrics == pytest.approx(found[0][0], abs=1e-5)
        torch.testing.assert_close(gradient, found[0][1], rtol=1e-4, atol=1e-5)


def test_two_threads_learn_what_one_does_and_the_same_every_time(
    policy: ActorCritic, rollout: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner_module, "_ROWS_AT_ONCE", 2)
    found = []
    for threads in (1, 2, 2):
        torch.set_num_threads(threads)
        learner = learner_of(policy, algorithm="a2c")
        metrics = update(learner, rollout)
        torch.set_num_threads(1)
        found.append((metrics, gradients(learner.policy)))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[1][1], found[2][1], rtol=0, atol=0)


def test_spans_wait_until_memory_first_costs_something_and_learn_ever_after(
    policy: ActorCritic, rollout: Rollout
) -> None:
    learner = learner_of(policy, span_cost_gate_low=0.8, span_cost_gate_high=0.9)
    memory = learner.policy.core.layer_list()[0].memory
    assert isinstance(memory, ExpireSpanMemory)
    moved = []
    for success_rate in (None, 0.79, 0.85, 0.5):
        before, heads_before = memory.bias.detach().clone(), learner.policy.heads.bias.detach().clone()
        update(learner, rollout, success_rate)
        moved.append(not torch.equal(memory.bias, before))
        assert not torch.equal(learner.policy.heads.bias, heads_before)
    assert moved == [False, False, True, True]


@pytest.mark.parametrize(
    ("algorithm", "learning_rate"),
    [("ppo", 1e-3), ("a2c", 3e-3)],
)
def test_a_tiny_agent_learns_to_remember(
    make_policy: Callable[..., ActorCritic], algorithm: Literal["ppo", "a2c"], learning_rate: float
) -> None:
    """Without memory half of the doors are wrong; a sign error anywhere leaves the success there or below."""
    policy = make_policy(2, is_fresh=True, model=32, feedforward=32, max_span=10, position_reach=10)
    chosen = LearnerConfig(
        algorithm=algorithm, num_steps=12, learning_rate=learning_rate, num_minibatches=2, gamma=0.95
    )
    trainer = Trainer(VectorCorridorEnv(32, 3, 3, 40), policy, chosen, seed=2, total_timesteps=10**6)
    success_rate = 0.0
    for _ in range(160):
        trainer.iterate()
        success_rate = trainer.statistics.success_rate() or 0.0
        if success_rate > 0.8:
            break
    assert success_rate > 0.8
