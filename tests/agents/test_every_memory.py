"""Every kind of memory is collected, learned from, measured, evaluated and resumed by the same agents."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch

from rlmem.actor_critic import ActorCritic
from rlmem.agents.evaluation import evaluate
from rlmem.agents.learner_config import LearnerConfig
from rlmem.agents.trainer import Trainer
from rlmem.envs.corridor_vector import VectorCorridorEnv
from rlmem.model_config import MemoryKind

SPANS = ("expire_span", "adaptive_span")
MakePolicy = Callable[..., ActorCritic]


def trainer_of(policy: ActorCritic, envs: Any) -> Trainer:
    config = LearnerConfig(algorithm="ppo", num_steps=11, num_minibatches=2, update_epochs=2, span_cost=1e-3)
    return Trainer(envs, policy, config, seed=3, total_timesteps=1000, word="red")


@pytest.mark.parametrize("memory", get_args(MemoryKind))
def test_a_trainer_and_an_evaluation(memory: str, make_policy: MakePolicy, make_corridors: Callable[..., Any]) -> None:
    policy = make_policy(memory=memory, compression_rate=2, num_compressed=2, max_span=4)
    trainer = trainer_of(policy, make_corridors())
    before = [parameter.detach().clone() for parameter in policy.parameters()]
    for _ in range(3):
        metrics = trainer.iterate()
    shown = {name for name in metrics if "span_mean" in name}
    assert bool(shown) == (memory in SPANS)
    assert all(math.isfinite(value) for name, value in metrics.items() if name.startswith(("train", "memory")))
    assert any(not torch.equal(a, b) for a, b in zip(before, policy.parameters(), strict=True))
    result = evaluate(policy, lambda num: make_corridors(num_envs=num), list(range(4)), word="red")
    assert set(result.span_mean) == ({"red", "other"} if memory in SPANS else set())
    assert (result.memory_size_mean == 0) == (memory == "none")


@pytest.mark.parametrize("memory", ["transformer_xl", "compressive"])
def test_memory_dropout_resumes_to_the_bit(memory: str, make_policy: MakePolicy) -> None:
    def fresh() -> Trainer:
        policy = make_policy(memory=memory, memory_dropout=True, compression_rate=2, num_compressed=2, max_span=4)
        return trainer_of(policy, VectorCorridorEnv(6, 3, 6, 20))

    through, resumed = fresh(), fresh()
    through.iterate()
    resumed.policy.load_state_dict(through.policy.state_dict())
    resumed.load(*copy.deepcopy((through.tensors(), through.state_dict())))
    through.iterate()
    torch.manual_seed(99)  # the global generator has no part in it
    resumed.iterate()
    for a, b in zip(through.policy.parameters(), resumed.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_memory_dropout_changes_what_is_learned(make_policy: MakePolicy, make_corridors: Callable[..., Any]) -> None:
    policies = [make_policy(memory="transformer_xl", memory_dropout=dropout) for dropout in (False, True)]
    for policy in policies:
        trainer_of(policy, make_corridors()).iterate()
    weights = [policy.state_dict()["core.layers.0.attention.query.weight"] for policy in policies]
    assert not torch.equal(*weights)
