"""Two processes that each learn from half of the rows take the steps of one process that learns from all of them.

All in float64: the two differ by rounding alone.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from gymnasium.spaces import Discrete
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

import rlmem  # noqa: F401  # registers the environments
from rlmem.actor_critic import ActorCritic
from rlmem.agents.learner import Learner
from rlmem.agents.learner_config import LearnerConfig
from rlmem.agents.ranks import ALONE, ProcessRanks, Ranks
from rlmem.agents.rollout import Collector, Rollout
from rlmem.agents.trainer import Trainer
from rlmem.envs.corridor_vector import VectorCorridorEnv
from rlmem.envs.vocabulary import WORDS
from rlmem.experiments.lm.block import Block
from rlmem.experiments.lm.learner import LanguageLearner
from rlmem.experiments.lm.train_config import LanguageLearnerConfig
from rlmem.language_model import LanguageModel, VocabularyConfig
from rlmem.memory_state import MemoryState
from rlmem.model_config import ModelConfig
from rlmem.word_space import WordSpace

NUM_ENVS, NUM_STEPS = 6, 8
ROWS, SYMBOLS, CUTOFFS = 4, 7, (3, 5)
SMALL = ModelConfig(model=16, heads=2, feedforward=16, position_reach=6, max_span=8, ramp=3, memory_dropout=True)
PPO = LearnerConfig(
    num_steps=NUM_STEPS, update_epochs=2, num_minibatches=3, learning_rate=1e-2, norm_value_loss=True,
    span_cost=0.03, max_grad_norm=0.05, adv_std_floor=0.01,
)  # fmt: skip
LEARNERS = {"ppo": PPO, "a2c": dataclasses.replace(PPO, algorithm="a2c", optimizer="rmsprop", adv_std_floor=100.0)}
LANGUAGE = LanguageLearnerConfig(
    batch=ROWS, block=8, accumulate=2, learning_rate=1e-2, max_grad_norm=0.5, span_cost=0.01
)


def make_policy(seed: int) -> ActorCritic:
    torch.manual_seed(seed)
    policy = ActorCritic(SMALL, WordSpace(3, 3, WORDS), Discrete(4)).double()
    with torch.no_grad():
        for parameter in policy.parameters():  # spans differ, actions and values are not uniform
            parameter.add_(0.3 * torch.randn_like(parameter))
    return policy.train()


def make_rollout() -> Rollout:
    """The third window of six corridors in which episodes end."""
    collector = Collector(
        VectorCorridorEnv(NUM_ENVS, 3, 4, 7), make_policy(0), NUM_STEPS, torch.Generator().manual_seed(3), 3
    )
    for _ in range(2):
        collector.carry(collector.collect())
    return collector.collect()


def half(rollout: Rollout, rows: range) -> Rollout:
    index = torch.tensor(rows)
    by_time = {
        field.name: getattr(rollout, field.name)[:, index]
        for field in dataclasses.fields(rollout)
        if field.name in ("action", "reward", "action_outputs", "value", "is_last", "final_value", "memory_size")
    }
    return dataclasses.replace(
        rollout,
        state=rollout.state.rows(index),
        window=rollout.window.rows(index),
        observation=tuple(leaf[:, index] for leaf in rollout.observation),
        next_value=rollout.next_value[index],
        layer_inputs=tuple(layer[index] for layer in rollout.layer_inputs),
        **by_time,
    )


class WholeLearner(Learner):
    """Learns alone from minibatches that are put together as two ranks would choose them."""

    def _minibatches(self, num_rows: int) -> list[Tensor]:
        return [torch.cat([rows, rows + num_rows // 2]) for rows in super()._minibatches(num_rows // 2)]


def learn_to_act(kind: str, ranks: Ranks) -> dict[str, Any]:
    policy = make_policy(seed=ranks.rank)  # of which the first rank's counts
    ranks.copy_first(policy)
    learner_type = WholeLearner if ranks is ALONE else Learner
    learner = learner_type(policy, LEARNERS[kind], torch.Generator().manual_seed(0), ranks)
    rollout = half(make_rollout(), ranks.rows(NUM_ENVS))
    metrics = [learner.update(rollout, success_rate=None, progress=0.0) for _ in range(2)]
    return {"metrics": [ranks.merged(one) for one in metrics], **learned(policy)}


def make_block(number: int, device_rows: range) -> Block:
    """Symbols; in block 0 the first half of the rows knows frequent symbols alone, and nobody the rarest."""
    generator = torch.Generator().manual_seed(number)
    inputs, targets = (torch.randint(SYMBOLS, (ROWS, 8), generator=generator) for _ in range(2))
    if number == 0:
        targets[: ROWS // 2] %= CUTOFFS[0]
        targets[ROWS // 2 :] %= CUTOFFS[1]
    is_trained = torch.rand(ROWS, 8, generator=generator) < torch.tensor([0.9, 0.7, 0.3, 0.2])[:, None]
    nothing = torch.zeros(ROWS, 8, dtype=torch.int64)
    rows = slice(device_rows.start, device_rows.stop)
    return Block(inputs[rows], targets[rows], is_trained[rows], nothing[rows], nothing[rows].bool())


def learn_to_read(ranks: Ranks) -> dict[str, Any]:
    torch.manual_seed(ranks.rank)
    model = LanguageModel(SMALL, VocabularyConfig(SYMBOLS, SYMBOLS, cutoffs=CUTOFFS, divide_by=2.0)).double().train()
    ranks.copy_first(model)
    learner = LanguageLearner(model, LANGUAGE, torch.Generator().manual_seed(0), ranks)
    rows = ranks.rows(ROWS)
    state: MemoryState = model.core.initial_state(len(rows))
    metrics, without = [], []
    for number in range(4):
        done = learner.update(make_block(number, rows), state, 1e-2, LANGUAGE.span_cost)
        state = done.state
        metrics.append({**done.metrics, "num_targets": done.num_targets})
        without.append([name for name, parameter in model.named_parameters() if parameter.grad is None])
    return {"metrics": metrics, "without": without, **learned(model)}


def learned(module: nn.Module) -> dict[str, dict[str, Tensor]]:
    """The weights, and the gradients of the last step."""
    return {
        "weights": {name: parameter.detach() for name, parameter in module.named_parameters()},
        "gradients": {name: p.grad for name, p in module.named_parameters() if p.grad is not None},
    }


def train(ranks: Ranks) -> dict[str, Any]:
    envs = VectorCorridorEnv(NUM_ENVS // 2, 3, 6, 20)
    config = dataclasses.replace(PPO, num_steps=40, num_minibatches=2, span_cost_gate_high=0.9)
    trainer = Trainer(
        envs, make_policy(ranks.rank), config, seed=5, total_timesteps=10**6, word="object", score="length", ranks=ranks
    )
    metrics = [trainer.iterate() for _ in range(6)]
    statistics = trainer.statistics
    return {
        "metrics": metrics,
        "steps": trainer.steps_done,
        "observation": trainer.collector.observation[0],
        "recent": [list(values) for values in (statistics.returns, statistics.lengths, statistics.successes)],
        **learned(trainer.policy),
    }


WORK: dict[str, Callable[[Ranks], dict[str, Any]]] = {
    "ppo": lambda ranks: learn_to_act("ppo", ranks),
    "a2c": lambda ranks: learn_to_act("a2c", ranks),
    "read": learn_to_read,
    "train": train,
}


def work_as_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    ranks = ProcessRanks(dist.FileStore(f"{folder}/store", 2), rank, 2)  # type: ignore[attr-defined]
    torch.save({name: work(ranks) for name, work in WORK.items()}, f"{folder}/{rank}.pt")
    group = weakref.ref(dist.group.WORLD)
    ranks.leave()
    assert group() is None, "the group's threads go on, and may touch Python's objects while it ends"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the two processes came to."""
    folder: Path = tmp_path_factory.mktemp("ranks")
    spawn(work_as_rank, (str(folder),), nprocs=2)
    first, second = (torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2))
    return first, second


def assert_close(left: Any, right: Any) -> None:
    torch.testing.assert_close(left, right, rtol=0, atol=1e-10, equal_nan=True)


@pytest.mark.parametrize("name", ["ppo", "a2c", "read"])
def test_two_processes_learn_what_one_would_from_all_rows(
    found: tuple[dict[str, Any], dict[str, Any]], name: str
) -> None:
    torch.set_num_threads(1)
    whole = WORK[name](ALONE)
    for rank in found:
        assert_close(rank[name]["gradients"], whole["gradients"])
        assert_close(rank[name]["weights"], whole["weights"])
        for metrics, expected in zip(rank[name]["metrics"], whole["metrics"], strict=True):
            assert metrics == pytest.approx(expected, rel=1e-6, abs=1e-9, nan_ok=True)
        assert torch.stack([weight.isfinite().all() for weight in whole["weights"].values()]).all()
    limit = LANGUAGE.max_grad_norm if name == "read" else PPO.max_grad_norm
    assert min(metrics["train/grad_norm"] for metrics in whole["metrics"]) > limit, "clipping is part of the test"


def test_what_no_row_needs_is_left_alone(found: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """An adaptive softmax's cluster without targets has no gradient; one rank's targets are enough for one."""
    whole = learn_to_read(ALONE)
    assert found[0]["read"]["without"] == found[1]["read"]["without"] == whole["without"]
    assert whole["without"][0], "the rarest symbols were a target"
    assert not whole["without"][-1]
    assert not [name for name in whole["without"][0] if ".tail.0." in name]


def test_ranks_play_apart_and_agree_on_all_else(found: tuple[dict[str, Any], dict[str, Any]]) -> None:
    first, second = (rank["train"] for rank in found)
    assert first["steps"] == second["steps"] == 6 * 40 * NUM_ENVS
    assert first["recent"] != second["recent"]
    for one, other in zip(first["metrics"], second["metrics"], strict=True):
        assert one == pytest.approx(other, nan_ok=True)
    torch.testing.assert_close(first["weights"], second["weights"], rtol=0, atol=0)
    metrics = first["metrics"][-1]
    returns, lengths, successes = (
        [*mine, *theirs] for mine, theirs in zip(first["recent"], second["recent"], strict=True)
    )
    assert metrics["rollout/episodes"] == len(returns)
    assert metrics["rollout/ep_len_mean"] == pytest.approx(sum(lengths) / len(lengths))
    assert metrics["rollout/success_rate"] == pytest.approx(sum(successes) / len(successes))
    assert "memory/span_mean/layer_0/object" in metrics


def test_one_process_alone_plays_as_its_seed_says() -> None:
    assert [ALONE.seed(seed) for seed in (0, 1, 12)] == [0, 1, 12]
