"""The tables over size, read from a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlmem.experiments.bench.cells import Cell, EnvironmentCell, LanguageCell
from rlmem.experiments.bench.figure import Figure
from rlmem.experiments.bench.plan import Scale, scales
from rlmem.experiments.bench.result import Result

_RATES = ("environment", "acting", "learning", "training")


@dataclass(frozen=True)
class ScaleRows:
    """A table over size.

    Args:
        scale: what it is over.
        sizes: one a line.
        columns: names with units.
        values: one row a size, one value a column.
    """

    scale: Scale
    sizes: Sequence[int]
    columns: Sequence[str]
    values: Sequence[Sequence[float]]

    def column(self, name: str) -> list[float]:
        """The values of a column."""
        position = list(self.columns).index(name)
        return [row[position] for row in self.values]


def scale_rows(result: Result) -> list[ScaleRows]:
    """The tables of which a result holds at least two lines.

    Over environments: rates. Over memory: milliseconds of a window, or of a batch, and the memory that it took beyond
    what the process had before the first.
    """
    tables = []
    for scale in scales(env_steps=1):
        found = [(line.size, row) for line in scale.lines if (row := _row(result, line.cells, scale.variable))]
        if len(found) > 1:
            columns = list(found[0][1])
            tables.append(ScaleRows(scale, [size for size, _ in found], columns, [[*row.values()] for _, row in found]))
    return tables


def _row(result: Result, cells: Sequence[Cell], variable: str) -> dict[str, float]:
    """The columns of a line by name; none where a figure is missing."""
    try:
        row: dict[str, float] = {}
        for cell in cells:
            row |= _columns(result, cell, variable)
        return row
    except KeyError:
        return {}


def _columns(result: Result, cell: Cell, variable: str) -> dict[str, float]:
    figures = result.figures
    if isinstance(cell, EnvironmentCell):
        return {"environment, steps/s": figures[cell.figure].median}
    if isinstance(cell, LanguageCell):
        tokens = figures[cell.figure("lm")]
        return {
            "batch, ms": 1000 * int(tokens.settings["tokens"]) / tokens.median,
            "memory, MiB": _taken(figures[cell.figure("lm peak memory")]),
            "memory size": float(tokens.settings["memory_size"]),
        }
    rates = {part: figures[cell.figure(part)] for part in ("acting", "learning", "training")}
    memory = {"memory, MiB": _taken(figures[cell.figure("peak memory")])}
    if variable == "environments":
        return {f"{part}, steps/s": rate.median for part, rate in rates.items()} | memory
    steps = cell.num_envs * cell.num_steps
    times = {f"{part}, ms": 1000 * steps / rate.median for part, rate in rates.items()}
    return times | memory | {"memory size": float(rates["training"].settings["memory_size"])}


def _taken(figure: Figure) -> float:
    """MiB that were taken beyond what there was before the first window or batch."""
    return figure.median - float(figure.settings["before"])
