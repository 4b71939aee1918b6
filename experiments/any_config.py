"""What the configurations of all runs share, whether of an agent or of a language model."""

from __future__ import annotations

from typing import Any, Protocol

from rlmem.model_config import ModelConfig


class AnyRunSettings(Protocol):
    """What is written of a run, and when; steps are environment steps, or updates of a language model."""

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""
        ...

    @property
    def processes(self) -> int:
        """Processes that train together."""
        ...

    @property
    def log_interval(self) -> int:
        """Steps between two lines of metrics.jsonl."""
        ...

    @property
    def checkpoint_interval(self) -> int:
        """Steps between two checkpoints; 0: none but at the end."""
        ...

    @property
    def keep_checkpoints(self) -> int:
        """How many of the last checkpoints are kept."""
        ...

    @property
    def eval_interval(self) -> int:
        """Steps between two evaluations; 0 makes none."""
        ...


class AnyConfig(Protocol):
    """What every run's configuration has; `TrainConfig` and `LanguageTrainConfig` are the two."""

    @property
    def preset(self) -> str:
        """Where the defaults came from."""
        ...

    @property
    def run(self) -> AnyRunSettings:
        """Intervals, seed."""
        ...

    @property
    def model(self) -> ModelConfig:
        """Sizes and memory."""
        ...

    def to_json(self) -> dict[str, Any]:
        """What config.json holds."""
        ...
