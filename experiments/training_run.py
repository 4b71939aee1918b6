"""A trainer, its folder and its logs, put together: what happens around the arithmetic of training."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch

from rlmem.actor_critic import ActorCritic
from rlmem.agents.evaluation import evaluate
from rlmem.agents.trainer import Trainer
from rlmem.checkpoint import CheckpointError
from rlmem.errors import RlmemError
from rlmem.experiments.allocator import keep_freed_memory
from rlmem.experiments.checkpoints import load_checkpoint, step_of
from rlmem.experiments.metrics_log import MetricsLog
from rlmem.experiments.progress import make_progress
from rlmem.experiments.run_directory import RunDirectory
from rlmem.experiments.tasks import TASKS, make_envs
from rlmem.experiments.train_config import TrainConfig


class TrainingRun:
    """One run in progress.

    Args:
        directory: where it is written.
        trainer: what advances.
        quiet: show no progress.
    """

    def __init__(self, directory: RunDirectory, trainer: Trainer, *, quiet: bool) -> None:
        self.directory, self.trainer, self.config = directory, trainer, directory.config
        start = trainer.timesteps
        self._log = MetricsLog(directory.path, last_step=start)
        self._progress = make_progress(str(directory.path), self.config.run.total_timesteps, start, quiet=quiet)
        self._started_at, self._start = time.monotonic(), start
        self._before = start
        self._shown: dict[str, float] = {}
        self._seeds = evaluation_seeds(self.config.run.seed, self.config.run.eval_episodes)

    @classmethod
    def begin(cls, directory: RunDirectory, *, quiet: bool) -> TrainingRun:
        """A new run from its configuration."""
        config = directory.config
        torch.set_num_threads(config.run.num_threads or torch.get_num_threads())
        return cls(directory, make_trainer(config, make_policy(config)), quiet=quiet)

    @classmethod
    def resume(cls, directory: RunDirectory, checkpoint: Path, *, quiet: bool) -> TrainingRun:
        """The run as it was at a checkpoint, to the bit.

        Raises:
            CheckpointError: the checkpoint is of another configuration.
        """
        config = directory.config
        torch.set_num_threads(config.run.num_threads or torch.get_num_threads())
        policy, tensors, state = load_checkpoint(checkpoint, config.run.device)
        if policy.config != config.model:
            raise CheckpointError(f"{checkpoint} holds another model than config.json describes; undo the change there")
        trainer = make_trainer(config, policy)
        try:
            trainer.load(tensors, state)
        except (KeyError, ValueError, RuntimeError, RlmemError) as error:
            raise CheckpointError(f"{checkpoint} does not fit the configuration in config.json: {error}") from error
        if trainer.timesteps != step_of(checkpoint):
            raise CheckpointError(f"{checkpoint} holds step {trainer.timesteps}; give the folder its own name back")
        if state["environments"] is None:
            print("these environments cannot save their state: every one begins a new episode")
        return cls(directory, trainer, quiet=quiet)

    def record(self, metrics: dict[str, float]) -> None:
        """Show the window's metrics, and log them when it is time to; evaluations are always logged."""
        step = self.trainer.timesteps
        self._shown.update({name: value for name, value in metrics.items() if name.startswith("eval/")})
        self._progress.update(step, {**self._shown, **metrics})
        if self._is_due(self.config.run.log_interval) or "eval/mean_reward" in metrics or self.trainer.is_finished:
            seconds = time.monotonic() - self._started_at
            clock = {"time/total_timesteps": float(step), "time/elapsed_seconds": seconds}
            clock["time/fps"] = (step - self._start) / seconds
            self._log.write(step, {**metrics, **clock})

    def evaluate_if_due(self) -> dict[str, float]:
        """Play the evaluation's episodes when it is time to; draws from no generator of the trainer."""
        if not self._is_due(self.config.run.eval_interval):
            return {}
        config = self.config
        evaluation = evaluate(
            self.trainer.policy, lambda num_envs: make_envs(config.task, config.environment, num_envs), self._seeds
        )
        self._log.add_evaluation(self.trainer.timesteps, evaluation)
        score = TASKS[config.task].score
        reached = {f"eval/{score}": float(evaluation.infos[score].mean())} if score in evaluation.infos else {}
        if evaluation.successes is not None:
            reached["eval/success_rate"] = float(evaluation.successes.mean())
        return {
            **reached,
            "eval/mean_reward": float(evaluation.returns.mean()),
            "eval/mean_ep_length": float(evaluation.lengths.mean()),
            "eval/memory_size_mean": evaluation.memory_size_mean,
        }

    def save_if_due(self) -> None:
        """Save a checkpoint when it is time to, and end the turn of the loop."""
        if self._is_due(self.config.run.checkpoint_interval):
            self.save()
        self._before = self.trainer.timesteps

    def save(self) -> Path:
        """Save a checkpoint now; the logs are on disk before it.

        Raises:
            DivergedError: the weights are no longer finite.
        """
        self._log.sync()
        trainer = self.trainer
        return self.directory.checkpoints.save(
            trainer.timesteps, trainer.policy, trainer.tensors(), trainer.state_dict()
        )

    def close(self) -> None:
        """Close the logs and the environments."""
        self._progress.close()
        self._log.close()
        self.trainer.envs.close()

    def _is_due(self, interval: int) -> bool:
        """True when the last window passed a multiple of the interval; 0 is never."""
        return interval > 0 and self.trainer.timesteps // interval > self._before // interval


def make_policy(config: TrainConfig) -> ActorCritic:
    """A fresh policy for the configuration's task, its weights drawn from the seed."""
    envs = make_envs(config.task, config.environment, 1)
    torch.manual_seed(config.run.seed)
    policy = ActorCritic(config.model, envs.single_observation_space, envs.single_action_space)
    envs.close()
    return policy.to(config.run.device)


def make_trainer(config: TrainConfig, policy: ActorCritic) -> Trainer:
    """A trainer of the configuration's environments."""
    keep_freed_memory()
    run = config.run
    return Trainer(
        make_envs(config.task, config.environment, run.num_envs),
        policy,
        config.learner,
        seed=run.seed,
        total_timesteps=run.total_timesteps,
        device=run.device,
        word=TASKS[config.task].word,
        score=TASKS[config.task].score,
    )


def evaluation_seeds(seed: int, episodes: int) -> list[int]:
    """Seeds of evaluation episodes, drawn once from a seed; far from the small numbers that train."""
    drawn = np.random.SeedSequence([seed, 0x6576616C]).generate_state(episodes)
    return [int(one) for one in drawn]
