"""The figure of a language model's run."""

from __future__ import annotations

from matplotlib.figure import Figure

from rlmem.experiments.figures import Curve, draw_curves
from rlmem.experiments.lm.tasks import Metric, unit_of


def language_figure(curve: Curve, title: str, metric: Metric, chance: float | None) -> Figure:
    """Loss or right answers, memory size and spans of one run over its updates.

    Args:
        curve: `step` and metrics by their logged names, lists of one length; None where a metric was not logged.
        title: above the figure.
        metric: of the task.
        chance: share of right answers of a guess without memory, drawn as a line; or None.
    """
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    score, size, span = figure.subplots(1, 3)
    figure.suptitle(title, fontsize=10)
    unit = unit_of(metric)
    if metric == "accuracy":
        names = {"eval/item_accuracy": "answers right (validation)", "eval/target_accuracy": "targets right"}
        draw_curves(score, curve, names, unit="updates", steps_per_unit=1)
        if chance is not None:
            score.axhline(chance, color="0.5", linewidth=0.8, linestyle="--")
        score.set(ylabel="share right", ylim=(0, 1.02))
    else:
        draw_curves(
            score, curve, {f"train/{unit}": "training", f"eval/{unit}": "validation"}, unit="updates", steps_per_unit=1
        )
        score.set(ylabel={"bpb": "bits per byte", "bpc": "bits per character"}.get(metric, unit))
    layers = range(sum(name.startswith("memory/size_mean/layer_") for name in curve))
    for axes, name, label in (
        (size, "memory/size_mean", "average memory size"),
        (span, "memory/span_mean", "mean span $e_i$ (steps)"),
    ):
        names = {f"{name}/layer_{layer}": f"layer {layer + 1}" for layer in layers} if len(layers) <= 4 else {}
        draw_curves(axes, curve, {**names, name: "mean"}, unit="updates", steps_per_unit=1)
        axes.set(ylabel=label, ylim=(0, None))
    return figure
