"""What a check found: one result a property."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["passed", "failed", "not checked"]


@dataclass(frozen=True)
class Where:
    """A place in the check's batch.

    Args:
        quantity: what was compared there.
        row: of the batch, or None if the quantity has no rows (a parameter's gradient).
        step: counted from the first step of the check, or None.
    """

    quantity: str
    row: int | None = None
    step: int | None = None

    def __str__(self) -> str:
        place = [f"{name} {number}" for name, number in (("row", self.row), ("step", self.step)) if number is not None]
        return ", ".join([*place, self.quantity])


@dataclass(frozen=True)
class PropertyResult:
    """What was found of one property.

    Args:
        number: of the property.
        name: a word for it, such as "acting".
        status: "passed", "failed" or "not checked".
        meaning: one sentence, what the property says.
        difference: the largest difference, relative to the quantity's largest magnitude where that exceeds 1; infinite
            if the policy raised an error or gave NaN; None if not checked.
        tolerance: the difference that still passes; None if not checked.
        where: of the largest difference; None if there is none.
        first: failed, where a difference beyond the tolerance is met first; None if the same as `where`.
        note: failed, the likely cause; not checked, why; passed, what limits the result, usually nothing.
    """

    number: int
    name: str
    status: Status
    meaning: str
    difference: float | None = None
    tolerance: float | None = None
    where: Where | None = None
    first: Where | None = None
    note: str = ""

    def line(self) -> tuple[str, str, str, str, str]:
        """Number, name, status, difference and where, as a table shows them."""
        if self.difference is None:
            return str(self.number), self.name, self.status, "", ""
        where = str(self.where or "") if self.difference else ""
        return str(self.number), self.name, self.status, f"{self.difference:.1e}", where

    def explanation(self) -> str:
        """What to say below the table, "" if there is nothing to explain."""
        if self.status == "passed":
            return f"{self.name}: {self.note}" if self.note else ""
        if self.status == "not checked":
            return f"{self.name} was not checked: {self.note}"
        first = f" The first difference is at {self.first}." if self.first else ""
        return f"{self.name} failed: {self.meaning}{first} Likely cause: {self.note}"


@dataclass(frozen=True)
class MemoryReport:
    """What `check_memory` found; prints as a table.

    Args:
        results: one a property.
    """

    results: tuple[PropertyResult, ...]

    @property
    def passed(self) -> bool:
        """True if no property that was checked failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the properties that failed."""
        return self._names("failed")

    @property
    def not_checked(self) -> tuple[str, ...]:
        """Names of the properties that were not checked."""
        return self._names("not checked")

    def __getitem__(self, name: str) -> PropertyResult:
        """The result of a property by its name."""
        return next(result for result in self.results if result.name == name)

    def explanations(self) -> list[str]:
        """A sentence or two for each result that is not plainly passed."""
        return [text for result in self.results if (text := result.explanation())]

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON-able object; an infinite difference is null."""
        results = [asdict(result) for result in self.results]
        for result in results:
            if result["difference"] is not None and not math.isfinite(result["difference"]):
                result["difference"] = None
        return {"passed": self.passed, "properties": results}

    def __str__(self) -> str:
        rows = [("", "property", "result", "difference", "where"), *(result.line() for result in self.results)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*table, *self.explanations()])

    def _names(self, status: Status) -> tuple[str, ...]:
        return tuple(result.name for result in self.results if result.status == status)
