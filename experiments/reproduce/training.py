"""The training of an artefact's language models: first those whose L is known, then those that depend on them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rlmem.experiments.comparison_jobs import Jobs, LocalProcess, Process, run_jobs
from rlmem.experiments.interruption import Interruption
from rlmem.experiments.reproduce.plan import Plan
from rlmem.experiments.reproduce.planned_model import REFERENCE, ModelRun, PlannedModel
from rlmem.experiments.reproduce.progress import RunProgress
from rlmem.experiments.reproduce.run_state import check_same_run, is_done

StartRun = Callable[[ModelRun, Path], Process]
"""Starts the process of a run that prints to a file."""


@dataclass(frozen=True)
class Work:
    """How the runs are done.

    Args:
        jobs: processes at once.
        logs: folder of what they print.
        quiet: show no progress.
        start: starts one.
    """

    jobs: int
    logs: Path
    quiet: bool
    start: StartRun

    def log(self, key: str) -> Path:
        """Where a run's processes print to."""
        return self.logs / f"{key}.log"


@dataclass
class Training:
    """How it went.

    Args:
        errors: why runs failed, by key.
        exit_code: 130 or 143 after a signal, else 0.
    """

    errors: dict[str, str] = field(default_factory=dict)
    exit_code: int = 0


def start_process(threads: int) -> StartRun:
    """Starts runs as processes of this machine, each with so many threads."""

    def start(run: ModelRun, log: Path) -> Process:
        words = [sys.executable, "-m", "rlmem.experiments.reproduce.worker", str(run.path), *run.words]
        return LocalProcess(words, log, threads)

    return start


def threads_for(jobs: int) -> int:
    """Threads of each of so many processes at once: the cores divided, or what OMP_NUM_THREADS asks for."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(given) if given.isdecimal() and int(given) else max(1, cores // jobs)


def train_models(plan: Plan, work: Work) -> Training:
    """Train and evaluate what is left of a plan's runs; one that fails does not stop the others.

    Args:
        plan: the runs.
        work: how.

    Raises:
        UsageError: the folder of a run whose L was not known before holds another run.
    """
    training = Training()
    work.logs.mkdir(parents=True, exist_ok=True)
    with Interruption() as interruption:
        for stage in (plan.independent, plan.dependent):
            if not interruption.is_requested:
                training.errors.update(_train_stage(plan, stage, work, interruption))
        training.exit_code = interruption.exit_code
    if not training.exit_code:
        done = {run.model.key for run in plan.done()}
        for model in plan.models:
            if model.key not in done:
                training.errors.setdefault(model.key, "its process ended before it was done")
    return training


def _train_stage(plan: Plan, stage: Sequence[PlannedModel], work: Work, interruption: Interruption) -> dict[str, str]:
    """Train some of a plan's runs; returns why runs failed, by key."""
    errors, left = {}, {}
    for model in stage:
        run = plan.run(model)
        if run is None:
            errors[model.key] = f"its L depends on the average memory of {REFERENCE}, which is not done"
        elif not is_done(run):
            check_same_run(run)
            left[model.key] = run

    def start(key: str) -> Process:
        return work.start(left[key], work.log(key))

    progress = RunProgress(left, len(plan.done()), len(plan.models), quiet=work.quiet)
    endings = run_jobs(list(left), Jobs(start, work.log, work.jobs), interruption, progress)
    return errors | {key: ending.error for key, ending in endings.items() if ending.error is not None}
