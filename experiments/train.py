"""`rlmem train TASK` and `rlmem resume RUN`: the training loop, and what surrounds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from rlmem.agents.learner import DivergedError
from rlmem.envs.workers import EnvironmentFailedError
from rlmem.errors import UsageError
from rlmem.experiments.arguments import RunArgument, Switch, TrainArguments, parse, parse_train
from rlmem.experiments.device import choose_device
from rlmem.experiments.dry_run import print_dry_run
from rlmem.experiments.interruption import Interruption
from rlmem.experiments.run_directory import RunDirectory, experiment_name, find_run, is_pretrained
from rlmem.experiments.train_config import TrainConfig
from rlmem.experiments.training_run import TrainingRun, make_policy


@dataclass(frozen=True)
class ResumeArguments:
    """Go on with a run that was stopped, to the bit as if it had not been."""

    run: RunArgument
    """Folder or name of the run."""
    checkpoint: str | None = None
    """Name of the checkpoint to go back to, such as step_64000; the newest if not given."""
    total_timesteps: int | None = None
    """New length of the run, in environment steps; an annealed learning rate goes on from its share of that length."""
    output: str = "runs"
    """Folder of all runs."""
    quiet: Switch = False
    """Print nothing while training."""


def train(argv: Sequence[str]) -> int:
    """Run `rlmem train`; returns the exit code."""
    arguments = parse_train(argv)
    if arguments.dry_run:
        print_dry_run(resolve(arguments.config))
        return 0
    directory = create_run(arguments, experiment_name(arguments.config))
    return train_to_the_end(directory, None, quiet=arguments.quiet)


def resume(argv: Sequence[str]) -> int:
    """Run `rlmem resume`; returns the exit code."""
    arguments = parse(ResumeArguments, argv, "resume")
    path = find_run(arguments.run, Path(arguments.output))
    if is_pretrained(path):
        raise UsageError(f"{path} holds weights alone, which cannot be trained further; try rlmem eval {arguments.run}")
    directory = RunDirectory(path)
    resolve(directory.config)
    checkpoint = directory.checkpoints.choose(arguments.checkpoint, f"rlmem resume {path}")
    extend(directory, arguments.total_timesteps)
    return train_to_the_end(directory, checkpoint, quiet=arguments.quiet)


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
    with directory.locked(), Interruption() as interruption:
        run = TrainingRun.begin(directory, quiet=quiet) if checkpoint is None else _resume(directory, checkpoint, quiet)
        try:
            loop(run, interruption)
        except (DivergedError, EnvironmentFailedError) as error:
            raise type(error)(f"{error}; {_last_checkpoint(directory)}") from error
        finally:
            run.close()
    if not run.trainer.is_finished:
        print(f"stopped at step {run.trainer.timesteps:,} and saved; go on with: rlmem resume {directory.path}")
        return interruption.exit_code
    if not quiet:
        print(f"done: {run.trainer.timesteps:,} steps in {directory.path}; try: rlmem eval {directory.path}")
    return 0


def loop(run: TrainingRun, interruption: Interruption) -> None:
    """The training loop; saves at its end, whatever ended it."""
    while not run.trainer.is_finished and not interruption.is_requested:
        metrics = run.trainer.iterate()
        metrics |= run.evaluate_if_due()
        run.record(metrics)
        run.save_if_due()
    run.save()


def resolve(config: TrainConfig) -> TrainConfig:
    """The configuration with device and threads decided, so that another machine can repeat it.

    Raises:
        UsageError: there is no such device here.
    """
    threads = config.run.num_threads or torch.get_num_threads()
    return replace(config, run=replace(config.run, device=choose_device(config.run.device), num_threads=threads))


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


def _resume(directory: RunDirectory, checkpoint: Path, quiet: bool) -> TrainingRun:
    run = TrainingRun.resume(directory, checkpoint, quiet=quiet)
    for name in directory.checkpoints.set_aside_after(checkpoint):
        print(f"set a later checkpoint aside as {directory.checkpoints.folder / name}")
    return run


def _last_checkpoint(directory: RunDirectory) -> str:
    steps = directory.checkpoints.steps()
    if not steps:
        return "there is no checkpoint yet"
    return f"the last good checkpoint is {directory.checkpoints.folder / f'step_{steps[-1]}'}"
