"""From the words after `rlmem COMMAND` to typed arguments; usage errors end with exit code 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import tyro

from rlmem.errors import UsageError
from rlmem.experiments.presets import PRESETS, find_preset
from rlmem.experiments.tasks import GYMNASIUM, TASKS
from rlmem.experiments.train_config import TrainConfig

RunArgument = tyro.conf.Positional[str]
"""A run: see `find_run`."""
Switch = tyro.conf.FlagCreatePairsOff[bool]
"""A flag that is off unless given; it has no --no- form."""


@dataclass(frozen=True)
class TrainArguments:
    """The flags of `rlmem train TASK`."""

    config: TrainConfig
    """The run."""
    output: str = "runs"
    """Folder of all runs."""
    name: str | None = None
    """Name of the run; by default one from memory kind, seed and time."""
    quiet: Switch = False
    """Print nothing while training."""
    dry_run: Switch = False
    """Print configuration, parameter count and predicted memory, and do nothing."""


Arguments = TypeVar("Arguments")
Trained = TypeVar("Trained", bound=TrainArguments)


def parse(cls: type[Arguments], argv: Sequence[str], command: str, default: Arguments | None = None) -> Arguments:
    """Read arguments into a dataclass; prints help and exits with 0 for --help, exits with 2 for wrong usage.

    Args:
        cls: a dataclass whose fields are the flags.
        argv: the words after the command.
        command: for the usage line, of `rlmem`, or `python -m MODULE`.
        default: where the flags' defaults come from, if not from the class.
    """
    markers = (tyro.conf.OmitArgPrefixes,)  # nested sections share one flat list of flags
    program = command if command.startswith("python ") else f"rlmem {command}"
    if default is None:
        return tyro.cli(cls, args=list(argv), prog=program, config=markers)
    return tyro.cli(cls, args=list(argv), prog=program, config=markers, default=default)


def parse_train(argv: Sequence[str]) -> TrainArguments:
    """Read `TASK [--preset NAME] [flags]`: the preset gives the defaults, the flags override them.

    Without a task, `--env-id` names an environment to play.

    Raises:
        UsageError: no such task or preset.
    """
    task, *rest = argv if argv and not argv[0].startswith("-") else ("", *argv)
    if not task and value_of(argv, "--env-id") is not None:
        task = GYMNASIUM
    if not task:
        if {"-h", "--help"} & set(rest):
            print_tasks()
            raise SystemExit(0)
        raise UsageError(f"rlmem train needs a task first, such as rlmem train {next(iter(TASKS))}, or --env-id ID")
    if task == GYMNASIUM and not value_of(rest, "--env-id") and not {"-h", "--help"} & set(rest):
        raise UsageError("--env-id is missing: name a Gymnasium environment, such as --env-id CartPole-v1")
    config = find_preset(task, value_of(rest, "--preset"))
    arguments = parse(TrainArguments, rest, f"train {task}", TrainArguments(config))
    return with_position_reach(arguments, rest)


def with_position_reach(arguments: Trained, argv: Sequence[str]) -> Trained:
    """Let --position-reach follow --num-steps unless it was given itself."""
    config = arguments.config
    if value_of(argv, "--num-steps") is None or value_of(argv, "--position-reach") is not None:
        return arguments
    model = replace(config.model, position_reach=config.learner.num_steps)
    return replace(arguments, config=replace(config, model=model))


def print_tasks() -> None:
    """Print the tasks and their presets."""
    print("usage: rlmem train TASK [--preset NAME] [OPTIONS]\n\nTrain an agent on a task.\n\ntasks:")
    for name, task in TASKS.items():
        print(f"  {name:<12} {task.summary}; presets: {', '.join(PRESETS[name])}")
    print("\nrlmem train TASK --help lists a task's flags and their defaults.")


def value_of(argv: Sequence[str], flag: str) -> str | None:
    """The value that a flag was given, in any spelling that tyro accepts; the last one counts."""
    value = None
    for position, word in enumerate(argv):
        name, is_joined, joined = word.partition("=")
        if name.replace("_", "-") == flag:
            value = joined if is_joined else "".join(argv[position + 1 : position + 2])
    return value
