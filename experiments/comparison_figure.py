"""The figure of a comparison: score against average memory, a point a run, and the learning curves beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter, SymmetricalLogLocator

from rlmem.experiments.comparison_plan import KINDS
from rlmem.experiments.comparison_score import Score, score_of
from rlmem.experiments.point_labels import PointLabel, label_points

# Okabe and Ito's colours, and markers for those who print without colour
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "x", "v", "P")
_DASHES = ((0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
_GREY = "#555555"


def comparison_figure(comparison: Mapping[str, Any], *, log_x: bool = False) -> Figure:
    """The figure of a comparison.

    Args:
        comparison: the content of comparison.json.
        log_x: draw average memory on a logarithmic axis, linear below 1.
    """
    score = score_of(comparison["task"])
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    points, curves = figure.subplots(1, 2, width_ratios=(3, 2))
    figure.suptitle(comparison["name"], fontsize=10)
    finished = [run for run in comparison["runs"] if run["status"] == "finished"]
    labels = _draw_points(points, finished, score)
    _draw_players(points, comparison["players"], score)
    points.margins(x=0.07)  # room for the labels
    points.set(xlabel="average memory size (steps)", ylabel=score.label)
    if log_x:
        points.set_xscale("symlog", linthresh=1)
        points.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=[1, 2, 5]))
        points.xaxis.set_major_formatter(ScalarFormatter())
    _set_limits(points, score)
    points.grid(alpha=0.3)
    points.legend(fontsize=7, loc="best")
    _draw_curves(curves, finished, score)
    label_points(points, labels)
    return figure


def _draw_points(axes: Axes, runs: Sequence[Mapping[str, Any]], score: Score) -> list[PointLabel]:
    """Draw the points; returns what to write beside them."""
    labels: list[PointLabel] = []
    for kind in _kinds(runs):
        own = [run for run in runs if run["kind"] == kind]
        has_sizes = len({run["size"] for run in own}) > 1
        sizes = np.array([run["evaluation"]["memory_size_mean"] for run in own])
        values = np.array([run["evaluation"][score.name] for run in own])
        ends = np.array([run["evaluation"][f"{score.name}_interval"] for run in own])
        colour, marker = style_of(kind)
        axes.errorbar(
            sizes, values, yerr=np.abs(ends.T - values), fmt=marker, color=colour, markersize=6, elinewidth=1,
            capsize=2, label=kind.replace("_", " ") + (", labelled with L" if has_sizes else ""),
        )  # fmt: skip
        if has_sizes:
            labels += [
                PointLabel(size, value, str(run["size"]), colour)
                for run, size, value in zip(own, sizes, values, strict=True)
            ]
    return labels


def _draw_players(axes: Axes, players: Mapping[str, Any], score: Score) -> None:
    for number, (name, figures) in enumerate(players.items()):
        if score.name in figures:
            axes.axhline(
                figures[score.name], color=_GREY, linewidth=1, linestyle=_DASHES[number % len(_DASHES)], label=name
            )


def _draw_curves(axes: Axes, runs: Sequence[Mapping[str, Any]], score: Score) -> None:
    """Means over the seeds of a kind and size, with their range; the larger the size, the darker the line."""
    for kind in _kinds(runs):
        own = [run for run in runs if run["kind"] == kind]
        sizes = sorted({run["size"] for run in own}, key=lambda size: size or 0)
        for rank, size in enumerate(sizes, start=1):
            steps, values = _common_steps([run["curve"] for run in own if run["size"] == size], score.logged)
            if not len(steps):
                continue
            colour, marker = style_of(kind)
            strength = 0.25 + 0.75 * rank / len(sizes)
            label = kind.replace("_", " ") + ("" if size is None else f", L {size}")
            axes.plot(
                steps / 1e6, values.mean(0), color=colour, alpha=strength, linewidth=1.2, label=label, marker=marker,
                markersize=3, markevery=max(len(steps) // 6, 1),
            )  # fmt: skip
            if len(values) > 1:
                axes.fill_between(
                    steps / 1e6, values.min(0), values.max(0), color=colour, alpha=0.15 * strength, linewidth=0
                )
    axes.set(xlabel="environment steps (millions)", ylabel=f"{score.label}, training")
    _set_limits(axes, score)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(fontsize=6, loc="best")


def _common_steps(curves: Sequence[Mapping[str, Any]], name: str) -> tuple[Any, Any]:
    """The steps (count,) that all curves reach, those of the first, and the curves' values there (curves, count)."""
    points = []
    for curve in curves:
        both = zip(curve["step"], curve.get(name, ()), strict=False)
        known = np.array([(step, value) for step, value in both if value is not None]).reshape(-1, 2)
        if len(known):
            points.append(known)
    if not points:
        return np.zeros(0), np.zeros((0, 0))
    first = points[0][:, 0]
    is_shared = (first >= max(known[0, 0] for known in points)) & (first <= min(known[-1, 0] for known in points))
    steps = first[is_shared]
    return steps, np.stack([np.interp(steps, known[:, 0], known[:, 1]) for known in points])


def _kinds(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(run["kind"] for run in runs))


def style_of(kind: str) -> tuple[str, str]:
    """Colour and marker of a kind, the same in every comparison."""
    number = list(KINDS).index(kind) if kind in KINDS else len(KINDS)
    return _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]


def _set_limits(axes: Axes, score: Score) -> None:
    if score.is_rate:
        axes.set_ylim(0, 1.03)
    elif score.name != "mean_reward":
        axes.set_ylim(bottom=0)
