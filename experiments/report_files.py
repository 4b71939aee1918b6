"""The two files of a report, which are never overwritten."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from rlmem.errors import check
from rlmem.experiments.atomic_files import write_json


@dataclass(frozen=True)
class ReportFiles:
    """Where a report goes.

    Args:
        numbers: the JSON file.
        picture: the PNG file.
    """

    numbers: Path
    picture: Path

    @classmethod
    def new(cls, folder: Path, name: str) -> ReportFiles:
        """NAME.json and NAME.png in a folder, which need not be there.

        Raises:
            UsageError: one of them is there already.
        """
        files = cls(folder / f"{name}.json", folder / f"{name}.png")
        for file in (files.numbers, files.picture):
            check(
                not file.exists(), f"{file} exists and is not overwritten; remove it or choose another --name or --out"
            )
        return files

    def write(self, report: dict[str, Any], figure: Figure) -> None:
        """Write both, and say so."""
        self.numbers.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.numbers, report)
        figure.savefig(self.picture, dpi=110)
        print(f"wrote {self.numbers} and {self.picture}")
