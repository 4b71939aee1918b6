"""What happens around the arithmetic of any training: logs, checkpoints, evaluations in time, progress."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Generic, Protocol

from torch import Tensor

from rlmem.checkpoint import CheckpointError
from rlmem.errors import RlmemError
from rlmem.experiments.checkpoints import AnyModel, step_of
from rlmem.experiments.metrics_log import MetricsLog
from rlmem.experiments.progress import Shown, make_progress
from rlmem.experiments.run_directory import Config, RunFolder


class AnyTrainer(Protocol):
    """What advances: an agent's trainer or a language model's. Its steps are environment steps or updates."""

    @property
    def steps_done(self) -> int:
        """Steps so far."""
        ...

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        ...

    @property
    def is_finished(self) -> bool:
        """True once the run has its steps."""
        ...

    @property
    def model(self) -> AnyModel:
        """What learns."""
        ...

    def iterate(self) -> dict[str, float]:
        """Advance by one turn of the loop; returns metrics."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint holds beside the weights."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """The rest of it, in plain values."""
        ...

    def load(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Restore what `tensors` and `state_dict` gave."""
        ...


class RunInProgress(ABC, Generic[Config]):
    """One run in progress.

    Args:
        directory: where it is written.
        trainer: what advances.
        shown: what progress says.
        quiet: show no progress.
    """

    def __init__(self, directory: RunFolder[Config], trainer: AnyTrainer, shown: Shown, *, quiet: bool) -> None:
        self.directory, self.config = directory, directory.config
        self._trainer, self.shown = trainer, shown
        start = trainer.steps_done
        self._log = MetricsLog(directory.path, last_step=start)
        self._progress = make_progress(str(directory.path), trainer.total_steps, start, shown, quiet=quiet)
        self._started_at, self._start = time.monotonic(), start
        self._before = start
        self._evaluated: dict[str, float] = {}

    @property
    def step(self) -> int:
        """Steps so far."""
        return self._trainer.steps_done

    @property
    def is_finished(self) -> bool:
        """True once the run has its steps."""
        return self._trainer.is_finished

    def iterate(self) -> dict[str, float]:
        """Advance by one turn of the loop; returns metrics."""
        return self._trainer.iterate()

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

    def evaluate_if_due(self) -> dict[str, float]:
        """Evaluate when it is time to; draws from no generator of the trainer."""
        return self.evaluate() if self._is_due(self.config.run.eval_interval) else {}

    @abstractmethod
    def evaluate(self) -> dict[str, float]:
        """Evaluate the model as it is; metrics under `eval/`."""

    def save_if_due(self) -> None:
        """Save a checkpoint when it is time to, and end the turn of the loop."""
        if self._is_due(self.config.run.checkpoint_interval):
            self.save()
        self._before = self.step

    def save(self) -> Path:
        """Save a checkpoint now; the logs are on disk before it.

        Raises:
            DivergedError: the weights are no longer finite.
        """
        self._log.sync()
        trainer = self._trainer
        return self.directory.checkpoints.save(self.step, trainer.model, trainer.tensors(), trainer.state_dict())

    def close(self) -> None:
        """Close the logs."""
        self._progress.close()
        self._log.close()

    def _is_due(self, interval: int) -> bool:
        """True when the last turn passed a multiple of the interval; 0 is never."""
        return interval > 0 and self.step // interval > self._before // interval


def restore(trainer: AnyTrainer, checkpoint: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Put a trainer where a checkpoint stands.

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
