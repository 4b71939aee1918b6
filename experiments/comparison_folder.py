"""A comparison on disk: the folder of its runs, what they shall be, and how far they are.

runs/<name>/
  plan.json            the configuration of every run; written first
  logs/<run>.log       what the run's processes printed
  <run>/               an ordinary run, with evaluation.json and peak_memory.json of the comparison beside its own files
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlmem.errors import RlmemError, UsageError, check
from rlmem.experiments.atomic_files import write_json
from rlmem.experiments.checkpoints import Checkpoints
from rlmem.experiments.comparison_plan import PlannedRun, as_json

_FORMAT = 1
_TAIL_BYTES = 16_384  # more than the longest line of metrics.jsonl


class ComparisonFolder:
    """The folder of a comparison's runs; it may not be there yet.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = path / "plan.json"

    def check_fits(self, runs: Sequence[PlannedRun]) -> None:
        """See that the folder is new, or holds no other runs than these.

        Raises:
            UsageError: it is something else, or of another configuration.
        """
        check(
            re.fullmatch(r"\w[\w.+-]*", self.path.name) is not None,
            f"--name {self.path.name!r} cannot name a folder; use letters, digits, dots, dashes and underscores",
        )
        if not self.plan.is_file():
            check(
                not self.path.exists() or (self.path.is_dir() and not any(self._foreign_files())),
                f"{self.path} exists and is no comparison; choose another --name",
            )
            return
        check_same_runs(self.recorded(), {run.name: as_json(run.config) for run in runs}, self.path)

    def create_path(self) -> None:
        """Make the folder, which can then be locked."""
        self.path.mkdir(parents=True, exist_ok=True)

    def create(self, runs: Sequence[PlannedRun]) -> None:
        """Write the plan, or add runs to it."""
        (self.path / "logs").mkdir(exist_ok=True)
        write_json(self.plan, {"format": _FORMAT, "runs": {run.name: as_json(run.config) for run in runs}})

    def _foreign_files(self) -> list[Path]:
        """What is in the folder beside what a kill may have left of `create`."""
        return [path for path in self.path.iterdir() if path.name not in (".lock", "logs", ".plan.json.tmp")]

    def recorded(self) -> dict[str, Any]:
        """The configurations in plan.json, by the runs' names.

        Raises:
            RlmemError: the file is damaged.
        """
        try:
            plan = json.loads(self.plan.read_text(encoding="utf-8"))
            runs: dict[str, Any] = plan["runs"]
            is_known = plan["format"] == _FORMAT
        except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise RlmemError(
                f"{self.plan} is no whole plan of a comparison; remove {self.path} and start anew"
            ) from error
        check(is_known, f"{self.plan} has the format {plan['format']!r}, but this version of rlmem reads {_FORMAT}")
        return runs

    def log(self, name: str) -> Path:
        """Where the output of a run's processes goes."""
        return self.path / "logs" / f"{name}.log"

    def saved_steps(self, run: PlannedRun) -> int:
        """The environment steps of the run's last checkpoint, 0 without one."""
        return max(Checkpoints(self.path / run.name / "checkpoints", keep=1).steps(), default=0)

    def logged_steps(self, run: PlannedRun) -> int:
        """The environment steps that the run has logged; it need not have saved them."""
        return last_logged_step(self.path / run.name / "metrics.jsonl")

    def is_trained(self, run: PlannedRun) -> bool:
        """True when the run's last checkpoint is that of its end."""
        return self.saved_steps(run) >= run.config.run.total_timesteps


def check_same_runs(recorded: dict[str, Any], planned: dict[str, Any], where: Path) -> None:
    """See that every recorded run is planned, with the same configuration; more may be planned.

    Args:
        recorded: JSON forms of configurations by the runs' names, from a file.
        planned: the same, from the command line.
        where: they were recorded, for messages.

    Raises:
        UsageError: a run is missing or has another configuration.
    """
    advice = "give the same flags to go on with it, or choose another --name and --out"
    for name, config in recorded.items():
        if name not in planned:
            raise UsageError(f"{where} holds another comparison, with the run {name}, which is not asked for; {advice}")
        for key, old, new in differences(config, planned[name]):
            raise UsageError(
                f"{where} holds another comparison: {key} of {name} is {old!r} there, not {new!r}; {advice}"
            )


def last_logged_step(path: Path) -> int:
    """The step of the last whole line of a metrics.jsonl, 0 without one; reads its end alone."""
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, 2) - _TAIL_BYTES, 0))
            lines = file.read().split(b"\n")[:-1]  # what follows the last newline is no whole line
        return int(json.loads(lines[-1])["step"]) if lines else 0
    except (OSError, json.JSONDecodeError):
        return 0


def read_evaluation(run: Path, asked: dict[str, Any]) -> dict[str, Any] | None:
    """The evaluation in a run's folder, or None when there is none of what was asked.

    Args:
        run: the folder.
        asked: values that the file must hold, such as the checkpoint's name.
    """
    evaluation = _read(run / "evaluation.json")
    if evaluation is None or any(evaluation.get(key) != value for key, value in asked.items()):
        return None
    return evaluation


def read_peak_memory(run: Path) -> float | None:
    """The most resident memory that training the run took, in MiB; None where nothing was recorded."""
    recorded = _read(run / "peak_memory.json")
    return None if recorded is None else float(recorded["peak_memory_mib"])


def write_peak_memory(run: Path, mebibytes: float) -> None:
    """Record what `read_peak_memory` reads."""
    write_json(run / "peak_memory.json", {"peak_memory_mib": mebibytes})


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def differences(one: dict[str, Any], other: dict[str, Any], prefix: str = "") -> list[tuple[str, Any, Any]]:
    """Where two JSON objects differ: keys like `model.max_span`, each with the two values, None if missing."""
    found: list[tuple[str, Any, Any]] = []
    for key in sorted(one.keys() | other.keys()):
        old, new = one.get(key), other.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, f"{prefix}{key}.")
        elif old != new:
            found.append((f"{prefix}{key}", old, new))
    return found
