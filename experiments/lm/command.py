"""`rlmem lm COMMAND`: language models on the same core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from rlmem.agents.ranks import ALONE, Ranks
from rlmem.errors import UsageError, check
from rlmem.experiments.lm.tasks import suggest

COMMANDS = {
    "train": ("train a language model: rlmem lm train copy", "rlmem.experiments.lm.train_command:run"),
    "eval": ("read validation or test data with a run's weights", "rlmem.experiments.lm.evaluate_command:run"),
    "report": ("write a run's curve, evaluation and figure to keep", "rlmem.experiments.lm.report_command:run"),
    "bench": ("time and memory of a batch, by kind of memory", "rlmem.experiments.lm.bench_command:run"),
}
"""Subcommands: one line of help, and where the function is that takes the rest of the words."""


def run(argv: Sequence[str], ranks: Ranks = ALONE) -> int:
    """Run `rlmem lm`, as the first of the ranks; returns the exit code.

    Raises:
        UsageError: there is no such command, or it cannot run in several processes.
    """
    if not argv or argv[0] in ("-h", "--help"):
        lines = [f"  {name:<8} {summary}" for name, (summary, _) in COMMANDS.items()]
        print("\n".join(["usage: rlmem lm COMMAND [OPTIONS]\n\nLanguage models.\n\ncommands:", *lines]))
        print("\nrlmem lm COMMAND --help explains one; rlmem resume goes on with a run.")
        return 0 if argv else UsageError.exit_code
    name, *rest = argv
    if name not in COMMANDS:
        raise UsageError(f"rlmem lm has no command {name!r}; {suggest(name, list(COMMANDS))}")
    module, _, function = COMMANDS[name][1].partition(":")
    command: Callable[..., int] = getattr(import_module(module), function)
    if name == "train":
        return command(rest, ranks)
    check(ranks.size == 1, f"rlmem lm {name} runs in one process; start it without torchrun")
    return command(rest)
