"""`rlmem train TASK`, and going on with an agent's run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rlmem.agents.ranks import ALONE, Ranks
from rlmem.errors import UsageError
from rlmem.experiments.arguments import TrainArguments, parse_train
from rlmem.experiments.device import decide_machine
from rlmem.experiments.dry_run import print_dry_run
from rlmem.experiments.processes import check_same_number, launch
from rlmem.experiments.run_directory import RunDirectory, experiment_name
from rlmem.experiments.train_config import TrainConfig
from rlmem.experiments.training_loop import run_to_the_end
from rlmem.experiments.training_run import TrainingRun, make_policy


def train(argv: Sequence[str], ranks: Ranks = ALONE) -> int:
    """Run `rlmem train`, as the first of the ranks; returns the exit code."""
    arguments = parse_train(argv)
    if arguments.dry_run:
        print_dry_run(resolve(arguments.config, ranks))
        return 0
    directory = create_run(arguments, experiment_name(arguments.config), ranks)
    return train_to_the_end(directory, None, ranks, quiet=arguments.quiet)


def resume_agent(
    path: Path, checkpoint: str | None, total_timesteps: int | None, ranks: Ranks = ALONE, *, quiet: bool
) -> int:
    """Go on with an agent's run.

    Args:
        path: of the run.
        checkpoint: name of the one to go back to; None takes the newest.
        total_timesteps: new length of the run, or None.
        ranks: that train together, of which this is the first.
        quiet: show no progress.

    Returns:
        The exit code.
    """
    directory = RunDirectory(path)
    check_same_number(path, directory.config.run.processes, ranks.size)
    resolve(directory.config, ranks)
    chosen = directory.checkpoints.choose(checkpoint, f"{launch(ranks.size)} resume {path}")
    extend(directory, total_timesteps)
    return train_to_the_end(directory, chosen, ranks, quiet=quiet)


def create_run(arguments: TrainArguments, experiment: str, ranks: Ranks = ALONE) -> RunDirectory:
    """Make a new run's folder, after everything about its configuration was found possible."""
    config = resolve(arguments.config, ranks)
    make_policy(config)  # refuses environments that cannot be made, and spaces that nothing serves
    return RunDirectory.create(config, Path(arguments.output), experiment, arguments.name)


def train_to_the_end(directory: RunDirectory, checkpoint: Path | None, ranks: Ranks = ALONE, *, quiet: bool) -> int:
    """Train a new run, or one from a checkpoint, until it is done or interrupted.

    Args:
        directory: of the run.
        checkpoint: where to go on; None begins.
        ranks: that train together, of which this is the first.
        quiet: show no progress.

    Returns:
        The exit code: 0, or 130 and 143 after a signal.
    """
    return run_to_the_end(
        directory,
        checkpoint,
        lambda: TrainingRun.begin(directory, ranks, quiet=quiet),
        lambda chosen: TrainingRun.resume(directory, chosen, ranks, quiet=quiet),
        quiet=quiet,
        ranks=ranks,
    )


def resolve(config: TrainConfig, ranks: Ranks = ALONE) -> TrainConfig:
    """The configuration with device, threads and processes decided, so that another machine can repeat it.

    Raises:
        UsageError: there is no such device here, or the environments cannot be divided among the ranks.
    """
    return replace(config, run=decide_machine(config.run, ranks))


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
