"""`rlmem train TASK`, and going on with an agent's run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rlmem.errors import UsageError
from rlmem.experiments.arguments import TrainArguments, parse_train
from rlmem.experiments.device import decide_machine
from rlmem.experiments.dry_run import print_dry_run
from rlmem.experiments.run_directory import RunDirectory, experiment_name
from rlmem.experiments.train_config import TrainConfig
from rlmem.experiments.training_loop import run_to_the_end
from rlmem.experiments.training_run import TrainingRun, make_policy


def train(argv: Sequence[str]) -> int:
    """Run `rlmem train`; returns the exit code."""
    arguments = parse_train(argv)
    if arguments.dry_run:
        print_dry_run(resolve(arguments.config))
        return 0
    directory = create_run(arguments, experiment_name(arguments.config))
    return train_to_the_end(directory, None, quiet=arguments.quiet)


def resume_agent(path: Path, checkpoint: str | None, total_timesteps: int | None, *, quiet: bool) -> int:
    """Go on with an agent's run.

    Args:
        path: of the run.
        checkpoint: name of the one to go back to; None takes the newest.
        total_timesteps: new length of the run, or None.
        quiet: show no progress.

    Returns:
        The exit code.
    """
    directory = RunDirectory(path)
    resolve(directory.config)
    chosen = directory.checkpoints.choose(checkpoint, f"rlmem resume {path}")
    extend(directory, total_timesteps)
    return train_to_the_end(directory, chosen, quiet=quiet)


def create_run(arguments: TrainArguments, experiment: str) -> RunDirectory:
    """Make a new run's folder, after everything about its configuration was found possible."""
    config = resolve(arguments.config)
    make_policy(config)  # refuses environments that cannot be made, and spaces that nothing serves
    return RunDirectory.create(config, Path(arguments.output), experiment, arguments.name)


def train_to_the_end(directory: RunDirectory, checkpoint: Path | None, *, quiet: bool) -> int:
    """Train a new run, or one from a checkpoint, until it is done or interrupted.

    Args:
        directory: of the run.
        checkpoint: where to go on; None begins.
        quiet: show no progress.

    Returns:
        The exit code: 0, or 130 and 143 after a signal.
    """
    return run_to_the_end(
        directory,
        checkpoint,
        lambda: TrainingRun.begin(directory, quiet=quiet),
        lambda chosen: TrainingRun.resume(directory, chosen, quiet=quiet),
        quiet=quiet,
    )


def resolve(config: TrainConfig) -> TrainConfig:
    """The configuration with device and threads decided, so that another machine can repeat it.

    Raises:
        UsageError: there is no such device here.
    """
    return replace(config, run=decide_machine(config.run))


def extend(directory: RunDirectory, total_timesteps: int | None) -> None:
    """Give a run another length.

    Raises:
        UsageError: it is shorter than what has been done.
    """
    if total_timesteps is None:
        return
    done = directory.checkpoints.steps()[-1]
    if total_timesteps < done:
        raise UsageError(f"--total-timesteps {total_timesteps} is less than the {done} steps that the run has done")
    config = directory.config
    directory.rewrite_config(replace(config, run=replace(config.run, total_timesteps=total_timesteps)))
