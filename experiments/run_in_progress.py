"""What happens around the arithmetic of any training: logs, checkpoints, evaluations in time, progress."""

from __future__ import annotations

import time
from abc import abstractmethod
from pathlib import Path
from typing import Any, Generic

from torch import Tensor

from rlmem.checkpoint import CheckpointError
from rlmem.errors import RlmemError
from rlmem.experiments.any_trainer import AnyTrainer
from rlmem.experiments.checkpoints import load_later_states, step_of
from rlmem.experiments.metrics_log import MetricsLog
from rlmem.experiments.progress import Shown, make_progress
from rlmem.experiments.rank_states import gather_later_states, hand_out_states
from rlmem.experiments.run_directory import Config, RunFolder
from rlmem.experiments.turns import Turns


class RunInProgress(Turns, Generic[Config]):
    """One run in progress, as the first rank sees it, which alone writes.

    Args:
        directory: where it is written.
        trainer: what advances.
        shown: what progress says.
        quiet: show no progress.
    """

    def __init__(self, directory: RunFolder[Config], trainer: AnyTrainer, shown: Shown, *, quiet: bool) -> None:
        super().__init__(trainer, directory.config.run)
        self.directory, self.config, self.shown = directory, directory.config, shown
        start = trainer.steps_done
        self._log = MetricsLog(directory.path, last_step=start)
        self._progress = make_progress(str(directory.path), trainer.total_steps, start, shown, quiet=quiet)
        self._started_at, self._start = time.monotonic(), start
        self._evaluated: dict[str, float] = {}

    def record(self, metrics: dict[str, float]) -> None:
        """Show a turn's metrics, and log them when it is time to; evaluations are always logged."""
        evaluated = {name: value for name, value in metrics.items() if name.startswith("eval/")}
        self._evaluated.update(evaluated)
        self._progress.update(self.step, {**self._evaluated, **metrics})
        if self._is_due(self.config.run.log_interval) or evaluated or self.is_finished:
            seconds = time.monotonic() - self._started_at
            clock = self.clock(self.step - self._start, seconds)
            self._log.write(self.step, {**self.logged(metrics), **clock, "time/elapsed_seconds": seconds})

    def logged(self, metrics: dict[str, float]) -> dict[str, float]:
        """What the log says of a turn's metrics: the same, unless a kind of run gathers them between two lines."""
        return metrics

    @abstractmethod
    def clock(self, steps: int, seconds: float) -> dict[str, float]:
        """Wall-clock figures for the log.

        Args:
            steps: done by this process.
            seconds: it has trained.
        """

    def save(self) -> None:
        """Save a checkpoint of all ranks now; the logs are on disk before it.

        Raises:
            DivergedError: the weights are no longer finite.
        """
        trainer = self._trainer
        later = gather_later_states(trainer)
        self._log.sync()
        self.directory.checkpoints.save(self.step, trainer.model, trainer.tensors(), trainer.state_dict(), later)

    def close(self) -> None:
        """Close the logs."""
        self._progress.close()
        self._log.close()


def restore(trainer: AnyTrainer, checkpoint: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Put a trainer where a checkpoint stands, and those of the later ranks.

    Args:
        trainer: with the checkpoint's weights.
        checkpoint: its folder.
        tensors: from there.
        state: from there.

    Raises:
        CheckpointError: the checkpoint is of another configuration, or its folder was renamed.
    """
    try:
        trainer.load(tensors, state)
    except (KeyError, ValueError, RuntimeError, RlmemError) as error:
        raise CheckpointError(f"{checkpoint} does not fit the configuration in config.json: {error}") from error
    if trainer.steps_done != step_of(checkpoint):
        raise CheckpointError(f"{checkpoint} holds step {trainer.steps_done}; give the folder its own name back")
    if trainer.ranks.size > 1:
        later = load_later_states(checkpoint)
        if 1 + len(later) != trainer.ranks.size:
            raise CheckpointError(f"{checkpoint} was written by {1 + len(later)} processes; start as many")
        hand_out_states(trainer.ranks, tensors, later)
