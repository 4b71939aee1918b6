"""`rlmem reproduce [ID]`: a figure or table of the paper by one command."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from rlmem.errors import check
from rlmem.experiments.arguments import Switch, parse
from rlmem.experiments.compare_command import run as run_comparison
from rlmem.experiments.reproduce.artefact import Artefact
from rlmem.experiments.reproduce.catalogue import find_artefact
from rlmem.experiments.reproduce.listing import comparison_summary, listing, outcome
from rlmem.experiments.reproduce.model_work import make_plan, places_of, print_plan, reproduce_models
from rlmem.experiments.reproduce.planned_model import Scale, Settings
from rlmem.experiments.reproduce.results import COMPARISON, default_out, read_result
from rlmem.experiments.reproduce.training import Work, start_process, threads_for


@dataclass(frozen=True)
class ReproduceArguments:
    """Make a figure or table of the paper: train what it needs, evaluate, draw. Started again, it goes on where it was
    stopped. Without an ID, list them with what was run and what came out. What follows a bare -- are flags of
    `rlmem lm train`, or of `rlmem train` for figure-4-left and figure-5, for every run."""

    id: tyro.conf.Positional[str] = ""
    """Which one, such as figure-4-left or table-1."""
    scale: Scale = "small"
    """Small models that train on a CPU, or the paper's sizes."""
    data: tuple[str, ...] = ()
    """Where the text is, for tasks that read one: a place, or TASK=PLACE where several do."""
    jobs: int = 1
    """Runs at once, each a process."""
    out: str | None = None
    """Folder for picture, table and JSON; reproduce/ID-SCALE if not given."""
    output: str = "runs"
    """Folder of all runs; artefacts that need the same run share it."""
    quiet: Switch = False
    """Print nothing but failures."""
    dry_run: Switch = False
    """Print the commands and what they amount to, and do nothing."""

    def __post_init__(self) -> None:
        check(self.jobs >= 1, f"--jobs is {self.jobs}, but it must be at least 1")


def run(argv: Sequence[str]) -> int:
    """Run `rlmem reproduce`; returns the exit code."""
    words = list(argv)
    cut = words.index("--") if "--" in words else len(words)
    arguments = parse(ReproduceArguments, words[:cut], "reproduce")
    if not arguments.id:
        check(
            not words[cut + 1 :] and not arguments.dry_run, "rlmem reproduce needs an ID for that; without one it lists"
        )
        print(listing())
        return 0
    artefact, flags = find_artefact(arguments.id), words[cut + 1 :]
    command = shlex.join(["rlmem", "reproduce", *argv])
    if artefact.comparison:
        check(not arguments.data, f"--data is the place of a text, but {artefact.id} reads none; leave it out")
        return _compare(artefact, arguments, flags)
    settings = Settings(
        arguments.scale, arguments.output, places_of(artefact, arguments.scale, arguments.data), tuple(flags)
    )
    out = Path(arguments.out) if arguments.out else default_out(artefact, arguments.scale)
    if arguments.dry_run:
        print_plan(make_plan(artefact, settings, out)[0])
        return 0
    work = Work(arguments.jobs, out / "logs", arguments.quiet, start_process(threads_for(arguments.jobs)))
    return reproduce_models(artefact, settings, out, work, command)


def comparison_words(artefact: Artefact, arguments: ReproduceArguments, flags: Sequence[str]) -> list[str]:
    """The words after `rlmem` that make an artefact of agents.

    Args:
        artefact: which one.
        arguments: of the command.
        flags: of `rlmem train`, for every run.
    """
    out = arguments.out or str(default_out(artefact, arguments.scale))
    words = [*artefact.comparison[arguments.scale], "--jobs", str(arguments.jobs), "--out", out]
    words += ["--name", f"reproduce-{artefact.id}-{arguments.scale}", "--output", arguments.output]
    words += ["--quiet"] if arguments.quiet else []
    return [*words, "--", *flags] if flags else words


def _compare(artefact: Artefact, arguments: ReproduceArguments, flags: Sequence[str]) -> int:
    words = comparison_words(artefact, arguments, flags)
    if arguments.dry_run:
        print(shlex.join(["rlmem", *words]), flush=True)
        cut = len(words) - len(flags) - bool(flags)
        return run_comparison([*words[1:cut], "--dry-run", *words[cut:]])
    code = run_comparison(words[1:])
    result = read_result(Path(arguments.out or default_out(artefact, arguments.scale)) / COMPARISON)
    if code == 0 and result is not None and not arguments.quiet:
        print(outcome(artefact, comparison_summary(result)))
    return code
