"""`rlmem lm train TASK`, and going on with a language model's run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rlmem.agents.ranks import ALONE, Ranks
from rlmem.errors import UsageError, check
from rlmem.experiments.arguments import Switch, parse, value_of
from rlmem.experiments.device import decide_machine
from rlmem.experiments.lm.dry_run import print_dry_run
from rlmem.experiments.lm.evaluation import check_scored
from rlmem.experiments.lm.presets import PRESETS, find_preset
from rlmem.experiments.lm.run_folder import LanguageRunFolder
from rlmem.experiments.lm.tasks import LANGUAGE_TASKS, Corpus
from rlmem.experiments.lm.train_config import LanguageTrainConfig
from rlmem.experiments.lm.training_run import EVALUATION_SEED, LanguageRun, load_weights, make_model
from rlmem.experiments.processes import check_same_number, launch
from rlmem.experiments.run_directory import find_run
from rlmem.experiments.training_loop import run_to_the_end
from rlmem.language_model import check_has_slots


@dataclass(frozen=True)
class LanguageTrainArguments:
    """The flags of `rlmem lm train TASK`."""

    config: LanguageTrainConfig
    """The run."""
    output: str = "runs"
    """Folder of all runs."""
    name: str | None = None
    """Name of the run; by default one from memory kind, seed and time."""
    quiet: Switch = False
    """Print nothing while training."""
    dry_run: Switch = False
    """Print configuration, parameter count and predicted memory, and do nothing."""


def run(argv: Sequence[str], ranks: Ranks = ALONE) -> int:
    """Run `rlmem lm train`, as the first of the ranks; returns the exit code."""
    arguments = parse_language_train(argv)
    config = resolve(arguments.config, ranks)
    task = LANGUAGE_TASKS[config.task]
    if arguments.dry_run:
        print_dry_run(config, task.planned(config.options))
        return 0
    config = replace(config, run=replace(config.run, init=_checkpoint_of(config.run.init, Path(arguments.output))))
    corpus = task.open_corpus(config.options)
    _try_out(config, corpus)
    directory = LanguageRunFolder.create(config, corpus, Path(arguments.output), arguments.name)
    if not arguments.quiet:
        for notice in corpus.notices:
            print(notice)
    return train_to_the_end(directory, None, ranks, quiet=arguments.quiet)


def resume_language_model(
    path: Path, checkpoint: str | None, updates: int | None, ranks: Ranks = ALONE, *, quiet: bool
) -> int:
    """Go on with a language model's run.

    Args:
        path: of the run.
        checkpoint: name of the one to go back to; None takes the newest.
        updates: new length of the run before any fine-tuning, or None.
        ranks: that train together, of which this is the first.
        quiet: show no progress.

    Returns:
        The exit code.
    """
    directory = LanguageRunFolder(path)
    check_same_number(path, directory.config.run.processes, ranks.size)
    resolve(directory.config, ranks)
    chosen = directory.checkpoints.choose(checkpoint, f"{launch(ranks.size)} resume {path}")
    extend(directory, updates)
    return train_to_the_end(directory, chosen, ranks, quiet=quiet)


def train_to_the_end(
    directory: LanguageRunFolder, checkpoint: Path | None, ranks: Ranks = ALONE, *, quiet: bool
) -> int:
    """Train a new run, or one from a checkpoint, until it is done or interrupted; arguments as in `run_to_the_end`."""
    return run_to_the_end(
        directory,
        checkpoint,
        lambda: LanguageRun.begin(directory, ranks, quiet=quiet),
        lambda chosen: LanguageRun.resume(directory, chosen, ranks, quiet=quiet),
        quiet=quiet,
        ranks=ranks,
    )


def parse_language_train(argv: Sequence[str]) -> LanguageTrainArguments:
    """Read `TASK [--preset NAME] [flags]`: the preset gives the defaults, the flags override them.

    Raises:
        UsageError: no such task or preset.
    """
    task, *rest = argv if argv and not argv[0].startswith("-") else ("", *argv)
    if not task:
        if {"-h", "--help"} & set(rest):
            print_tasks()
            raise SystemExit(0)
        raise UsageError(f"rlmem lm train needs a task first, such as rlmem lm train {next(iter(LANGUAGE_TASKS))}")
    config = find_preset(task, value_of(rest, "--preset"))
    check_has_slots(value_of(rest, "--memory"))
    arguments = parse(LanguageTrainArguments, rest, f"lm train {task}", LanguageTrainArguments(config))
    if value_of(rest, "--block") is None or value_of(rest, "--position-reach") is not None:
        return arguments
    config = arguments.config
    model = replace(config.model, position_reach=config.learner.block)  # positions reach back a block
    return replace(arguments, config=replace(config, model=model))


def print_tasks() -> None:
    """Print the tasks and their presets."""
    print("usage: rlmem lm train TASK [--preset NAME] [OPTIONS]\n\nTrain a language model on a task.\n\ntasks:")
    for name, task in LANGUAGE_TASKS.items():
        print(f"  {name:<15} {task.summary}; presets: {', '.join(PRESETS[name])}")
    print("\nrlmem lm train TASK --help lists a task's flags and their defaults.")


def resolve(config: LanguageTrainConfig, ranks: Ranks = ALONE) -> LanguageTrainConfig:
    """The configuration with device, threads and processes decided, so that another machine can repeat it.

    Raises:
        UsageError: there is no such device here, or the rows cannot be divided among the ranks.
    """
    return replace(config, run=decide_machine(config.run, ranks))


def extend(directory: LanguageRunFolder, updates: int | None) -> None:
    """Give a run another length.

    Raises:
        UsageError: it is shorter than what has been done, or fine-tuning has begun.
    """
    if updates is None:
        return
    config, done = directory.config, directory.checkpoints.steps()[-1]
    check(updates >= done, f"--updates {updates} is less than the {done} updates that the run has done")
    check(
        done <= config.run.updates or updates == config.run.updates,
        f"--updates {updates} would change what came before the fine-tuning, which has begun; train anew with --init",
    )
    directory.rewrite_config(replace(config, run=replace(config.run, updates=updates)))


def _try_out(config: LanguageTrainConfig, corpus: Corpus) -> None:
    """Refuse, before anything is written, what would be refused after."""
    task, run, block = LANGUAGE_TASKS[config.task], config.run, config.learner.block
    task.make_streams(config.options, "train", config.learner.batch, run.seed).next_block(block)
    if run.eval_interval:
        check_scored(task.make_streams(config.options, "valid", run.eval_rows, EVALUATION_SEED), block, run.eval_blocks)
    model = make_model(config, corpus)
    if run.init is not None:
        checkpoint = Path(run.init)
        LanguageRunFolder(checkpoint.parents[1]).check_same_vocabulary(corpus)
        load_weights(model, checkpoint)


def _checkpoint_of(init: str | None, root: Path) -> str | None:
    """The folder of a run's last checkpoint."""
    if init is None:
        return None
    path = find_run(init, root)
    return str(LanguageRunFolder(path).checkpoints.choose(None, f"rlmem resume {path}"))
