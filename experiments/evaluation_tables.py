"""Evaluations as tables for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rlmem.experiments.tasks import TASKS


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
