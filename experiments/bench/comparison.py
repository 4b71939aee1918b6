"""Two results side by side: the ratios of the figures that both have, and what only one of them has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlmem.experiments.bench.result import Result


@dataclass(frozen=True)
class Comparison:
    """What an earlier result and a later one say of each other.

    Args:
        ratios: later divided by earlier, by figure; of rates more is better, of memory less.
        only_before: figures that the earlier one alone has.
        only_now: figures that the later one alone has.
        differs: where the two were measured otherwise, each with the value before and now.
    """

    ratios: Mapping[str, float]
    only_before: Sequence[str]
    only_now: Sequence[str]
    differs: Mapping[str, tuple[Any, Any]]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "differs": {name: list(pair) for name, pair in self.differs.items()}}


def compare(before: Result, now: Result) -> Comparison:
    """Compare by the figures' names."""
    return Comparison(
        ratios={
            name: now.figures[name].median / before.figures[name].median
            for name in now.figures
            if name in before.figures and before.figures[name].unit == now.figures[name].unit
        },
        only_before=[name for name in before.figures if name not in now.figures],
        only_now=[name for name in now.figures if name not in before.figures],
        differs={
            name: (before.conditions.get(name), now.conditions.get(name))
            for name in sorted(before.conditions.keys() | now.conditions.keys())
            if before.conditions.get(name) != now.conditions.get(name)
        },
    )
