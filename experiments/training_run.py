"""An agent's trainer and its folder, put together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from rlmem.actor_critic import ActorCritic
from rlmem.agents.evaluation import evaluate
from rlmem.agents.ranks import ALONE, Ranks
from rlmem.agents.trainer import Trainer
from rlmem.checkpoint import CheckpointError
from rlmem.experiments.allocator import keep_freed_memory
from rlmem.experiments.checkpoints import load_checkpoint
from rlmem.experiments.cuda_settings import prepare_device
from rlmem.experiments.device_envs import make_training_envs
from rlmem.experiments.order import order_to_train
from rlmem.experiments.progress import AGENT
from rlmem.experiments.run_directory import AGENT_RUN, RunDirectory
from rlmem.experiments.run_in_progress import RunInProgress, restore
from rlmem.experiments.tasks import TASKS, make_envs
from rlmem.experiments.train_config import TrainConfig


class TrainingRun(RunInProgress[TrainConfig]):
    """One run of an agent in progress.

    Args:
        directory: where it is written.
        trainer: what advances.
        quiet: show no progress.
    """

    def __init__(self, directory: RunDirectory, trainer: Trainer, *, quiet: bool) -> None:
        super().__init__(directory, trainer, AGENT, quiet=quiet)
        self.trainer = trainer
        self._seeds = evaluation_seeds(self.config.run.seed, self.config.run.eval_episodes)
        self._quiet = quiet
        self._said: set[str] = set()

    @classmethod
    def begin(cls, directory: RunDirectory, ranks: Ranks = ALONE, *, quiet: bool) -> TrainingRun:
        """A new run from its configuration, which the other ranks are called to."""
        config = directory.config
        ranks.called(order_to_train(AGENT_RUN, directory, is_resumed=False))
        torch.set_num_threads(config.run.num_threads or torch.get_num_threads())
        prepare_device(config.run.device, tf32=config.run.tf32)
        return cls(directory, make_trainer(config, make_policy(config), ranks), quiet=quiet)

    @classmethod
    def resume(cls, directory: RunDirectory, checkpoint: Path, ranks: Ranks = ALONE, *, quiet: bool) -> TrainingRun:
        """The run as it was at a checkpoint, to the bit; the other ranks are called to it.

        Raises:
            CheckpointError: the checkpoint is of another configuration.
        """
        config = directory.config
        torch.set_num_threads(config.run.num_threads or torch.get_num_threads())
        prepare_device(config.run.device, tf32=config.run.tf32)
        policy, tensors, state = load_checkpoint(checkpoint, config.run.device)
        if policy.config != config.model:
            raise CheckpointError(f"{checkpoint} holds another model than config.json describes; undo the change there")
        ranks.called(order_to_train(AGENT_RUN, directory, is_resumed=True))
        trainer = make_trainer(config, policy, ranks)
        restore(trainer, checkpoint, tensors, state)
        if state["environments"] is None:
            print("these environments cannot save their state: every one begins a new episode")
        return cls(directory, trainer, quiet=quiet)

    def clock(self, steps: int, seconds: float) -> dict[str, float]:
        """Steps so far, and their pace."""
        return {"time/total_timesteps": float(self.step), "time/fps": steps / seconds}

    def evaluate(self) -> dict[str, float]:
        """Play the evaluation's episodes."""
        config = self.config
        evaluation = evaluate(
            self.trainer.policy, lambda num_envs: make_envs(config.task, config.environment, num_envs), self._seeds
        )
        self._log.add_evaluation(self.step, evaluation)
        self._log.add_spans(self.step, evaluation.spans, config.model.max_span)
        if config.run.eval_images:
            self._draw_retained()
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

    def _draw_retained(self) -> None:
        """Log a picture of what one episode's memory retained; say once what keeps it from being whole."""
        from rlmem.experiments.retained_image import has_memories, retained_image  # slow to import

        policy, config = self.trainer.policy, self.config
        if not has_memories(policy):
            return
        title = f"what the memory retained after {self.step:,} steps"
        image = retained_image(policy, config.task, config.environment, self._seeds[0], title)
        if image.picture is not None:
            self._log.add_image(self.step, "memory/retained", image.picture)
        if image.note is None or image.note in self._said:
            return
        self._said.add(image.note)
        self._log.add_text(self.step, "memory/retained_note", image.note)
        if not self._quiet:
            print(image.note)

    def close(self) -> None:
        """Close the logs and the environments."""
        super().close()
        self.trainer.envs.close()


def make_policy(config: TrainConfig) -> ActorCritic:
    """A fresh policy for the configuration's task, its weights drawn from the seed."""
    envs = make_envs(config.task, config.environment, 1)
    torch.manual_seed(config.run.seed)
    policy = ActorCritic(config.model, envs.single_observation_space, envs.single_action_space)
    envs.close()
    return policy.to(config.run.device)


def make_trainer(config: TrainConfig, policy: ActorCritic, ranks: Ranks = ALONE) -> Trainer:
    """A trainer of the rank's share of the configuration's environments."""
    keep_freed_memory()
    run = config.run
    return Trainer(
        make_training_envs(config, policy, len(ranks.rows(run.num_envs))),
        policy,
        config.learner,
        seed=run.seed,
        total_timesteps=run.total_timesteps,
        device=run.device,
        word=TASKS[config.task].word,
        score=TASKS[config.task].score,
        ranks=ranks,
    )


def evaluation_seeds(seed: int, episodes: int) -> list[int]:
    """Seeds of evaluation episodes, drawn once from a seed; far from the small numbers that train."""
    drawn = np.random.SeedSequence([seed, 0x6576616C]).generate_state(episodes)
    return [int(one) for one in drawn]
