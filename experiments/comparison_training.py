"""The training of a comparison: which runs are left, where they run, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rlmem.experiments.comparison_folder import ComparisonFolder, read_evaluation
from rlmem.experiments.comparison_jobs import Jobs, LocalProcess, Process, run_jobs, worker_command
from rlmem.experiments.comparison_plan import PlannedRun
from rlmem.experiments.comparison_progress import ComparisonProgress
from rlmem.experiments.interruption import Interruption
from rlmem.experiments.ray_cluster import joined_cluster
from rlmem.experiments.ray_processes import ray_start


@dataclass(frozen=True)
class Work:
    """How the runs are to be done.

    Args:
        episodes: of each run's evaluation.
        evaluation_seed: the episodes' seeds are drawn from this one.
        jobs: processes at once; None: one, or as many as have room on the cluster.
        retries: how often a run whose process was lost goes on from its last checkpoint.
        cluster: address of a Ray cluster, or None for processes of this machine.
        quiet: show no progress.
    """

    episodes: int
    evaluation_seed: int
    jobs: int | None
    retries: int
    cluster: str | None
    quiet: bool


@dataclass(frozen=True)
class Training:
    """How it ended.

    Args:
        errors: of the runs that failed, by name.
        unfinished: names of the runs that were stopped or not begun because a signal came.
        exit_code: 130 or 143 after a signal.
    """

    errors: Mapping[str, str]
    unfinished: Sequence[str]
    exit_code: int


def train_runs(folder: ComparisonFolder, runs: Sequence[PlannedRun], work: Work) -> Training:
    """Train and evaluate what is left of the runs.

    Args:
        folder: of the comparison.
        runs: all of them.
        work: how.
    """
    done = [run.name for run in runs if is_done(folder, run, work)]
    left = [run.name for run in runs if run.name not in done]
    endings, exit_code = {}, 0
    if left:
        with (
            _jobs(folder, runs[0], work) as jobs,
            Interruption() as interruption,
            ComparisonProgress(folder, runs, done, quiet=work.quiet) as progress,
        ):
            endings = run_jobs(left, jobs, interruption, progress)
        exit_code = interruption.exit_code
    errors = {name: ending.error for name, ending in endings.items() if ending.error is not None}
    names = [run.name for run in runs if not is_done(folder, run, work) and run.name not in errors]
    return Training(errors, names, exit_code)


def is_done(folder: ComparisonFolder, run: PlannedRun, work: Work) -> bool:
    """True when the run is trained and its last checkpoint evaluated as asked."""
    asked = {
        "checkpoint": f"step_{folder.saved_steps(run)}", "episodes": work.episodes, "seed": work.evaluation_seed
    }  # fmt: skip
    return folder.is_trained(run) and read_evaluation(folder.path / run.name, asked) is not None


@contextmanager
def _jobs(folder: ComparisonFolder, run: PlannedRun, work: Work) -> Iterator[Jobs]:
    """How the runs are done; `run` is one of them."""
    threads, gpus = run.config.run.num_threads or 1, int(run.config.run.device == "cuda")

    def command(name: str) -> list[str]:
        return worker_command(folder.path, name, work.episodes, work.evaluation_seed)

    def start(name: str) -> Process:
        return LocalProcess(command(name), folder.log(name), threads)

    if work.cluster is None:
        yield Jobs(start, folder.log, work.jobs or 1, work.retries)
        return
    with joined_cluster(work.cluster, folder.path, threads, gpus) as cluster:
        if not work.quiet:
            print(cluster.summary)
        ray = ray_start(cluster, command, folder.log, threads, gpus)
        yield Jobs(ray, folder.log, work.jobs or cluster.places, work.retries)
