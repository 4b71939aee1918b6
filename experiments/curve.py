"""A run's logged metrics as a curve to keep."""

from __future__ import annotations

import json
from pathlib import Path

from rlmem.errors import RlmemError

_POINTS = 400


def read_curve(path: Path, prefixes: tuple[str, ...]) -> dict[str, list[float | None]]:
    """The logged metrics, thinned to about `_POINTS` lines; lines with an evaluation are all kept.

    Args:
        path: metrics.jsonl.
        prefixes: of the metrics to keep.

    Returns:
        Lists of one length by metric, `step` among them; None where a line lacks the metric.

    Raises:
        RlmemError: the file is missing or empty.
    """
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    if not lines:
        raise RlmemError(f"{path} holds no metrics, so there is no curve to report; train the run first")
    stride = -(-len(lines) // _POINTS)
    kept = [
        line for number, line in enumerate(lines)
        if number % stride == 0 or any(name.startswith("eval/") for name in line) or number == len(lines) - 1
    ]  # fmt: skip
    names = sorted({name for line in kept for name in line if name == "step" or name.startswith(prefixes)})
    return {name: [_rounded(line.get(name)) for line in kept] for name in names}


def _rounded(value: float | None) -> float | None:
    return value if value is None or isinstance(value, int) else float(f"{value:.5g}")
