"""One language model of a figure or table: what is trained, as the exact words of `rlmem lm train`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rlmem.errors import UsageError
from rlmem.experiments.lm.tasks import LANGUAGE_TASKS
from rlmem.experiments.lm.train_command import parse_language_train
from rlmem.experiments.lm.train_config import LanguageTrainConfig
from rlmem.model_config import MemoryKind

Scale = Literal["small", "paper"]

_OWN_FLAGS = ("--preset", "--memory", "--max-span", "--seed", "--data", "--name", "--output", "--quiet", "--dry-run")


@dataclass(frozen=True)
class EqualMemory:
    """The L at which a Transformer-XL's average memory is a multiple of what the reference run turned out to have.

    Args:
        times: 1 for equal memory.
    """

    times: int


@dataclass(frozen=True)
class PlannedModel:
    """A language model to be trained.

    Args:
        task: a name of `LANGUAGE_TASKS`.
        kind: of memory.
        span: L in steps, or what it is derived from; None: the preset's.
        seed: of the run.
        flags: further words of `rlmem lm train`.
        label: names those flags in the run's name.
        counterpart: the paper's row that it stands beside, or None.
    """

    task: str
    kind: MemoryKind
    span: int | EqualMemory | None = None
    seed: int = 1
    flags: tuple[str, ...] = ()
    label: str = ""
    counterpart: str | None = None

    @property
    def name(self) -> str:
        """Unlike any other of the same task and scale, and the same in all artefacts, which so share runs."""
        size = "" if self.span is None else f"-L{self.span}"
        if isinstance(self.span, EqualMemory):
            size = f"-x{self.span.times}"
        return f"{self.kind}{size}{f'-{self.label}' if self.label else ''}-s{self.seed}"

    @property
    def key(self) -> str:
        """The name with its task."""
        return f"{self.task}-{self.name}"


REFERENCE = PlannedModel("", "expire_span").name
"""The run of each task whose average memory `EqualMemory` refers to: Expire-Span at the preset's L, seed 1."""


@dataclass(frozen=True)
class Settings:
    """What holds for all runs of a command.

    Args:
        scale: the preset.
        output: folder of all runs.
        data: where a text task's text lies, by task; empty for none.
        flags: further words of `rlmem lm train`, as typed.
    """

    scale: Scale
    output: str
    data: dict[str, str]
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for word in self.flags:
            name = word.partition("=")[0].replace("_", "-")
            if name in _OWN_FLAGS:
                raise UsageError(
                    f"{name} after -- would hold for every run, but rlmem reproduce sets it itself; leave it out"
                    + (", or give --data before the --" if name == "--data" else "")
                )


@dataclass(frozen=True)
class ModelRun:
    """A run whose L is known.

    Args:
        model: what was planned.
        words: of the command that trains it, after `rlmem`.
        config: what they mean.
        path: of its folder.
    """

    model: PlannedModel
    words: tuple[str, ...]
    config: LanguageTrainConfig
    path: Path


def make_run(model: PlannedModel, settings: Settings, span: int | None = None) -> ModelRun:
    """The run of a planned model.

    Args:
        model: what is planned.
        settings: of the command.
        span: L, where it is an `EqualMemory`.
    """
    words = train_words(model, settings, model.span if not isinstance(model.span, EqualMemory) else span)
    config = parse_language_train(words[2:]).config
    return ModelRun(model, tuple(words), config, run_path(model, settings))


def run_path(model: PlannedModel, settings: Settings) -> Path:
    """The folder that `rlmem lm train` makes for a planned model."""
    return Path(settings.output) / model.task / _run_name(model, settings)


def train_words(model: PlannedModel, settings: Settings, span: int | str | None) -> list[str]:
    """The words after `rlmem` that train a planned model.

    Args:
        model: what is planned.
        settings: of the command.
        span: L, or a word for it; None: the preset's.
    """
    words = ["lm", "train", model.task, "--preset", settings.scale, "--memory", model.kind]
    words += [] if span is None else ["--max-span", str(span)]
    words += ["--seed", str(model.seed), *model.flags]
    if settings.data.get(model.task):
        words += ["--data", settings.data[model.task]]
    return [*words, *settings.flags, "--name", _run_name(model, settings), "--output", settings.output]


def described_span(span: int | EqualMemory | None) -> int | str | None:
    """L for a command that cannot be run yet."""
    if not isinstance(span, EqualMemory):
        return span
    return f"<for {'' if span.times == 1 else f'{span.times} x '}the average memory of {REFERENCE}>"


def evaluate_words(path: Path) -> list[str]:
    """The words after `rlmem` that evaluate a trained run."""
    return ["lm", "eval", str(path), "--split", "test", "--json"]


def is_text(task: str) -> bool:
    """True for a task that reads text from disk."""
    return LANGUAGE_TASKS[task].whole is not None


def text_tasks(models: Sequence[PlannedModel]) -> list[str]:
    """The tasks among them that read text, each once."""
    return [task for task in dict.fromkeys(model.task for model in models) if is_text(task)]


def _run_name(model: PlannedModel, settings: Settings) -> str:
    return f"reproduce-{settings.scale}-{model.name}"
