"""The table of a comparison, in Markdown: kinds and sizes over their seeds, then each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlmem.experiments.comparison_score import Score, score_of

_NONE = "–"


def comparison_table(comparison: Mapping[str, Any]) -> str:
    """TABLE.md of a comparison.

    Args:
        comparison: the content of comparison.json.
    """
    score, threshold = score_of(comparison["task"]), comparison["threshold"]
    episodes = comparison["arguments"]["episodes"]
    parts = [
        f"# {comparison['name']}: {score.label} and average memory",
        f"`{comparison['command']}`",
        _kinds(comparison["aggregates"], score, threshold),
        *_failures(comparison["runs"]),
        *_players(comparison["players"], score),
        f"## Each run, {score.label} over {episodes} episodes with sampled actions",
        _runs(comparison["runs"], score, threshold),
        _explanation(comparison, score),
    ]
    return "\n\n".join(parts) + "\n"


def _kinds(aggregates: Sequence[Mapping[str, Any]], score: Score, threshold: float | None) -> str:
    head = ["memory", "L", "seeds", f"{score.label}, IQM [95% over seeds]", "average memory", *_costs_head(threshold)]
    rows = []
    for one in aggregates:
        seeds = str(len(one["seeds"])) + (f" ({one['num_failed']} failed)" if one["num_failed"] else "")
        row = [one["kind"], _number(one["size"]), seeds]
        if one["seeds"]:
            row += [_estimate(one["score_iqm"], one["score_interval"]), f"{one['memory_size_mean']:.1f}"]
            steps = _number(one["steps_to_threshold_median"])
            if 0 < one["num_reached"] < len(one["seeds"]):
                steps += f" ({one['num_reached']} of {len(one['seeds'])})"
            row += _costs(one, threshold, steps)
        else:
            row += ["failed", _NONE, *_costs({"parameters": one["parameters"]}, threshold, _NONE)]
        rows.append(row)
    return _markdown(head, rows)


def _runs(runs: Sequence[Mapping[str, Any]], score: Score, threshold: float | None) -> str:
    head = ["run", f"{score.label} [95% over episodes]", "average memory", *_costs_head(threshold)]
    rows = []
    for run in runs:
        if run["status"] == "failed":
            rows.append([run["name"], "failed", _NONE, *_costs({"parameters": run["parameters"]}, threshold, _NONE)])
            continue
        played = run["evaluation"]
        reached = _estimate(played[score.name], played[f"{score.name}_interval"])
        costs = _costs(run, threshold, _number(run["steps_to_threshold"]))
        rows.append([run["name"], reached, f"{played['memory_size_mean']:.1f}", *costs])
    return _markdown(head, rows)


def _costs_head(threshold: float | None) -> list[str]:
    return [*([] if threshold is None else [f"steps to {threshold:g}"]), "steps/s", "peak MiB", "parameters"]


def _costs(figures: Mapping[str, Any], threshold: float | None, steps: str) -> list[str]:
    rest = [_number(figures.get(name)) for name in ("steps_per_second", "peak_memory_mib", "parameters")]
    return [*([] if threshold is None else [steps]), *rest]


def _failures(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    failed = [run for run in runs if run["status"] == "failed"]
    return ["\n".join(f"- **{run['name']} failed**: {run['error']}" for run in failed)] if failed else []


def _players(players: Mapping[str, Any], score: Score) -> list[str]:
    if not players:
        return []
    told = (
        f"{name} {_estimate(figures[score.name], figures[f'{score.name}_interval'])}"
        for name, figures in players.items()
        if score.name in figures
    )
    return [f"Scripted players on the same episodes: {', '.join(told)}."]


def _explanation(comparison: Mapping[str, Any], score: Score) -> str:
    threshold = comparison["threshold"]
    words = [
        "Average memory is the mean over queries and layers of how many memories a query sees beside its own step.",
        "IQM: interquartile mean over seeds, with its bootstrap interval; of fewer than four seeds it is their mean,",
        "and one seed has no interval.",
    ]
    if threshold is not None:
        words.append(
            f"Steps to {threshold:g}: the first logged step at which {score.label} of the recent training episodes is "
            "that high, the median of the runs that came there."
        )
    return " ".join(words)


def _estimate(value: float, interval: Sequence[float] | None) -> str:
    return f"{value:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:,.0f}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
