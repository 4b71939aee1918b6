"""The training loop of any run, and what surrounds it: the lock, signals, errors, the last words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rlmem.agents.learner import DivergedError
from rlmem.agents.ranks import ALONE, RankLostError, Ranks
from rlmem.envs.workers import EnvironmentFailedError
from rlmem.experiments.interruption import Interruption
from rlmem.experiments.processes import launch
from rlmem.experiments.run_directory import RunFolder
from rlmem.experiments.run_in_progress import RunInProgress
from rlmem.experiments.turns import Turns


def run_to_the_end(
    directory: RunFolder[Any],
    checkpoint: Path | None,
    begin: Callable[[], RunInProgress[Any]],
    resume: Callable[[Path], RunInProgress[Any]],
    *,
    quiet: bool,
    ranks: Ranks = ALONE,
) -> int:
    """Train a new run, or one from a checkpoint, until it is done or interrupted.

    Args:
        directory: of the run.
        checkpoint: where to go on; None begins.
        begin: makes a new run.
        resume: takes a run up at a checkpoint.
        quiet: say nothing of a run that is done.
        ranks: that train together, of which this is the first.

    Returns:
        The exit code: 0, or 130 and 143 after a signal.
    """
    with directory.locked(), Interruption(ranks) as interruption:
        run = begin() if checkpoint is None else _resumed(directory, checkpoint, resume)
        try:
            loop(run, interruption)
        except (DivergedError, EnvironmentFailedError, RankLostError) as error:
            raise type(error)(f"{error}; {_last_checkpoint(directory)}") from error
        finally:
            run.close()
    if not run.is_finished:
        print(f"stopped at step {run.step:,} and saved; go on with: {launch(ranks.size)} resume {directory.path}")
        return interruption.exit_code
    if not quiet:
        shown = run.shown
        print(f"done: {run.step:,} {shown.unit} in {directory.path}; try: {shown.evaluate} {directory.path}")
    return 0


def loop(run: Turns, interruption: Interruption) -> None:
    """The training loop; saves at its end, whatever ended it."""
    while not run.is_finished and not interruption.is_agreed():
        metrics = run.iterate()
        metrics |= run.evaluate_if_due()
        run.record(metrics)
        run.save_if_due()
    run.save()


def _resumed(
    directory: RunFolder[Any], checkpoint: Path, resume: Callable[[Path], RunInProgress[Any]]
) -> RunInProgress[Any]:
    run = resume(checkpoint)
    for name in directory.checkpoints.set_aside_after(checkpoint):
        print(f"set a later checkpoint aside as {directory.checkpoints.folder / name}")
    return run


def _last_checkpoint(directory: RunFolder[Any]) -> str:
    steps = directory.checkpoints.steps()
    if not steps:
        return "there is no checkpoint yet"
    return f"the last good checkpoint is {directory.checkpoints.folder / f'step_{steps[-1]}'}"
