"""Figure 13: the loss along the validation data, trained with structured dropout of memories and without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rlmem.experiments.reproduce.artefact import Drawn, Material
from rlmem.experiments.reproduce.token_losses import token_losses
from rlmem.experiments.reproduce.trained_model import TrainedModel

_NUM_STRETCHES = 200
_NAMES = {"dropped": ("with memory dropout", "#0072B2"), "whole": ("without", "#D55E00")}


def draw_memory_dropout(material: Material) -> Drawn:
    """Read the validation data with both models.

    Args:
        material: a run labelled `dropped` and one labelled `whole`.
    """
    losses = {record["label"]: token_losses(TrainedModel.open(record), "valid").bits for record in material.finished}
    stretch = max(1, -(-len(next(iter(losses.values()))) // _NUM_STRETCHES))
    curves = {label: stretch_means(bits, stretch) for label, bits in losses.items()}
    worst = {label: (int(np.argmax(curve)), float(curve.max())) for label, curve in curves.items()}
    told = [
        f"{_NAMES[label][0]} {float(losses[label].mean()):.3f}, at worst {value:.3f} "
        f"(symbols from {number * stretch:,})"
        for label, (number, value) in worst.items()
    ]
    return Drawn(
        summary=f"bits on validation, over stretches of {stretch:,} symbols: {'; '.join(told)}",
        table=_table(losses, worst, stretch),
        figure=dropout_figure(curves, stretch, material.title),
        details={
            "stretch": stretch,
            "bits": {label: float(bits.mean()) for label, bits in losses.items()},
            "bits_by_stretch": {label: np.round(curve, 5).tolist() for label, curve in curves.items()},
        },
    )


def stretch_means(bits: NDArray[np.float32], stretch: int) -> NDArray[np.float64]:
    """Means over stretches of so many predictions, the last one perhaps shorter; from (length,) to (stretches,)."""
    starts = np.arange(0, len(bits), stretch)
    means: NDArray[np.float64] = np.add.reduceat(bits.astype(np.float64), starts)
    return means / np.diff(np.append(starts, len(bits)))


def dropout_figure(curves: Mapping[str, NDArray[np.float64]], stretch: int, title: str) -> Figure:
    """The loss along the data.

    Args:
        curves: bits by stretch, by label.
        stretch: its predictions.
        title: above the figure.
    """
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=10)
    for label, curve in curves.items():
        name, colour = _NAMES[label]
        axes.plot(np.arange(len(curve)) * stretch, curve, label=name, color=colour, linewidth=1.2)
    axes.set(xlabel="symbol of the validation data", ylabel=f"bits, mean over {stretch:,} symbols", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def _table(losses: Mapping[str, NDArray[Any]], worst: Mapping[str, tuple[int, float]], stretch: int) -> str:
    lines = [f"| trained | bits on validation | worst {stretch:,} symbols | from symbol |", "| --- " * 4 + "|"]
    for label, (number, value) in worst.items():
        lines.append(f"| {_NAMES[label][0]} | {float(losses[label].mean()):.3f} | {value:.3f} | {number * stretch:,} |")
    return "\n".join(lines)
