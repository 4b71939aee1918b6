"""`rlmem lm eval RUN`: read validation or test data with a run's weights and report what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rlmem.checkpoint import load_language_model
from rlmem.errors import check
from rlmem.experiments.arguments import RunArgument, Switch, parse
from rlmem.experiments.device import Device, DeviceChoice, choose_device
from rlmem.experiments.lm.evaluation import LanguageEvaluation
from rlmem.experiments.lm.run_folder import LanguageRunFolder
from rlmem.experiments.lm.tasks import LANGUAGE_TASKS, Metric, in_unit, unit_of
from rlmem.experiments.lm.train_config import LanguageTrainConfig
from rlmem.experiments.lm.training_run import EVALUATION_SEED, EvaluatedSplit, evaluate_split
from rlmem.experiments.run_directory import find_run


@dataclass(frozen=True)
class LanguageEvaluateArguments:
    """Read validation or test data with a run's weights: what predictions cost, how many are right, memory sizes."""

    run: RunArgument
    """Folder or name of a run."""
    split: EvaluatedSplit = "test"
    """Which data."""
    checkpoint: str | None = None
    """Name of the checkpoint, such as step_2000; the newest if not given."""
    rows: int | None = None
    """Rows to read at once, each beginning without memory; the run's --eval-rows if not given."""
    blocks: int = 0
    """Blocks of each row to read; 0: all."""
    data: str | None = None
    """Where a text is, if not where it was when the run was made."""
    seed: int = EVALUATION_SEED
    """Of data that is made up."""
    device: DeviceChoice = "auto"
    """Where the model runs."""
    json: Switch = False
    """Print one JSON object and nothing else."""
    output: str = "runs"
    """Folder of all runs."""

    def __post_init__(self) -> None:
        check(self.rows is None or self.rows >= 1, f"--rows is {self.rows}, but it must be at least 1")
        for name in ("blocks", "seed"):
            check(getattr(self, name) >= 0, f"--{name} is {getattr(self, name)}, but it cannot be negative")


def run(argv: Sequence[str]) -> int:
    """Run `rlmem lm eval`; returns the exit code."""
    arguments = parse(LanguageEvaluateArguments, argv, "lm eval")
    device = choose_device(arguments.device)
    directory = LanguageRunFolder(find_run(arguments.run, Path(arguments.output)))
    checkpoint = directory.checkpoints.choose(arguments.checkpoint, f"rlmem lm eval {directory.path}")
    config = as_asked(directory.config, arguments.rows, arguments.blocks, arguments.data)
    report = evaluate_checkpoint(directory, checkpoint, config, arguments.split, arguments.seed, device)
    report = {"run": str(directory.path), "checkpoint": checkpoint.name, **report}
    if arguments.json:
        print(json.dumps(report))
    else:
        print_report(report)
    return 0


def as_asked(config: LanguageTrainConfig, rows: int | None, blocks: int, data: str | None) -> LanguageTrainConfig:
    """A run's configuration with the rows, blocks and data of an evaluation.

    Args:
        config: of the run.
        rows: None: the run's own.
        blocks: of each row; 0: all.
        data: where the text is now; None: where it was.

    Raises:
        UsageError: the task reads no text.
    """
    run = replace(config.run, eval_rows=rows or config.run.eval_rows, eval_blocks=blocks)
    return replace(config.with_data(data), run=run)


def evaluate_checkpoint(
    directory: LanguageRunFolder,
    checkpoint: Path,
    config: LanguageTrainConfig,
    split: EvaluatedSplit,
    seed: int,
    device: Device,
) -> dict[str, Any]:
    """The figures of a checkpoint, JSON-able.

    Args:
        directory: of the run.
        checkpoint: its folder.
        config: of the run, with the rows and blocks of the evaluation.
        split: which data.
        seed: of data that is made up.
        device: where the model runs.

    Raises:
        UsageError: the data is not there, or its vocabulary is not the run's.
    """
    task = LANGUAGE_TASKS[config.task]
    corpus = task.open_corpus(config.options)
    directory.check_same_vocabulary(corpus)
    model = load_language_model(checkpoint / "model.safetensors", device)
    evaluation = evaluate_split(model, config, split, seed)
    return {
        "task": config.task,
        "split": split,
        "rows": config.run.eval_rows,
        "seed": seed,
        **figures_of(evaluation, task.metric, corpus.chance),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "notices": list(corpus.notices),
    }


def figures_of(evaluation: LanguageEvaluation, metric: Metric, chance: float | None) -> dict[str, Any]:
    """An evaluation as plain figures, those that were not measured left out."""
    figures = {name: value for name, value in asdict(evaluation).items() if value is not None and value != ()}
    score = {unit_of(metric): in_unit(evaluation.loss, metric), "memory_size_mean": evaluation.memory_size_mean}
    return {"metric": metric, **({} if chance is None else {"chance": chance}), **score, **figures}


def print_report(report: dict[str, Any]) -> None:
    """Print figures as a table, and what must be said beside them."""
    table = Table("", report["split"], title=escape(f"{report['run']}, {report['checkpoint']}"))
    table.columns[1].justify = "right"
    unit = unit_of(report["metric"])
    is_text = report["metric"] != "accuracy"  # where each symbol is an answer of one target
    answers = {
        "item_accuracy": "answers that are right",
        "chance": "  by a guess without memory",
        "target_accuracy": "targets that are right",
        "num_items": "answers",
        "num_targets": "targets",
    }
    symbols = {"target_accuracy": "symbols predicted rightly", "num_targets": "symbols predicted"}
    named = {
        unit: {"bpb": "bits per byte", "bpc": "bits per character", "accuracy": "bits per target"}.get(
            report["metric"], unit
        ),
        **(symbols if is_text else answers),
        "memory_size_mean": "average memory size",
        "memory_size_by_layer": "  by layer",
        "span_mean_by_layer": "mean span by layer",
        "span_max_by_layer": "longest span by layer",
        "parameters": "parameters",
    }
    for name, title in named.items():
        if name in report:
            table.add_row(title, _number(report[name]))
    console = Console()
    console.print(table)
    for notice in report["notices"]:
        console.print(escape(notice))


def _number(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(f"{one:,.1f}" for one in value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
