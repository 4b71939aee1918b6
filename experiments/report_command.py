"""`rlmem report RUN`: what a run was, how it went and what came out, as one JSON file and a figure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlmem.checkpoint import load_policy
from rlmem.errors import UsageError, check
from rlmem.experiments.arguments import RunArgument, parse
from rlmem.experiments.command_line import command_line
from rlmem.experiments.curve import read_curve
from rlmem.experiments.device import DeviceChoice, choose_device
from rlmem.experiments.evaluation_plays import EvaluateArguments, evaluate_player, evaluate_policy
from rlmem.experiments.figures import learning_figure
from rlmem.experiments.presets import find_preset
from rlmem.experiments.provenance import provenance
from rlmem.experiments.report_files import ReportFiles
from rlmem.experiments.run_directory import RunDirectory, find_run, is_pretrained
from rlmem.experiments.tasks import TASKS
from rlmem.experiments.train_config import TrainConfig

_CURVE = ("rollout/", "memory/", "eval/", "train/entropy_loss", "train/explained_variance", "time/fps")


@dataclass(frozen=True)
class ReportArguments:
    """Write a run's configuration, curve, evaluation, commit and machine to NAME.json, and its curve to NAME.png."""

    run: RunArgument
    """Folder or name of a run."""
    out: str = "."
    """Folder for the two files; made if it is not there."""
    name: str | None = None
    """NAME; the run's own if not given."""
    episodes: int = 1000
    """Evaluation episodes."""
    seed: int = 0
    """The episodes' seeds are drawn from this one."""
    checkpoint: str | None = None
    """Name of the checkpoint to evaluate; the newest if not given."""
    weights: str | None = None
    """A folder to copy the weights and configuration to, so that `rlmem eval` finds them there."""
    device: DeviceChoice = "auto"
    """Where the policy runs."""
    output: str = "runs"
    """Folder of all runs."""

    def __post_init__(self) -> None:
        check(self.episodes >= 1, f"--episodes is {self.episodes}, but it must be at least 1")


def run(argv: Sequence[str]) -> int:
    """Run `rlmem report`; returns the exit code."""
    arguments = parse(ReportArguments, argv, "report")
    path = find_run(arguments.run, Path(arguments.output))
    if is_pretrained(path):
        raise UsageError(f"{path} holds weights alone and no curve to report; try rlmem eval {arguments.run}")
    directory = RunDirectory(path)
    name = arguments.name or path.name
    files = ReportFiles.new(Path(arguments.out), name)
    report = make_report(directory, arguments)
    task = directory.config.task
    files.write(report, learning_figure(report["curve"], f"{task}, {name}", TASKS[task].word, TASKS[task].score))
    if arguments.weights is not None:
        _copy_weights(directory, arguments)
    return 0


def make_report(directory: RunDirectory, arguments: ReportArguments) -> dict[str, Any]:
    """Everything worth keeping of a run, JSON-able."""
    config = directory.config
    checkpoint = directory.checkpoints.choose(arguments.checkpoint, f"rlmem report {directory.path}")
    policy = load_policy(checkpoint / "model.safetensors", choose_device(arguments.device))
    evaluations = {}
    for label, zero_spans in (("as_trained", False), ("zero_spans", True)):
        if zero_spans and config.model.memory != "expire_span":
            continue
        asked = EvaluateArguments(
            str(directory.path), episodes=arguments.episodes, seed=arguments.seed, zero_spans=zero_spans
        )
        kinds = ("sampled",) if zero_spans else ("sampled", "argmax")
        evaluations[label] = evaluate_policy(policy, config.task, config.environment, asked, kinds)
    for player in TASKS[config.task].players:
        played = evaluate_player(player, config.task, config.environment, arguments.episodes, arguments.seed)
        evaluations[f"player {player}"] = played
    return {
        "command": command_of(config),
        "checkpoint": checkpoint.name,
        "trained_with": json.loads((directory.path / "provenance.json").read_text(encoding="utf-8")),
        "evaluated_with": provenance(),
        "config": config.to_json(),
        "evaluation": {"seed": arguments.seed, **evaluations},
        "curve": read_curve(directory.path / "metrics.jsonl", _CURVE),
    }


def command_of(config: TrainConfig) -> str:
    """The command that trains this configuration again: its preset, and a flag for everything that differs from it."""
    preset = find_preset(config.task, config.preset)
    return command_line("train", config.task, config, preset, ("environment", "run", "learner", "model"))


def _copy_weights(directory: RunDirectory, arguments: ReportArguments) -> None:
    folder = Path(arguments.weights or "")
    check(not folder.exists(), f"{folder} exists and is not overwritten; choose another folder for --weights")
    checkpoint = directory.checkpoints.choose(arguments.checkpoint, f"rlmem report {directory.path}")
    folder.mkdir(parents=True)
    shutil.copy(checkpoint / "model.safetensors", folder)
    shutil.copy(directory.path / "config.json", folder)
    print(f"wrote the weights to {folder}")
