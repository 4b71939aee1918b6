"""`rlmem lm report RUN`: what a run was, how it went and what came out, as one JSON file and a figure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from rlmem.errors import check
from rlmem.experiments.arguments import RunArgument, parse
from rlmem.experiments.command_line import command_line
from rlmem.experiments.curve import read_curve
from rlmem.experiments.device import DeviceChoice, choose_device
from rlmem.experiments.lm.evaluate_command import as_asked, evaluate_checkpoint
from rlmem.experiments.lm.figure import language_figure
from rlmem.experiments.lm.presets import find_preset
from rlmem.experiments.lm.run_folder import LanguageRunFolder
from rlmem.experiments.lm.tasks import LANGUAGE_TASKS
from rlmem.experiments.lm.train_config import LanguageTrainConfig
from rlmem.experiments.lm.training_run import EVALUATION_SEED, EvaluatedSplit
from rlmem.experiments.provenance import provenance
from rlmem.experiments.report_files import ReportFiles
from rlmem.experiments.run_directory import find_run

_CURVE = (
    "train/loss", "train/bits", "train/perplexity", "memory/size_", "memory/span_", "memory/auxiliary_loss", "eval/",
    "time/tokens_per_second", "time/peak_memory_mib", "time/elapsed_seconds",
)  # fmt: skip
_SECTIONS = ("options", "run", "learner", "embedding", "model")


@dataclass(frozen=True)
class LanguageReportArguments:
    """Write a run's configuration, curve, evaluation, commit and machine to NAME.json, and its curve to NAME.png."""

    run: RunArgument
    """Folder or name of a run."""
    out: str = "."
    """Folder for the two files; made if it is not there."""
    name: str | None = None
    """NAME; the run's own if not given."""
    checkpoint: str | None = None
    """Name of the checkpoint to evaluate; the newest if not given."""
    rows: int | None = None
    """Rows of the evaluation, each beginning without memory; the run's --eval-rows if not given."""
    blocks: int = 0
    """Blocks of each row to read; 0: all."""
    data: str | None = None
    """Where a text is, if not where it was when the run was made."""
    device: DeviceChoice = "auto"
    """Where the model runs."""
    output: str = "runs"
    """Folder of all runs."""

    def __post_init__(self) -> None:
        check(self.rows is None or self.rows >= 1, f"--rows is {self.rows}, but it must be at least 1")
        check(self.blocks >= 0, f"--blocks is {self.blocks}, but it cannot be negative")


def run(argv: Sequence[str]) -> int:
    """Run `rlmem lm report`; returns the exit code."""
    arguments = parse(LanguageReportArguments, argv, "lm report")
    directory = LanguageRunFolder(find_run(arguments.run, Path(arguments.output)))
    name = arguments.name or directory.path.name
    files = ReportFiles.new(Path(arguments.out), name)
    report = make_report(directory, arguments)
    task = directory.config.task
    chance = report["evaluation"]["test"].get("chance")
    files.write(report, language_figure(report["curve"], f"{task}, {name}", LANGUAGE_TASKS[task].metric, chance))
    return 0


def make_report(directory: LanguageRunFolder, arguments: LanguageReportArguments) -> dict[str, Any]:
    """Everything worth keeping of a run, JSON-able."""
    checkpoint = directory.checkpoints.choose(arguments.checkpoint, f"rlmem lm report {directory.path}")
    config = as_asked(directory.config, arguments.rows, arguments.blocks, arguments.data)
    device = choose_device(arguments.device)
    curve = read_curve(directory.path / "metrics.jsonl", _CURVE)
    return {
        "command": command_of(directory.config),
        "checkpoint": checkpoint.name,
        "trained_with": json.loads((directory.path / "provenance.json").read_text(encoding="utf-8")),
        "evaluated_with": provenance(),
        "config": directory.config.to_json(),
        "evaluation": {
            split: evaluate_checkpoint(directory, checkpoint, config, split, EVALUATION_SEED, device)
            for split in get_args(EvaluatedSplit)
        },
        "curve": curve,
    }


def command_of(config: LanguageTrainConfig) -> str:
    """The command that trains this configuration again: its preset, and a flag for everything that differs from it."""
    return command_line("lm train", config.task, config, find_preset(config.task, config.preset), _SECTIONS)
