"""Stopping and going on: N + M windows are N windows, everything written to disk, a fresh start, and M windows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlmem.actor_critic import ActorCritic
from rlmem.agents.learner_config import LearnerConfig
from rlmem.agents.trainer import Trainer
from rlmem.checkpoint import load_tensors, save_tensors
from rlmem.envs.corridor_vector import VectorCorridorEnv
from rlmem.errors import UsageError

NUM_ENVS, NUM_STEPS = 5, 8

KINDS = [
    ("expire_span", {"algorithm": "ppo", "optimizer": "adam", "anneal_lr": True, "span_cost_gate_high": 0.5}),
    ("expire_span", {"algorithm": "a2c", "optimizer": "rmsprop", "span_cost": 1e-3}),
    ("expire_span", {"algorithm": "ppo", "span_cost_gate_low": 0.1, "span_cost_gate_high": 0.9}),
    ("transformer_xl", {"algorithm": "ppo", "optimizer": "adam"}),
    ("transformer_xl", {"algorithm": "a2c", "optimizer": "rmsprop"}),
]


def trainer_of(
    make_policy: Callable[..., ActorCritic], memory: str, overrides: dict[str, Any], seed: int = 4, envs: Any = None
) -> Trainer:
    policy = make_policy(seed, memory=memory, head_scale=3)
    config = LearnerConfig(num_steps=NUM_STEPS, num_minibatches=2, update_epochs=2, **overrides)
    envs = envs or VectorCorridorEnv(NUM_ENVS, 3, 6, 20)
    return Trainer(envs, policy, config, seed=seed, total_timesteps=NUM_ENVS * NUM_STEPS * 40, word="object")


def through_disk(trainer: Trainer, folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The trainer's tensors, its JSON and the policy's weights, written and read again."""
    save_tensors(trainer.tensors(), folder / "trainer.safetensors")
    save_tensors(trainer.policy.state_dict(), folder / "model.safetensors")
    (folder / "state.json").write_text(json.dumps(trainer.state_dict(), default=np.ndarray.tolist))
    state = json.loads((folder / "state.json").read_text())
    return load_tensors(folder / "trainer.safetensors")[0], state, load_tensors(folder / "model.safetensors")[0]


def assert_same(left: Any, right: Any) -> None:
    """Equal to the bit, NaN equal to itself, through tensors, arrays and containers."""
    if isinstance(left, dict):
        assert set(left) == set(right)
        for name in left:
            assert_same(left[name], right[name])
    elif isinstance(left, torch.Tensor):
        assert left.dtype == right.dtype
        assert torch.equal(left, right)
    elif isinstance(left, float) and math.isnan(left):
        assert math.isnan(right)
    elif isinstance(left, np.ndarray):
        assert np.array_equal(left, right)
    else:
        assert left == right


@pytest.mark.parametrize(("memory", "overrides"), KINDS)
def test_resuming_is_exact_to_the_bit(
    make_policy: Callable[..., ActorCritic], tmp_path: Path, memory: str, overrides: dict[str, Any]
) -> None:
    through = trainer_of(make_policy, memory, overrides)
    for _ in range(14):
        through.iterate()
    tensors, state, weights = through_disk(through, tmp_path)
    expected = [through.iterate() for _ in range(6)]

    resumed = trainer_of(make_policy, memory, overrides, seed=9)  # everything else than the saved must not matter
    resumed.policy.load_state_dict(weights)
    resumed.load(tensors, state)
    assert resumed.timesteps == 14 * NUM_ENVS * NUM_STEPS
    for window, metrics in enumerate(expected):
        assert_same(resumed.iterate(), metrics)
        assert "rollout/ep_rew_mean" in metrics, f"no episode had ended by window {window}: nothing was tested"
    assert_same(resumed.tensors(), through.tensors())
    assert_same(resumed.state_dict(), through.state_dict())
    assert_same(dict(resumed.policy.state_dict()), dict(through.policy.state_dict()))


def test_a_started_span_predictor_goes_on_learning_after_resuming(
    make_policy: Callable[..., ActorCritic], tmp_path: Path
) -> None:
    overrides = {"span_cost_gate_low": 0.9, "span_cost_gate_high": 1.0}
    through = trainer_of(make_policy, "expire_span", overrides)
    through.learner.is_span_learning = True  # success has sunk below the gate since
    tensors, state, weights = through_disk(through, tmp_path)
    resumed = trainer_of(make_policy, "expire_span", overrides)
    assert not resumed.learner.is_span_learning
    resumed.policy.load_state_dict(weights)
    resumed.load(tensors, state)
    assert_same(resumed.iterate(), through.iterate())
    assert resumed.learner.is_span_learning


def test_saving_and_loading_disturb_nothing(make_policy: Callable[..., ActorCritic], tmp_path: Path) -> None:
    plain, saved = (trainer_of(make_policy, "expire_span", {}) for _ in range(2))
    for _ in range(4):
        expected = plain.iterate()
        assert_same(saved.iterate(), expected)
        through_disk(saved, tmp_path)
    assert_same(saved.tensors(), plain.tensors())


def test_what_was_saved_does_not_change_as_training_goes_on(
    make_policy: Callable[..., ActorCritic], tmp_path: Path
) -> None:
    """A checkpoint that is loaded twice gives the same run twice."""
    first = trainer_of(make_policy, "expire_span", {})
    first.iterate()
    tensors, state, weights = through_disk(first, tmp_path)
    runs = []
    for _ in range(2):
        trainer = trainer_of(make_policy, "expire_span", {})
        trainer.policy.load_state_dict(weights)
        trainer.load(tensors, state)
        runs.append(dict(enumerate([trainer.iterate() for _ in range(2)])))
    assert_same(runs[0], runs[1])


def test_environments_that_cannot_save_restart_with_an_empty_memory(
    make_policy: Callable[..., ActorCritic], make_corridors: Callable[..., Any], tmp_path: Path
) -> None:
    def make() -> Trainer:
        envs = make_corridors(NUM_ENVS, "sync", max_length=6, max_episode_steps=15)
        return trainer_of(make_policy, "expire_span", {}, envs=envs)

    before = make()
    for _ in range(5):
        before.iterate()
    tensors, state, weights = through_disk(before, tmp_path)
    assert state["environments"] is None
    assert before.statistics.running_length.any()

    resumed = make()
    resumed.policy.load_state_dict(weights)
    resumed.load(tensors, state)
    assert resumed.timesteps == before.timesteps
    assert resumed.statistics.episodes == before.statistics.episodes > 0
    assert not resumed.statistics.running_length.any()
    assert not resumed.statistics.running_return.any()
    first, again = resumed.envs.seeds  # type: ignore[attr-defined]
    assert again >= first + NUM_ENVS, "the run's first episodes would come again"
    rollout = resumed.collector.collect()
    assert all(layer.time.shape[1] == 0 for layer in rollout.state.layers)
    assert torch.equal(rollout.window.episode_start[:, 0], rollout.window.time[:, 0])
    np.testing.assert_array_equal(rollout.observation[0][0], resumed.envs.first_observation)  # type: ignore[attr-defined]
    assert_same(resumed.learner.optimizer.state_dict()["state"], before.learner.optimizer.state_dict()["state"])


def test_a_run_ends_when_its_steps_are_done(make_policy: Callable[..., ActorCritic]) -> None:
    trainer = trainer_of(make_policy, "transformer_xl", {"anneal_lr": True, "learning_rate": 1e-3})
    windows, rates = 0, []
    while not trainer.is_finished:
        rates.append(trainer.iterate()["train/learning_rate"])
        windows += 1
        assert trainer.timesteps == windows * NUM_ENVS * NUM_STEPS
    assert windows == 40
    assert rates == pytest.approx([1e-3 * (1 - window / 40) for window in range(40)])


def test_more_minibatches_than_environments_are_refused(make_policy: Callable[..., ActorCritic]) -> None:
    policy, envs = make_policy(), VectorCorridorEnv(3)
    with pytest.raises(UsageError, match="--num-minibatches 4 is more than --num-envs 3"):
        Trainer(envs, policy, LearnerConfig(num_minibatches=4), seed=0, total_timesteps=1)
    Trainer(envs, policy, LearnerConfig(num_minibatches=4, algorithm="a2c"), seed=0, total_timesteps=1)


def test_a_checkpoint_of_another_kind_of_device_is_refused(
    make_policy: Callable[..., ActorCritic], make_corridors: Callable[..., Any]
) -> None:
    trainer = Trainer(make_corridors(), make_policy(), LearnerConfig(num_steps=4), seed=1, total_timesteps=100)
    of_cuda = {**trainer.tensors(), "generator.actions": torch.zeros(16, dtype=torch.uint8)}
    with pytest.raises(UsageError, match="another kind of device than cpu"):
        trainer.load(of_cuda, trainer.state_dict())
