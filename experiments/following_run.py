"""What a later rank does of a run: it trains with the first one, and hands it what a checkpoint must hold."""

from __future__ import annotations

from collections.abc import Callable

from rlmem.experiments.any_config import AnyRunSettings
from rlmem.experiments.any_trainer import AnyTrainer
from rlmem.experiments.rank_states import gather_later_states
from rlmem.experiments.turns import Turns


class FollowingRun(Turns):
    """A run in progress, as a later rank sees it, which neither reads nor writes.

    Args:
        trainer: what advances.
        settings: the intervals.
        close: closes what the trainer has open, if anything.
    """

    def __init__(
        self, trainer: AnyTrainer, settings: AnyRunSettings, close: Callable[[], object] | None = None
    ) -> None:
        super().__init__(trainer, settings)
        self._close = close

    def record(self, metrics: dict[str, float]) -> None:
        """Leave it to the first rank."""

    def evaluate(self) -> dict[str, float]:
        """Leave it to the first rank."""
        return {}

    def save(self) -> None:
        """Hand the first rank what its checkpoint holds of this one."""
        gather_later_states(self._trainer)

    def close(self) -> None:
        """Close what is open."""
        if self._close is not None:
            self._close()
