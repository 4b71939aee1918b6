"""What came of a comparison, as one JSON-able object: each run, the aggregates over seeds, the scripted players."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from itertools import compress, pairwise
from pathlib import Path
from typing import Any

from rlmem.errors import UsageError
from rlmem.experiments.aggregates import estimate_iqm
from rlmem.experiments.comparison_folder import ComparisonFolder, read_evaluation, read_peak_memory
from rlmem.experiments.comparison_plan import PlannedRun, as_json, config_difference
from rlmem.experiments.comparison_score import Score, score_of
from rlmem.experiments.curve import read_curve
from rlmem.experiments.evaluation_plays import evaluate_player
from rlmem.experiments.metrics_log import read_metrics
from rlmem.experiments.provenance import provenance
from rlmem.experiments.tasks import TASKS
from rlmem.experiments.train_config import TrainConfig

FORMAT = 1
"""Of comparison.json."""

_CURVES = ("rollout/", "memory/size_mean", "memory/span_mean", "eval/")


def make_comparison(
    folder: ComparisonFolder,
    runs: Sequence[PlannedRun],
    base: TrainConfig,
    about: Mapping[str, Any],
    threshold: float | None,
    evaluation: tuple[int, int],
    errors: Mapping[str, str],
) -> dict[str, Any]:
    """The content of comparison.json.

    Args:
        folder: of the comparison.
        runs: all of them, each finished or failed.
        base: what they share.
        about: what else to write, such as the command.
        threshold: of the score, for the steps to it; None for none.
        evaluation: how many episodes, and the seed that their seeds are drawn from.
        errors: of the runs that failed, by name.
    """
    score = score_of(base.task)
    told = [describe_run(folder, run, base, score, threshold, errors.get(run.name)) for run in runs]
    return {
        "format": FORMAT,
        "name": folder.path.name,
        "task": base.task,
        **about,
        "made_with": provenance(),
        "score": score.name,
        "threshold": threshold,
        "base_config": as_json(base),
        "aggregates": aggregate(told, score),
        "players": play_scripts(base, *evaluation),
        "runs": told,
    }


def describe_run(
    folder: ComparisonFolder,
    run: PlannedRun,
    base: TrainConfig,
    score: Score,
    threshold: float | None,
    error: str | None,
) -> dict[str, Any]:
    """Everything worth keeping of one run; of a failed one, what it was and why it failed.

    Args:
        folder: of the comparison.
        run: which one.
        base: what all runs share.
        score: what they are compared by.
        threshold: of the score, for the steps to it; None for none.
        error: why it failed, or None.
    """
    told: dict[str, Any] = {
        "name": run.name,
        "kind": run.kind,
        "size": run.size,
        "seed": run.config.run.seed,
        "parameters": run.parameters,
        "config_difference": config_difference(run.config, base),
    }
    if error is not None:
        return {**told, "status": "failed", "error": error}
    path = folder.path / run.name
    lines = read_metrics(path / "metrics.jsonl")
    return {
        **told,
        "status": "finished",
        "trained_with": json.loads((path / "provenance.json").read_text(encoding="utf-8")),
        "evaluation": read_evaluation(path, {}),
        "steps_to_threshold": steps_to(lines, score.logged, threshold),
        "steps_per_second": steps_per_second(lines),
        "peak_memory_mib": read_peak_memory(path),
        "curve": read_curve(path / "metrics.jsonl", _CURVES),
    }


def aggregate(runs: Sequence[Mapping[str, Any]], score: Score) -> list[dict[str, Any]]:
    """The runs of each kind and size together; failed ones are counted and left out of the numbers.

    Args:
        runs: as `describe_run` gives them.
        score: what they are compared by.
    """
    groups: dict[tuple[str, int | None], list[Mapping[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["kind"], run["size"]), []).append(run)
    return [_aggregate_group(kind, size, group, score) for (kind, size), group in groups.items()]


def _aggregate_group(kind: str, size: int | None, group: Sequence[Mapping[str, Any]], score: Score) -> dict[str, Any]:
    finished = [run for run in group if run["status"] == "finished"]
    told: dict[str, Any] = {
        "kind": kind,
        "size": size,
        "seeds": [run["seed"] for run in finished],
        "num_failed": len(group) - len(finished),
        "parameters": group[0]["parameters"],
    }
    if not finished:
        return told
    estimate = estimate_iqm([run["evaluation"][score.name] for run in finished])
    reached = [run["steps_to_threshold"] for run in finished if run["steps_to_threshold"] is not None]
    return {
        **told,
        "score_iqm": estimate.value,
        "score_interval": estimate.interval and list(estimate.interval),
        "interval_by": estimate.by,
        "memory_size_mean": statistics.fmean(run["evaluation"]["memory_size_mean"] for run in finished),
        "steps_to_threshold_median": statistics.median(reached) if reached else None,
        "num_reached": len(reached),
        "steps_per_second": statistics.fmean(run["steps_per_second"] for run in finished),
        "peak_memory_mib": max(run["peak_memory_mib"] or 0.0 for run in finished) or None,
    }


def play_scripts(config: TrainConfig, episodes: int, seed: int) -> dict[str, Any]:
    """The task's scripted players on the evaluation's episodes, by name; none where they cannot read what is shown.

    Args:
        config: task and environment.
        episodes: how many.
        seed: the episodes' seeds are drawn from this one.
    """
    options = config.environment
    players = () if options.previous_action or options.previous_reward else TASKS[config.task].players
    return {player: evaluate_player(player, config.task, options, episodes, seed) for player in players}


def steps_to(lines: Sequence[Mapping[str, Any]], name: str, threshold: float | None) -> int | None:
    """The first logged step at which a metric reaches a threshold; None if it never does, or there is no threshold.

    Args:
        lines: of metrics.jsonl.
        name: of the metric.
        threshold: in the metric's unit.
    """
    if threshold is None:
        return None
    return next((int(line["step"]) for line in lines if (line.get(name) or -float("inf")) >= threshold), None)


def steps_per_second(lines: Sequence[Mapping[str, Any]]) -> float | None:
    """Environment steps a second, evaluations while training included, over all processes that trained the run.

    Each process counts its own steps and seconds from 0, so that a fall of the seconds is the start of the next one.

    Args:
        lines: of metrics.jsonl.
    """
    is_end = [after["time/elapsed_seconds"] < line["time/elapsed_seconds"] for line, after in pairwise(lines)]
    ends = [*compress(lines, is_end), *lines[-1:]]
    seconds = sum(line["time/elapsed_seconds"] for line in ends)
    steps = sum(line["time/fps"] * line["time/elapsed_seconds"] for line in ends)
    return steps / seconds if seconds > 0 else None


def read_comparison(path: Path) -> dict[str, Any] | None:
    """A comparison.json, or None where there is none.

    Raises:
        UsageError: the file is something else.
    """
    if not path.exists():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        is_known = content["format"] == FORMAT and isinstance(content["runs"], list)
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no whole comparison; remove it or choose another --out") from error
    if not is_known:
        raise UsageError(f"{path} is of another version of rlmem; choose another --out")
    return content
