"""A result for people: its figures, its ratios to an earlier one, and its tables over size."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from rlmem.experiments.bench.comparison import Comparison
from rlmem.experiments.bench.result import Result
from rlmem.experiments.bench.scaling import ScaleRows


def print_result(result: Result, before: Result | None, comparison: Comparison | None) -> None:
    """Print figures, one a line, beside those of an earlier result if there is one.

    Args:
        result: to be printed.
        before: the earlier one, or None.
        comparison: of the two.
    """
    console = Console()
    machine = ", ".join(f"{name} {value}" for name, value in result.conditions.items() if value is not None)
    table = Table("figure", "median", "spread", "unit", title=machine)
    for column in table.columns[1:3]:
        column.justify = "right"
    if comparison is not None:
        table.add_column("before", justify="right")
        table.add_column("ratio", justify="right")
    for column in table.columns[1:]:
        column.no_wrap = True  # names may need two lines in a narrow terminal, numbers are never cut
    for name, figure in result.figures.items():
        spread = (max(figure.repeats) - min(figure.repeats)) / figure.median
        row = [name, number(figure.median), f"{spread:.0%}", figure.unit]
        if comparison is not None and before is not None:
            ratio = comparison.ratios.get(name)
            row += ["", ""] if ratio is None else [number(before.figures[name].median), f"{ratio:.2f}"]
        table.add_row(*row)
    console.print(table)
    if comparison is None or before is None:
        return
    console.print(
        f"ratio: now ({result.rlmem}) by before ({before.rlmem}); more is better, but for MiB", soft_wrap=True
    )
    for name, (old, new) in comparison.differs.items():
        console.print(f"measured otherwise: {name} was {old}, is {new}", soft_wrap=True)
    for what, names in (("before", comparison.only_before), ("now", comparison.only_now)):
        if names:
            console.print(f"only {what}: {', '.join(names)}", soft_wrap=True)


def markdown(rows: ScaleRows) -> str:
    """A table over size."""
    lines = [f"**{rows.scale.title}**", "", f"| {' | '.join([rows.scale.variable, *rows.columns])} |"]
    lines.append("|" + " --: |" * (1 + len(rows.columns)))
    for size, values in zip(rows.sizes, rows.values, strict=True):
        cells = [number(value) for value in values]
        lines.append(f"| {' | '.join([f'{size:,}', *cells])} |")
    return "\n".join(lines)


def number(value: float) -> str:
    """With as many digits as there is to say."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.1f}"
