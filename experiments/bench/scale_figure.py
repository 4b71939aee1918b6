"""The picture of the tables over size: rates over environments, time and memory over live memories and over L."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rlmem.experiments.bench.scaling import ScaleRows

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito's
_MARKERS = ("o", "s", "^", "D")


def scale_figure(tables: Sequence[ScaleRows]) -> Figure:
    """One column a table: rates or times above, memory below.

    Args:
        tables: at least one.
    """
    figure = Figure(figsize=(3.3 * len(tables), 5.4), layout="constrained")
    grid = figure.subplots(2, len(tables), squeeze=False)
    for column, rows in enumerate(tables):
        above, below = grid[0][column], grid[1][column]
        is_rate = rows.columns[0].endswith("steps/s")
        _draw(above, rows, [name for name in rows.columns if name.endswith("steps/s" if is_rate else ", ms")])
        _draw(below, rows, ["memory, MiB"])
        above.set_title(rows.scale.title.replace(", ", "\n", 1), fontsize=9)
        above.set_ylabel("steps/s" if is_rate else "ms")
        below.set_ylabel("MiB beyond the start")
        above.legend(fontsize=7)
    return figure


def _draw(axes: Axes, rows: ScaleRows, columns: Sequence[str]) -> None:
    for name, colour, marker in zip(columns, _COLOURS, _MARKERS, strict=False):
        axes.plot(rows.sizes, rows.column(name), marker=marker, color=colour, label=name.partition(",")[0])
    if columns[0].endswith("steps/s"):
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.1 * max(max(rows.column(name)) for name in columns))
    if rows.scale.variable != "live memories":
        axes.set_xscale("log", base=4)
        axes.set_xticks(rows.sizes, [f"{size:,}" for size in rows.sizes], fontsize=8)
    axes.set_xlabel(rows.scale.variable)
    axes.grid(alpha=0.3)
