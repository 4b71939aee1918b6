"""The figure and the table of language models: score against average memory, each run beside the paper's row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from rlmem.experiments.comparison_figure import style_of
from rlmem.experiments.point_labels import PointLabel, label_points
from rlmem.experiments.reproduce.model_score import ModelScore
from rlmem.experiments.reproduce.paper import PaperResult
from rlmem.experiments.reproduce.records import Record

NAMES = {
    "expire_span": "Expire-Span",
    "transformer_xl": "Transformer-XL",
    "adaptive_span": "Adaptive-Span",
    "compressive": "Compressive Transformer",
}
"""The kinds of memory as the paper writes them."""

_NONE = "–"


def score_figure(records: Sequence[Record], score: ModelScore, title: str) -> Figure:
    """Score against average memory, a point a run, and the validation curves beside it.

    Args:
        records: runs that are finished, of one task.
        score: of that task.
        title: above the figure.
    """
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    points, curves = figure.subplots(1, 2, width_ratios=(3, 2))
    figure.suptitle(title, fontsize=10)
    labels: list[PointLabel] = []
    for kind in dict.fromkeys(record["kind"] for record in records):
        own = [record for record in records if record["kind"] == kind]
        labels += _draw_points(points, own, kind, score)
        _draw_curves(curves, own, kind, score)
    _draw_chance(points, records, score)
    points.set_xscale("log")
    points.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    points.xaxis.set_major_formatter(ScalarFormatter())
    points.xaxis.set_minor_formatter(NullFormatter())
    points.margins(x=0.12, y=0.12)
    points.set(xlabel="average memory size (symbols)", ylabel=score.label)
    curves.set(xlabel="updates", ylabel=score.label.replace("test", "validation"))
    for axes in (points, curves):
        if score.is_share:
            axes.set_ylim(0, 104)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=7, loc="best")
    label_points(points, labels)
    return figure


def score_table(records: Sequence[Record], score: ModelScore, paper: PaperResult) -> str:
    """A Markdown table of all runs, failed ones included.

    Args:
        records: runs of one task.
        score: of that task.
        paper: what the paper reports.
    """
    head = ["memory", "L", "seed", "average memory", score.label, "parameters", "the paper's", paper.unit]
    rows = [_row(record, score, paper) for record in records]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def score_summary(records: Sequence[Record], score: ModelScore) -> str:
    """What came out, in a line: each kind's scores and at which average memory.

    Args:
        records: runs that are finished, of one task.
        score: of that task.
    """
    parts = []
    for kind in dict.fromkeys(record["kind"] for record in records):
        own = sorted(
            (record["evaluation"]["memory_size_mean"], score.of(record["evaluation"]))
            for record in records
            if record["kind"] == kind
        )
        parts.append(f"{NAMES[kind]} " + ", ".join(f"{score.show(value)} at {size:.0f}" for size, value in own))
    return f"{score.label}, at average memory: {'; '.join(parts)}"


def _row(record: Record, score: ModelScore, paper: PaperResult) -> list[str]:
    name = _and_label(NAMES[record["kind"]], record)
    counterpart = record["counterpart"]
    theirs = [_NONE, _NONE] if counterpart is None else [counterpart, f"{paper.row(counterpart).score:g}"]
    if record["status"] == "failed":
        return [name, _NONE, str(record["seed"]), _NONE, f"failed: {record['error']}", _NONE, *theirs]
    evaluation = record["evaluation"]
    size, reached = evaluation["memory_size_mean"], score.show(score.of(evaluation))
    own = [name, f"{record['size']:,}", str(record["seed"]), f"{size:,.1f}", reached, f"{evaluation['parameters']:,}"]
    return [*own, *theirs]


def _and_label(name: str, record: Record) -> str:
    """A name, and what else a run is named by."""
    label: str = record["label"].replace("alpha", "α ")
    return f"{name}, {label}" if label else name


def _draw_points(axes: Axes, records: Sequence[Record], kind: str, score: ModelScore) -> list[PointLabel]:
    """Draw the points; returns what to write beside them."""
    colour, marker = style_of(kind)
    sizes = [max(record["evaluation"]["memory_size_mean"], 0.5) for record in records]
    values = [score.of(record["evaluation"]) for record in records]
    axes.plot(sizes, values, linestyle="", marker=marker, color=colour, label=f"{NAMES[kind]}, labelled with L")
    return [
        PointLabel(size, value, _and_label(f"{record['size']:,}", record), colour)
        for record, size, value in zip(records, sizes, values, strict=True)
    ]


def _draw_curves(axes: Axes, records: Sequence[Record], kind: str, score: ModelScore) -> None:
    """The larger L, the darker the line."""
    colour, _ = style_of(kind)
    ordered = sorted(records, key=lambda record: (record["size"], record["seed"]))
    has_seeds = len({record["seed"] for record in records}) > 1
    for rank, record in enumerate(ordered, start=1):
        seed = f", seed {record['seed']}" if has_seeds else ""
        curve: dict[str, Any] = record["curve"]
        pairs = zip(curve["step"], curve.get(score.logged, ()), strict=False)
        known = [(step, score.convert(value)) for step, value in pairs if value is not None]
        if known:
            axes.plot(
                *zip(*known, strict=True), color=colour, alpha=0.25 + 0.75 * rank / len(ordered), linewidth=1.2,
                label=_and_label(f"{NAMES[kind]}, L {record['size']:,}", record) + seed,
            )  # fmt: skip


def _draw_chance(axes: Axes, records: Sequence[Record], score: ModelScore) -> None:
    chances = {record["evaluation"].get("chance") for record in records} - {None}
    if score.is_share and chances:
        value = score.convert(float(chances.pop()))
        axes.axhline(value, color="#555555", linewidth=1, linestyle=(0, (1, 1.5)), label="guess without memory")
