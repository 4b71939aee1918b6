"""Everything that the training of a language model is made from: the flags of `rlmem lm train`, and its config.json."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

import tyro

from rlmem.errors import check, flag
from rlmem.experiments.lm.copy_task import CopyOptions
from rlmem.experiments.lm.tasks import LANGUAGE_TASKS
from rlmem.experiments.lm.text import TextOptions
from rlmem.experiments.processes import check_division
from rlmem.experiments.run_directory import LANGUAGE_MODEL
from rlmem.experiments.train_config import ConfigError, check_keys, read_section
from rlmem.language_model import VocabularyConfig
from rlmem.model_config import ModelConfig

FORMAT = 1
"""Of config.json; raised when an older file can no longer be read."""

Schedule = Literal["constant", "cosine"]
Precision = Literal["float32", "bf16"]


@dataclass(frozen=True)
class LanguageRunConfig:
    """How long, on what, and what is written on the way. Intervals count updates."""

    updates: int = 2000
    """Length of the run, in updates, before any fine-tuning."""
    fine_tune_updates: int = 0
    """Updates after those, at a lower learning rate."""
    fine_tune_factor: float = 0.1
    """That learning rate, as a multiple of --learning-rate."""
    init: str | None = None
    """A run whose last weights to begin with, a folder or a name."""
    seed: int = 1
    """Of the weights, the training data and the dropouts."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the model runs; auto takes CUDA where there is a GPU."""
    num_threads: int | None = None
    """CPU threads of PyTorch; None leaves its choice, which config.json then records."""
    processes: tyro.conf.SuppressFixed[tyro.conf.Fixed[int]] = 1
    """Processes that train together, as torchrun started them."""
    log_interval: int = 50
    """Updates between two lines of metrics.jsonl, each a mean over the updates since the last one."""
    checkpoint_interval: int = 500
    """Updates between two checkpoints; 0 saves only at the end and when interrupted."""
    keep_checkpoints: int = 3
    """How many of the last checkpoints are kept."""
    eval_interval: int = 500
    """Updates between two evaluations on the validation data; 0 makes none."""
    eval_rows: int = 16
    """Rows of an evaluation; each begins without memory, so that of text fewer rows see more."""
    eval_blocks: int = 0
    """Blocks of each row that an evaluation while training reads; 0: all of them."""

    def __post_init__(self) -> None:
        for name in ("updates", "log_interval", "keep_checkpoints", "eval_rows"):
            check(getattr(self, name) >= 1, f"{flag(name)} is {getattr(self, name)}, but it must be at least 1")
        for name in ("fine_tune_updates", "checkpoint_interval", "eval_interval", "eval_blocks", "seed"):
            check(getattr(self, name) >= 0, f"{flag(name)} is {getattr(self, name)}, but it cannot be negative")
        check(self.fine_tune_factor > 0, f"--fine-tune-factor is {self.fine_tune_factor}, but it must be positive")
        check(
            self.num_threads is None or self.num_threads >= 1,
            f"--num-threads is {self.num_threads}, but it must be at least 1; leave it out for PyTorch's choice",
        )

    @property
    def all_updates(self) -> int:
        """Updates of the whole run, fine-tuning included."""
        return self.updates + self.fine_tune_updates


@dataclass(frozen=True)
class LanguageLearnerConfig:
    """What an update is made of."""

    batch: int = 16
    """Rows, each a stream of its own."""
    block: int = 128
    """T, how many symbols of each row an update reads; memory is carried from block to block."""
    accumulate: int = 1
    """Parts into which the rows are divided to be read in turn, for less memory; the update is the same."""
    learning_rate: float = 7e-4
    """Step size of the optimiser."""
    warmup_updates: int = 100
    """Updates over which the learning rate rises from 0 to that."""
    schedule: Schedule = "constant"
    """What the learning rate does after that: stay, or fall to 0 along a cosine."""
    optimizer: Literal["adam", "rmsprop"] = "adam"
    """Adam, as in the paper, or RMSProp."""
    max_grad_norm: float = 0.3
    """Gradients are scaled down to this norm; 0 leaves them as they are."""
    span_cost: float = 1e-6
    """Alpha, what a step of span costs (Expire-Span, Adaptive-Span)."""
    span_cost_delay: int = 0
    """Updates before memory costs anything: spans would shrink before it is worth anything to the model."""
    span_lr_scale: float = 1.0
    """Learning rate of the span predictors, as a multiple of the others'."""
    precision: Precision = "float32"
    """Of the arithmetic; bf16 is autocast, in which spans, weights and memories stay float32."""

    def __post_init__(self) -> None:
        for name in ("batch", "block", "accumulate"):
            check(getattr(self, name) >= 1, f"{flag(name)} is {getattr(self, name)}, but it must be at least 1")
        for name in ("learning_rate", "span_lr_scale"):
            check(getattr(self, name) > 0, f"{flag(name)} is {getattr(self, name)}, but it must be positive")
        for name in ("warmup_updates", "max_grad_norm", "span_cost", "span_cost_delay"):
            check(getattr(self, name) >= 0, f"{flag(name)} is {getattr(self, name)}, but it cannot be negative")
        check(
            self.accumulate <= self.batch,
            f"--accumulate {self.accumulate} is more parts than --batch has rows ({self.batch}); lower it",
        )


@dataclass(frozen=True)
class EmbeddingConfig:
    """How symbols become vectors, and vectors symbols; see `VocabularyConfig`."""

    cutoffs: tuple[int, ...] = ()
    """Where the clusters of an adaptive input and softmax end, symbols being ordered by frequency; none: a plain table
    and a linear output."""
    divide_by: float = 4.0
    """How many times narrower each further cluster is (adaptive only)."""
    tied: bool = False
    """Use one table of vectors for input and output."""
    embedding_dropout: float = 0.0
    """Share of an embedding that is dropped in training."""
    output_dropout: float = 0.0
    """Share of the last layer's output that is dropped in training."""

    def of(self, num_symbols: int, num_targets: int) -> VocabularyConfig:
        """The vocabulary of these sizes.

        Raises:
            UsageError: these sizes and settings do not go together.
        """
        return VocabularyConfig(num_symbols, num_targets, **vars(self))


@dataclass(frozen=True)
class LanguageTrainConfig:
    """One training of a language model."""

    task: tyro.conf.SuppressFixed[tyro.conf.Fixed[str]] = "copy"
    """What is read; a name of `LANGUAGE_TASKS`."""
    preset: str = "small"
    """Where the defaults came from."""
    options: object = field(default_factory=CopyOptions)
    """The task's own."""
    run: LanguageRunConfig = field(default_factory=LanguageRunConfig)
    """Length, device, intervals."""
    learner: LanguageLearnerConfig = field(default_factory=LanguageLearnerConfig)
    """What an update is made of."""
    embedding: EmbeddingConfig = field(default_factory=EmbeddingConfig)
    """Symbols to vectors and back."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """Sizes and memory."""

    def __post_init__(self) -> None:
        rows, processes, parts = self.learner.batch, self.run.processes, self.learner.accumulate
        check_division("--batch", rows, processes)
        check(
            parts <= rows // processes,
            f"--accumulate {parts} is more parts than each of {processes} processes has rows ({rows // processes}); "
            "lower it",
        )

    def with_data(self, data: str | None) -> LanguageTrainConfig:
        """The same with its text elsewhere.

        Args:
            data: where the text is; None: where it was.

        Raises:
            UsageError: the task's data is made up.
        """
        if data is None:
            return self
        options: Any = self.options
        check(
            isinstance(options, TextOptions),
            f"--data is the place of a text, but {self.task} makes its data up; leave it out",
        )
        return dataclasses.replace(self, options=dataclasses.replace(options, data=data))

    def to_json(self) -> dict[str, Any]:
        """The JSON-able form that `from_json` reads."""
        return {"format": FORMAT, "kind": LANGUAGE_MODEL, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: Any) -> LanguageTrainConfig:
        """Read what `to_json` gave.

        Raises:
            ConfigError: a key is unknown, a section is missing, or a value is of the wrong kind.
            UsageError: a value is out of range.
        """
        keys = {"format", "kind", *(one.name for one in dataclasses.fields(cls))}
        check_keys(data, keys, "the file", required=keys)
        if data["format"] != FORMAT:
            raise ConfigError(f"its format is {data['format']!r}, but this version of rlmem reads format {FORMAT}")
        if data["task"] not in LANGUAGE_TASKS:
            known = ", ".join(LANGUAGE_TASKS)
            raise ConfigError(f"its task is {data['task']!r}, but this version of rlmem knows {known}")
        return cls(
            task=data["task"],
            preset=str(data["preset"]),
            options=read_section(LANGUAGE_TASKS[data["task"]].options, data["options"], "options"),
            run=read_section(LanguageRunConfig, data["run"], "run"),
            learner=read_section(LanguageLearnerConfig, data["learner"], "learner"),
            embedding=read_section(EmbeddingConfig, data["embedding"], "embedding"),
            model=read_section(ModelConfig, data["model"], "model"),
        )
