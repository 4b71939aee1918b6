"""`rlmem compare TASK`: train kinds of memory on a task and draw score against average memory."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import tyro

from rlmem.errors import UsageError, check, flag
from rlmem.experiments.arguments import Switch, parse, parse_train
from rlmem.experiments.comparison_files import check_out, draw_again, write_comparison
from rlmem.experiments.comparison_folder import ComparisonFolder
from rlmem.experiments.comparison_plan import KINDS, PlannedRun, plan_runs, read_variant
from rlmem.experiments.comparison_results import make_comparison
from rlmem.experiments.comparison_score import score_of
from rlmem.experiments.comparison_table import comparison_table
from rlmem.experiments.comparison_training import Work, train_runs
from rlmem.experiments.presets import find_preset
from rlmem.experiments.run_directory import lock_folder
from rlmem.experiments.tasks import TASKS
from rlmem.experiments.train import resolve
from rlmem.experiments.train_config import TrainConfig

_OWN_FLAGS = {
    "--memory": "--kinds",
    "--max-span": "sizes in --kinds",
    "--seed": "--seeds",
    "--preset": "--preset before the --",
    "--total-timesteps": "--total-timesteps before the --",
    "--name": "--name before the --",
    "--output": "--output before the --",
    "--quiet": "--quiet before the --",
    "--dry-run": "--dry-run before the --",
}
"""Flags of `rlmem train` that a comparison sets itself, and what to give instead."""


@dataclass(frozen=True)
class CompareArguments:
    """Train kinds of memory on one task, with the same preset, and draw score against average memory. Started again, it
    goes on where it was stopped. What follows a bare -- are flags of `rlmem train` for every run."""

    task: tyro.conf.Positional[str]
    """What is played: corridor, portal; gymnasium with -- --env-id ID."""
    kinds: tuple[str, ...] = KINDS
    """Kinds of memory, each KIND[:SIZES][@SEEDS], such as expire_span or transformer_xl:5,10,20@1. SIZES are values of
    L; without them the preset's. SEEDS are the kind's own; without them those of --seeds."""
    seeds: tuple[int, ...] = (1, 2, 3)
    """Seeds of kinds without seeds of their own."""
    preset: str | None = None
    """Where all other values come from; the task's own preset if not given."""
    total_timesteps: int | None = None
    """Length of each run, in environment steps; the preset's if not given."""
    jobs: int | None = None
    """Runs at once, each a process with one thread; if not given one, or as many as have room on the cluster."""
    cluster: str | None = None
    """Train on Ray: HOST:PORT of a cluster's head, auto for the cluster of this machine, or local for a Ray of its own.
    All its machines must see the folder of runs under the same path."""
    retries: int = 2
    """How often a run whose process was killed, or whose machine was lost, goes on from its last checkpoint."""
    episodes: int = 500
    """Evaluation episodes of each run, the same for all."""
    evaluation_seed: int = 0
    """The episodes' seeds are drawn from this one."""
    threshold: float | None = None
    """Of the score, for the column of steps to it; 0.9 for success, none for other scores if not given."""
    match_parameters: bool = True
    """Give LSTM and GRU the width at which they have as many parameters as the Transformer."""
    name: str | None = None
    """Folder of the runs; the last part of --out if not given."""
    out: str | None = None
    """Folder for comparison.json, comparison.png and TABLE.md; the folder of the runs if not given."""
    output: str = "runs"
    """Folder of all runs."""
    log_x: Switch = False
    """Draw average memory on a logarithmic axis."""
    pdf: Switch = False
    """Write comparison.pdf too."""
    figure_only: Switch = False
    """Draw the figure again from comparison.json, and do nothing else."""
    quiet: Switch = False
    """Print nothing but failures."""
    dry_run: Switch = False
    """List the runs and what is left of them, and do nothing."""

    def __post_init__(self) -> None:
        check(self.jobs is None or self.jobs >= 1, f"--jobs is {self.jobs}, but it must be at least 1")
        check(self.episodes >= 1, f"--episodes is {self.episodes}, but it must be at least 1")
        for name in ("retries", "evaluation_seed"):
            check(getattr(self, name) >= 0, f"{flag(name)} is {getattr(self, name)}, but it cannot be negative")
        negative = [seed for seed in self.seeds if seed < 0]
        check(not negative, f"--seeds holds {negative}, but a seed cannot be negative")
        check(bool(self.kinds), f"--kinds names no kind; choose from {', '.join(KINDS)}")
        check(
            self.threshold is None or math.isfinite(self.threshold),
            f"--threshold is {self.threshold}, but it must be a finite number",
        )

    @property
    def folder(self) -> Path:
        """Of the runs."""
        given = self.name or (Path(self.out).resolve().name if self.out else f"{self.task}-comparison")
        return Path(self.output) / given

    @property
    def out_folder(self) -> Path:
        """Of the results."""
        return Path(self.out) if self.out else self.folder


def run(argv: Sequence[str]) -> int:
    """Run `rlmem compare`; returns the exit code."""
    words, flags = _split(argv)
    if not words or (words[0].startswith("-") and not {"-h", "--help"} & set(words)):
        raise UsageError(f"rlmem compare needs a task first, such as rlmem compare {next(iter(TASKS))}")
    arguments = parse(CompareArguments, words, "compare")
    find_preset(arguments.task, arguments.preset)  # refuses a task or preset that is not there
    if arguments.figure_only:
        draw_again(arguments.out_folder, arguments.task, log_x=arguments.log_x, pdf=arguments.pdf)
        return 0
    base = base_config(arguments, flags)
    variants = [read_variant(text) for text in arguments.kinds]
    runs = plan_runs(base, variants, arguments.seeds, match_parameters=arguments.match_parameters)
    folder = ComparisonFolder(arguments.folder)
    folder.check_fits(runs)
    check_out(arguments.out_folder, runs, base)
    if arguments.dry_run:
        _print_plan(folder, runs)
        return 0
    folder.create_path()
    with lock_folder(folder.path):
        return _compare(arguments, flags, base, folder, runs, shlex.join(["rlmem", "compare", *argv]))


def base_config(arguments: CompareArguments, flags: Sequence[str]) -> TrainConfig:
    """What all runs share, with device and threads decided.

    Args:
        arguments: of the comparison.
        flags: of `rlmem train`, for every run.

    Raises:
        UsageError: a flag is one that the comparison sets itself.
    """
    for word in flags:
        name = word.partition("=")[0].replace("_", "-")
        if name in _OWN_FLAGS:
            raise UsageError(
                f"{name} after -- would hold for every run, but runs differ in it; give {_OWN_FLAGS[name]}"
            )
    words = [arguments.task]
    if arguments.preset is not None:
        words += ["--preset", arguments.preset]
    if arguments.total_timesteps is not None:
        words += ["--total-timesteps", str(arguments.total_timesteps)]
    config = parse_train([*words, *flags]).config
    return resolve(replace(config, run=replace(config.run, num_threads=config.run.num_threads or 1)))


def _compare(
    arguments: CompareArguments,
    flags: Sequence[str],
    base: TrainConfig,
    folder: ComparisonFolder,
    runs: Sequence[PlannedRun],
    command: str,
) -> int:
    folder.create(runs)
    training = train_runs(
        folder,
        runs,
        Work(
            arguments.episodes,
            arguments.evaluation_seed,
            arguments.jobs,
            arguments.retries,
            arguments.cluster,
            arguments.quiet,
        ),
    )
    if training.unfinished:
        done = len(runs) - len(training.unfinished) - len(training.errors)
        print(f"stopped: {done} of {len(runs)} runs are finished, and what was begun is saved; go on with: {command}")
        return training.exit_code
    score = score_of(arguments.task)
    threshold = score.threshold if arguments.threshold is None else arguments.threshold
    about = {"command": command, "arguments": {**asdict(arguments), "train_flags": list(flags)}}
    asked = (arguments.episodes, arguments.evaluation_seed)
    comparison = make_comparison(folder, runs, base, about, threshold, asked, training.errors)
    files = write_comparison(comparison, arguments.out_folder, log_x=arguments.log_x, pdf=arguments.pdf)
    if not arguments.quiet:
        print(f"{comparison_table(comparison)}\nwrote {', '.join(map(str, files))}")
    for name, error in training.errors.items():
        print(f"rlmem: error: the run {name} failed: {error}; see {folder.log(name)}", file=sys.stderr)
    if training.errors:
        print(f"{len(training.errors)} of {len(runs)} runs failed; to try them again: {command}", file=sys.stderr)
    return 1 if training.errors else 0


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words before and after the first bare --."""
    words = list(argv)
    cut = words.index("--") if "--" in words else len(words)
    return words[:cut], words[cut + 1 :]


def _print_plan(folder: ComparisonFolder, runs: Sequence[PlannedRun]) -> None:
    left = 0
    for run in runs:
        saved = folder.saved_steps(run)
        left += max(run.num_steps - saved, 0)
        state = "trained" if folder.is_trained(run) else f"{saved:,} steps done" if saved else "new"
        width = f", width {run.config.model.model}"
        print(f"{run.name}: {run.num_steps:,} steps, {run.parameters:,} parameters{width}, {state}")
    total = sum(run.num_steps for run in runs)
    print(f"{len(runs)} runs in {folder.path}, {total:,} environment steps, {left:,} of them to do")
