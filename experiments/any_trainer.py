"""What every trainer has in common, whether of an agent or of a language model."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor

from rlmem.agents.ranks import Ranks
from rlmem.experiments.checkpoints import AnyModel


class AnyTrainer(Protocol):
    """What advances: an agent's trainer or a language model's. Its steps are environment steps or updates."""

    @property
    def ranks(self) -> Ranks:
        """The processes that train together."""
        ...

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
