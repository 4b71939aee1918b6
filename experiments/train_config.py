"""Everything that a training run is made from: the flags of `rlmem train`, and config.json in a run's folder."""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, dataclass, field
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro

from rlmem.agents.learner_config import LearnerConfig
from rlmem.errors import RlmemError, check, flag
from rlmem.experiments.processes import check_division
from rlmem.experiments.tasks import TASKS, CorridorOptions, TaskOptions
from rlmem.model_config import ModelConfig

FORMAT = 1
"""Of config.json; raised when an older file can no longer be read."""


class ConfigError(RlmemError):
    """A config.json does not describe a run."""


@dataclass(frozen=True)
class RunConfig:
    """How long, on what, and what is written on the way. Intervals count environment steps."""

    total_timesteps: int = 1_000_000
    """Length of the run, in environment steps over all environments."""
    num_envs: int = 64
    """Environments played at once."""
    seed: int = 1
    """Of the weights, environments, actions and minibatches."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the policy runs; auto takes CUDA where there is a GPU."""
    tf32: bool = False
    """On CUDA, multiply matrices in TF32: faster, with 3 digits; spans and masks stay float32."""
    num_threads: int | None = None
    """CPU threads of PyTorch; None leaves its choice, which config.json then records."""
    processes: tyro.conf.SuppressFixed[tyro.conf.Fixed[int]] = 1
    """Processes that train together, as torchrun started them."""
    log_interval: int = 20_000
    """Steps between two lines of metrics.jsonl."""
    checkpoint_interval: int = 200_000
    """Steps between two checkpoints; 0 saves only at the end and when interrupted."""
    keep_checkpoints: int = 3
    """How many of the last checkpoints are kept."""
    eval_interval: int = 200_000
    """Steps between two evaluations; 0 makes none."""
    eval_episodes: int = 100
    """Episodes of an evaluation, the same ones every time."""
    eval_images: bool = True
    """With every evaluation, draw what the memory retained of its first episode, for TensorBoard."""

    def __post_init__(self) -> None:
        for name in ("total_timesteps", "num_envs", "log_interval", "keep_checkpoints", "eval_episodes"):
            check(getattr(self, name) >= 1, f"{flag(name)} is {getattr(self, name)}, but it must be at least 1")
        for name in ("checkpoint_interval", "eval_interval", "seed"):
            check(getattr(self, name) >= 0, f"{flag(name)} is {getattr(self, name)}, but it cannot be negative")
        check(
            self.num_threads is None or self.num_threads >= 1,
            f"--num-threads is {self.num_threads}, but it must be at least 1; leave it out for PyTorch's choice",
        )


@dataclass(frozen=True)
class TrainConfig:
    """One training run."""

    task: tyro.conf.SuppressFixed[tyro.conf.Fixed[str]] = "corridor"
    """What is played; a name of `TASKS`."""
    preset: str = "corridor"
    """Where the defaults came from."""
    environment: TaskOptions = field(default_factory=CorridorOptions)
    """The task's own keywords."""
    run: RunConfig = field(default_factory=RunConfig)
    """Length, device, intervals."""
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    """Algorithm and coefficients."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """Sizes and memory."""

    def __post_init__(self) -> None:
        processes, parts = self.run.processes, self.learner.num_minibatches
        check_division("--num-envs", self.run.num_envs, processes)
        rows = self.run.num_envs // processes
        of_each = f" of each of {processes} processes" if processes > 1 else ""
        check(
            self.learner.algorithm == "a2c" or parts <= rows,
            f"--num-minibatches {parts} is more than the {rows} environments (--num-envs){of_each}, but a minibatch is "
            "made of whole environments; lower it",
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON-able form that `from_json` reads."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: Any) -> TrainConfig:
        """Read what `to_json` gave.

        Raises:
            ConfigError: a key is unknown, a section is missing, or a value is of the wrong kind.
            UsageError: a value is out of range.
        """
        keys = {"format", *(one.name for one in dataclasses.fields(cls))}
        check_keys(data, keys, "the file", required=keys)
        task, environment = read_task(data)
        return cls(
            task=task,
            preset=str(data["preset"]),
            environment=environment,
            run=read_section(RunConfig, data["run"], "run"),
            learner=read_section(LearnerConfig, data["learner"], "learner"),
            model=read_section(ModelConfig, data["model"], "model"),
        )


def read_task(data: Any) -> tuple[str, TaskOptions]:
    """Task and environment alone, which is all that an evaluation needs: other sections may be of another version.

    Args:
        data: what `TrainConfig.to_json` gave.

    Raises:
        ConfigError: a key is missing or a value is of the wrong kind.
    """
    if not isinstance(data, dict) or not {"format", "task", "environment"} <= set(data):
        raise ConfigError("it is no JSON object with format, task and environment")
    if data["format"] != FORMAT:
        raise ConfigError(f"its format is {data['format']!r}, but this version of rlmem reads format {FORMAT}")
    if data["task"] not in TASKS:
        raise ConfigError(f"its task is {data['task']!r}, but this version of rlmem knows {', '.join(TASKS)}")
    return data["task"], read_section(TASKS[data["task"]].options, data["environment"], "environment")


def read_section(cls: Any, data: Any, section: str) -> Any:
    """An instance of a dataclass of plain values from a JSON object.

    A field that the object lacks takes the dataclass's default: the file is of a time before that field. So the default
    of a new field must compute what was computed before there was the field.

    Args:
        cls: the dataclass.
        data: its fields by name.
        section: where they stand, for messages.

    Raises:
        ConfigError: a key is unknown, or missing and without a default, or a value is of the wrong kind.
        UsageError: a value is out of range.
    """
    fields = dataclasses.fields(cls)
    required = {one.name for one in fields if one.default is MISSING and one.default_factory is MISSING}
    check_keys(data, {one.name for one in fields}, f"section {section!r}", required=required)
    for name, hint in get_type_hints(cls).items():
        if name in data and not _is_of_kind(data[name], hint):
            raise ConfigError(f"{section}.{name} is {data[name]!r}, which is no {getattr(hint, '__name__', hint)}")
    return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})


def check_keys(data: Any, known: set[str], where: str, *, required: set[str]) -> None:
    """Refuse a JSON object with keys that are unknown or missing.

    Args:
        data: what was read.
        known: its possible keys.
        where: it stands, for messages.
        required: keys that it must have.

    Raises:
        ConfigError: it is no object, or has other keys.
    """
    """Refuse what is no JSON object, has other keys than the known ones, or lacks a required one.

    Args:
        data: what was read.
        known: keys that it may have.
        where: it stands, for messages.
        required: keys that it must have.

    Raises:
        ConfigError: it is so.
    """
    if not isinstance(data, dict):
        raise ConfigError(f"{where} is no JSON object")
    for problem, names in (("lacks", required - set(data)), ("has the unknown", set(data) - known)):
        if names:
            raise ConfigError(f"{where} {problem} {', '.join(sorted(names))}")


def _is_of_kind(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return any(_is_of_kind(value, one) for one in get_args(hint))
    if get_origin(hint) is tuple:  # of any length, a list in JSON
        return isinstance(value, list) and all(_is_of_kind(one, get_args(hint)[0]) for one in value)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return value is None if hint is NoneType else type(value) is hint
