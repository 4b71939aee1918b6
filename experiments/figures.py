"""Figures of runs. Functions return a figure; callers save it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

Curve = Mapping[str, Sequence[float | None]]

# Okabe and Ito's colours, which colour-blind readers tell apart
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#333333", "#E69F00")


def learning_figure(curve: Curve, title: str, word: str | None, score: str | None) -> Figure:
    """Success or score, memory size and spans of one run over its steps.

    Args:
        curve: `step` and metrics by their logged names, lists of one length; None where a metric was not logged.
        title: above the figure.
        word: whose steps' spans are drawn apart, or None.
        score: drawn instead of the success rate; or None.
    """
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    success, size, span = figure.subplots(1, 3)
    figure.suptitle(title, fontsize=10)
    reached = score or "success_rate"
    draw_curves(success, curve, {f"rollout/{reached}": "training", f"eval/{reached}": "evaluation"})
    success.set(ylabel=reached.replace("_", " "), ylim=(0, None if score else 1.02))
    layers = range(sum(name.startswith("memory/size_mean/layer_") for name in curve))
    names = {f"memory/size_mean/layer_{layer}": f"layer {layer + 1}" for layer in layers}
    draw_curves(size, curve, {**names, "memory/size_mean": "mean"})
    size.set(ylabel="average memory size", ylim=(0, None))
    groups = {"": ""} if word is None else {f"/{word}": f", shows the {word}", "/other": ", other"}
    spans = {
        f"memory/span_mean/layer_{layer}{group}": f"layer {layer + 1}{label}"
        for layer in layers
        for group, label in groups.items()
    }
    draw_curves(span, curve, spans)
    span.set(ylabel="mean span $e_i$ (steps)", ylim=(0, None))
    return figure


def draw_curves(
    axes: Axes,
    curve: Curve,
    names: Mapping[str, str],
    *,
    unit: str = "environment steps (millions)",
    steps_per_unit: float = 1e6,
) -> None:
    """Draw metrics over a run's steps.

    Args:
        axes: where.
        curve: as for `learning_figure`.
        names: of the metrics in the log, and what to call them; those that were not logged are left out.
        unit: what a run's steps are, below the axis.
        steps_per_unit: how many make one of it.
    """
    steps: Sequence[Any] = curve["step"]
    for number, (name, label) in enumerate(names.items()):
        points = [
            (step / steps_per_unit, value)
            for step, value in zip(steps, curve.get(name, ()), strict=False)
            if value is not None
        ]
        if points:
            colour = _COLOURS[number % len(_COLOURS)]
            axes.plot(*zip(*points, strict=True), label=label, color=colour, linewidth=1.2)
    axes.set_xlabel(unit)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(fontsize=7)
