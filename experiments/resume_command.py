"""`rlmem resume RUN`: go on with a run of an agent or of a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlmem.agents.ranks import ALONE, Ranks
from rlmem.errors import UsageError, check
from rlmem.experiments.arguments import RunArgument, Switch, parse
from rlmem.experiments.run_directory import LANGUAGE_MODEL, find_run, is_pretrained, run_kind
from rlmem.experiments.train import resume_agent


@dataclass(frozen=True)
class ResumeArguments:
    """Go on with a run that was stopped, to the bit as if it had not been."""

    run: RunArgument
    """Folder or name of the run."""
    checkpoint: str | None = None
    """Name of the checkpoint to go back to, such as step_64000; the newest if not given."""
    total_timesteps: int | None = None
    """New length of an agent's run, in environment steps; an annealed learning rate goes on from its share of that
    length."""
    updates: int | None = None
    """New length of a language model's run, in updates before any fine-tuning; a cosine rate goes on from its share of
    that length."""
    output: str = "runs"
    """Folder of all runs."""
    quiet: Switch = False
    """Print nothing while training."""


def run(argv: Sequence[str], ranks: Ranks = ALONE) -> int:
    """Run `rlmem resume`, as the first of the ranks; returns the exit code."""
    arguments = parse(ResumeArguments, argv, "resume")
    path = find_run(arguments.run, Path(arguments.output))
    if is_pretrained(path):
        raise UsageError(f"{path} holds weights alone, which cannot be trained further; try rlmem eval {arguments.run}")
    if run_kind(path) == LANGUAGE_MODEL:
        from rlmem.experiments.lm.train_command import resume_language_model

        check(
            arguments.total_timesteps is None,
            f"--total-timesteps is an agent's length, but {path} is a language model's run; use --updates",
        )
        return resume_language_model(path, arguments.checkpoint, arguments.updates, ranks, quiet=arguments.quiet)
    check(
        arguments.updates is None,
        f"--updates is a language model's length, but {path} is an agent's run; use --total-timesteps",
    )
    return resume_agent(path, arguments.checkpoint, arguments.total_timesteps, ranks, quiet=arguments.quiet)
