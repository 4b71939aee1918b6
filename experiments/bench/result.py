"""A result of `rlmem bench`, as the JSON that says of itself how and where it came to be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlmem.errors import UsageError
from rlmem.experiments.bench.figure import Figure

_KIND, _FORMAT = "rlmem bench", 1


@dataclass(frozen=True)
class Result:
    """Everything that was measured, and how and where.

    Args:
        command: the command line.
        arguments: all of its flags, by name.
        made_with: versions, commit and machine, see `provenance`.
        device: `cpu` or `cuda`.
        threads: of PyTorch.
        figures: by name.
    """

    command: str
    arguments: Mapping[str, Any]
    made_with: Mapping[str, Any]
    device: str
    threads: int
    figures: Mapping[str, Figure]

    def to_json(self) -> dict[str, Any]:
        """What `read_result` reads."""
        figures = {name: figure.to_json() for name, figure in self.figures.items()}
        return {"kind": _KIND, "format": _FORMAT, **vars(self), "figures": figures}

    @property
    def conditions(self) -> dict[str, Any]:
        """What two results should share to be compared: processor, cores, versions, device, threads."""
        return {**self.made_with["machine"], "device": self.device, "threads": self.threads}

    @property
    def rlmem(self) -> str:
        """Version and commit of what was measured."""
        return f"{self.made_with['rlmem']} {self.made_with['commit'] or ''}".strip()


def read_results(paths: Sequence[Path]) -> Result:
    """Results that were measured one after another, as one; a figure that several hold is taken from the last.

    Args:
        paths: of the files, at least one.

    Raises:
        UsageError: a file is no result, or they were not measured of one version under the same conditions.
    """
    first, *others = (read_result(path) for path in paths)
    for path, other in zip(paths[1:], others, strict=True):
        for name, ours, theirs in (
            *((key, first.conditions.get(key), value) for key, value in other.conditions.items()),
            ("commit", first.made_with["commit"], other.made_with["commit"]),
        ):
            if ours != theirs:
                raise UsageError(
                    f"{paths[0]} and {path} cannot be one result: {name} is {ours} in the first and {theirs} in the "
                    "second; measure both under the same conditions"
                )
        first = replace(first, command=f"{first.command}; {other.command}", figures={**first.figures, **other.figures})
    return first


def read_result(path: Path) -> Result:
    """A result from a file.

    Raises:
        UsageError: the file is not there, or is something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        is_ours = data["kind"] == _KIND
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {path}; write one with rlmem bench --out {path}") from error
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        is_ours = False
    if not is_ours:
        raise UsageError(f"{path} is no result of rlmem bench; write one with rlmem bench --out FILE")
    if data["format"] != _FORMAT:
        raise UsageError(
            f"{path} has the format {data['format']!r}, but this version of rlmem reads {_FORMAT}; measure it again"
        )
    fields = ("command", "arguments", "made_with", "device", "threads")
    try:
        figures = {name: Figure.from_json(name, one) for name, one in data["figures"].items()}
        result = Result(**{field: data[field] for field in fields}, figures=figures)
        is_whole = bool(result.conditions and result.rlmem)
    except (KeyError, TypeError, ValueError, AttributeError):
        is_whole = False
    if not is_whole:
        raise UsageError(f"{path} is no whole result of rlmem bench; measure it again")
    return result
