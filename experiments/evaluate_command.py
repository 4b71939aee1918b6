"""`rlmem eval RUN`: play a fixed list of episodes with a run's weights and report what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlmem.actor_critic import ActorCritic
from rlmem.checkpoint import load_policy
from rlmem.experiments.arguments import parse
from rlmem.experiments.checkpoints import Checkpoints
from rlmem.experiments.device import choose_device
from rlmem.experiments.evaluation_plays import EvaluateArguments, evaluate_player, evaluate_policy
from rlmem.experiments.evaluation_sweeps import length_sweep, memory_sweep, read_numbers
from rlmem.experiments.evaluation_tables import print_report, print_sweeps
from rlmem.experiments.presets import find_preset
from rlmem.experiments.run_directory import find_run, is_pretrained, read_config
from rlmem.experiments.tasks import TASKS, TaskOptions
from rlmem.experiments.train_config import read_task


def run(argv: Sequence[str]) -> int:
    """Run `rlmem eval`; returns the exit code."""
    arguments = parse(EvaluateArguments, argv, "eval")
    device = choose_device(arguments.device)
    if arguments.player is not None:
        return _run_player(arguments, arguments.player)
    path = find_run(arguments.run, Path(arguments.output))
    task, options = read_config(path, read_task)
    weights = path
    if not is_pretrained(path):
        checkpoints = Checkpoints(path / "checkpoints", keep=1)
        weights = checkpoints.choose(arguments.checkpoint, f"rlmem eval {path}")
    policy = load_policy(weights / "model.safetensors", device)
    report = {"run": str(path), "checkpoint": weights.name, "seed": arguments.seed}
    if arguments.memory_sweep is not None or arguments.lengths is not None:
        return _run_sweeps(report, policy, task, options, arguments)
    kinds = ("argmax",) if arguments.deterministic else ("sampled", "argmax")
    report |= evaluate_policy(policy, task, options, arguments, kinds)
    if arguments.json:
        print(json.dumps(report))
    else:
        print_report(report)
    return 0


def _run_player(arguments: EvaluateArguments, player: str) -> int:
    if arguments.run in TASKS:
        task, options = arguments.run, find_preset(arguments.run).environment
    else:
        task, options = read_config(find_run(arguments.run, Path(arguments.output)), read_task)
    report = {"task": task, "environment": vars(options), "seed": arguments.seed}
    report |= evaluate_player(player, task, options, arguments.episodes, arguments.seed)
    if arguments.json:
        print(json.dumps(report))
    else:
        print_report(report)
    return 0


def _run_sweeps(
    report: dict[str, Any], policy: ActorCritic, task: str, options: TaskOptions, arguments: EvaluateArguments
) -> int:
    if arguments.memory_sweep is not None:
        limits = read_numbers(arguments.memory_sweep, "--memory-sweep", 0)
        report |= memory_sweep(policy, task, options, arguments, limits)
    if arguments.lengths is not None:
        report |= length_sweep(policy, task, options, arguments, read_numbers(arguments.lengths, "--lengths", 3))
    if arguments.json:
        print(json.dumps(report))
    else:
        print_sweeps(report, TASKS[task].score)
    return 0
