"""One measured figure: a name that says what and at which sizes, a unit, and every repeat."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

UNITS = ("steps/s", "tokens/s", "MiB")
"""Units of figures: of rates more is better, of memory less."""


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Args:
        name: what was measured, and at which sizes; figures of two results that have the same name are the same thing.
        unit: one of `UNITS`.
        repeats: every measurement, in order.
        settings: what else there is to know, such as the memory size that queries saw.
    """

    name: str
    unit: str
    repeats: Sequence[float]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Of the repeats, in `unit`."""
        return statistics.median(self.repeats)

    def to_json(self) -> dict[str, Any]:
        """Without the name."""
        return {"unit": self.unit, "median": self.median, "repeats": list(self.repeats), **self.settings}

    @classmethod
    def from_json(cls, name: str, data: Mapping[str, Any]) -> Figure:
        """Read what `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        repeats = [float(value) for value in data["repeats"]]
        if data["unit"] not in UNITS or not repeats:
            raise ValueError(f"{name} has the unit {data['unit']!r} and {len(repeats)} repeats")
        rest = {key: value for key, value in data.items() if key not in ("unit", "median", "repeats")}
        return cls(name, data["unit"], repeats, rest)
