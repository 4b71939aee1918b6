"""The turns of any training's loop: when to evaluate and when to save, alike on all ranks."""

from __future__ import annotations

from abc import ABC, abstractmethod

from rlmem.experiments.any_config import AnyRunSettings
from rlmem.experiments.any_trainer import AnyTrainer


class Turns(ABC):
    """A trainer, and how far it was at the beginning of the running turn.

    Args:
        trainer: what advances.
        settings: the intervals.
    """

    def __init__(self, trainer: AnyTrainer, settings: AnyRunSettings) -> None:
        self._trainer, self._settings = trainer, settings
        self._before = trainer.steps_done

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

    @abstractmethod
    def record(self, metrics: dict[str, float]) -> None:
        """Show and log a turn's metrics."""

    def evaluate_if_due(self) -> dict[str, float]:
        """Evaluate when it is time to; draws from no generator of the trainer. Later ranks wait for the first."""
        if not self._is_due(self._settings.eval_interval):
            return {}
        metrics = self.evaluate()
        self._trainer.ranks.wait_for_first()
        return metrics

    @abstractmethod
    def evaluate(self) -> dict[str, float]:
        """Evaluate the model as it is; metrics under `eval/`."""

    def save_if_due(self) -> None:
        """Save a checkpoint when it is time to, and end the turn of the loop."""
        if self._is_due(self._settings.checkpoint_interval):
            self.save()
        self._before = self.step

    @abstractmethod
    def save(self) -> None:
        """Save a checkpoint now."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open."""

    def _is_due(self, interval: int) -> bool:
        """True when the last turn passed a multiple of the interval; 0 is never."""
        return interval > 0 and self.step // interval > self._before // interval
