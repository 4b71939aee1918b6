"""`rlmem eval RUN`: play a fixed list of episodes with a run's weights and report what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rlmem.actor_critic import ActorCritic
from rlmem.agents.evaluation import evaluate, with_zero_spans
from rlmem.agents.first_episodes import play_script
from rlmem.checkpoint import load_policy
from rlmem.errors import check
from rlmem.experiments.arguments import RunArgument, Switch, parse
from rlmem.experiments.checkpoints import Checkpoints
from rlmem.experiments.device import DeviceChoice, choose_device
from rlmem.experiments.evaluation_report import by_length, summarise, summarise_outcome
from rlmem.experiments.presets import find_preset
from rlmem.experiments.run_directory import find_run, is_pretrained, read_config
from rlmem.experiments.tasks import TASKS, TaskOptions, make_envs, make_player
from rlmem.experiments.train_config import read_task
from rlmem.experiments.training_run import evaluation_seeds


@dataclass(frozen=True)
class EvaluateArguments:
    """Play evaluation episodes with a run's weights. Actions are sampled; those of argmax are reported beside them."""

    run: RunArgument
    """Folder or name of a run, or the name of pretrained weights; with --player also a task, such as portal."""
    player: str | None = None
    """A scripted player instead of the run's weights, such as oracle, oracle:50 (remembers 50 steps) or random."""
    episodes: int = 1000
    """How many episodes, each with a seed of its own."""
    seed: int = 0
    """The seeds of the episodes are drawn from this one."""
    deterministic: Switch = False
    """Report argmax actions alone."""
    zero_spans: Switch = False
    """Force every span to 0: what the ramp alone remembers (Expire-Span)."""
    memory_sweep: str | None = None
    """Ages in steps, such as 0,8,32,128: play with memories beyond each age hidden from every layer."""
    lengths: str | None = None
    """Lengths in cells, such as 100,200,400: play corridors of each, trained lengths or longer ones."""
    checkpoint: str | None = None
    """Name of a checkpoint, such as step_64000; the newest if not given."""
    json: Switch = False
    """Print one JSON object and nothing else."""
    device: DeviceChoice = "auto"
    """Where the policy runs."""
    batch: int = 256
    """How many episodes are played at once."""
    output: str = "runs"
    """Folder of all runs."""

    def __post_init__(self) -> None:
        check(self.episodes >= 1, f"--episodes is {self.episodes}, but it must be at least 1")
        check(self.batch >= 1, f"--batch is {self.batch}, but it must be at least 1")
        check(self.seed >= 0, f"--seed is {self.seed}, but it cannot be negative")


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


def evaluate_policy(
    policy: ActorCritic,
    task: str,
    options: TaskOptions,
    arguments: EvaluateArguments,
    kinds: Sequence[str] = ("sampled", "argmax"),
) -> dict[str, Any]:
    """Play the episodes; the report as a JSON-able object.

    Args:
        policy: the weights.
        task: a name of `TASKS`.
        options: keywords of its environment.
        arguments: what was asked for.
        kinds: of actions; the first one's figures are the report's own, the others' are under their names.
    """
    if arguments.zero_spans:
        policy = with_zero_spans(policy)
    seeds = evaluation_seeds(arguments.seed, arguments.episodes)
    report: dict[str, Any] = {"zero_spans": arguments.zero_spans}
    for actions in kinds:
        evaluation = evaluate(
            policy,
            partial(make_envs, task, options),
            seeds,
            deterministic=actions == "argmax",
            batch=arguments.batch,
            word=TASKS[task].word,
        )
        figures = {**summarise(evaluation, TASKS[task].score), "success_by_length": by_length(evaluation, options)}
        if "actions" in report:
            report[actions] = figures
        else:
            report |= {"actions": actions, **figures}
    return report


def evaluate_player(player: str, task: str, options: TaskOptions, episodes: int, seed: int) -> dict[str, Any]:
    """Play the episodes that a policy would play with a scripted player; the report as a JSON-able object.

    Args:
        player: its name.
        task: a name of `TASKS`.
        options: keywords of its environment.
        episodes: how many.
        seed: the episodes' seeds are drawn from this one.
    """
    seeds = evaluation_seeds(seed, episodes)
    outcome = play_script(make_player(task, options, player, seed), partial(make_envs, task, options), seeds)
    figures = summarise_outcome(outcome, TASKS[task].score)
    return {"player": player, **figures, "success_by_length": by_length(outcome, options)}


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
    from rlmem.experiments.evaluation_sweeps import length_sweep, memory_sweep, read_numbers

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


def print_sweeps(report: dict[str, Any], score: str | None) -> None:
    """Print what `memory_sweep` and `length_sweep` gave as tables; `score` as in `Task`."""
    title = escape(f"{report['run']}, {report['checkpoint']}")
    console = Console()
    if "memory_sweep" in report:
        table = Table(
            "memories seen", _score_title(report["memory_sweep"][0], score), "average memory size", title=title
        )
        for one in report["memory_sweep"]:
            name = "as trained" if one["limit"] is None else f"up to {one['limit']} steps old"
            table.add_row(name, _score(one, score), f"{one['memory_size_mean']:.1f}")
        for one in report["players"]:
            table.add_row(f"player {one['player']}", _score(one, score), "")
        console.print(table)
    if "length_sweep" in report:
        table = Table(
            "length", _score_title(report["length_sweep"][0], score), "steps to bridge", "average memory size"
        )
        table.title = f"{title}; trained on lengths up to {report['trained_up_to']}"
        for one in report["length_sweep"]:
            size = f"{one['memory_size_mean']:.1f}"
            table.add_row(str(one["length"]), _score(one, score), str(one["needed_reach"]), size)
        console.print(table)
        reach = report["reach"]
        print(f"this memory reaches back {'without end' if reach is None else f'at most {reach} steps'}")


def _score_title(figures: dict[str, Any], score: str | None) -> str:
    if score is not None:
        return f"{score.replace('_', ' ')} [95%]"
    return "success rate [95%]" if "success_rate" in figures else "mean reward [95%]"


def _score(figures: dict[str, Any], score: str | None) -> str:
    if score is None and "success_rate" in figures:
        return _rate(figures)
    name = score or "mean_reward"
    low, high = figures[f"{name}_interval"]
    return f"{figures[name]:.3f} [{low:.3f}, {high:.3f}]"


def print_report(report: dict[str, Any]) -> None:
    """Print a report as a table."""
    if "player" in report:
        table = Table("", report["player"], title=escape(report["task"]))
        for line in _lines(report):
            table.add_row(*line)
        Console().print(table)
        return
    columns = [("sampled actions" if report["actions"] == "sampled" else "argmax actions", report)]
    if "argmax" in report:
        columns.append(("argmax actions", report["argmax"]))
    title = f"{report['run']}, {report['checkpoint']}" + (", every span 0" if report["zero_spans"] else "")
    table = Table("", *(name for name, _ in columns), title=escape(title))
    rows = [dict(_lines(figures)) for _, figures in columns]
    for name in rows[0]:
        table.add_row(name, *(row.get(name, "") for row in rows))
    Console().print(table)


def _lines(figures: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [
        ("episodes", f"{figures['episodes']:,}"),
        *([("success rate [95%]", _rate(figures))] if "success_rate" in figures else []),
        *((f"  length {band}, n={one['episodes']}", _rate(one)) for band, one in figures["success_by_length"].items()),
    ]
    scores = [task.score for task in TASKS.values() if task.score in figures]
    for name in (*scores, "mean_reward"):
        low, high = figures[f"{name}_interval"]
        lines.append((f"{name.replace('_', ' ')} [95%]", f"{figures[name]:.3f} [{low:.3f}, {high:.3f}]"))
    lines.append(("mean episode length", f"{figures['mean_ep_length']:.1f}"))
    if "memory_size_mean" in figures:
        lines.append(("average memory size", f"{figures['memory_size_mean']:.1f}"))
        lines.append(("  by layer", _numbers(figures["memory_size_by_layer"])))
    for word, means in figures.get("span_mean_by_layer", {}).items():
        group = "the other steps" if word == "other" else f"steps that show the {word}"
        lines.append((f"mean span by layer, {group}", _numbers(means)))
    return lines


def _rate(figures: dict[str, Any]) -> str:
    low, high = figures["success_rate_interval"]
    return f"{figures['success_rate']:.3f} [{low:.3f}, {high:.3f}]"


def _numbers(values: list[float | None]) -> str:
    return ", ".join("-" if value is None else f"{value:.1f}" for value in values)
