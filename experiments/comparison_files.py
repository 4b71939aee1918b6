"""The results of a comparison on disk: comparison.json, TABLE.md, comparison.png and comparison.pdf."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlmem.errors import UsageError, check
from rlmem.experiments.atomic_files import write_bytes, write_json
from rlmem.experiments.comparison_figure import comparison_figure
from rlmem.experiments.comparison_folder import check_same_runs
from rlmem.experiments.comparison_plan import PlannedRun, as_json, config_difference
from rlmem.experiments.comparison_results import read_comparison
from rlmem.experiments.comparison_table import comparison_table
from rlmem.experiments.train_config import TrainConfig

_JSON, _TABLE, _PNG, _PDF = "comparison.json", "TABLE.md", "comparison.png", "comparison.pdf"
_SHARED = "what all runs share"


def check_out(folder: Path, runs: Sequence[PlannedRun], base: TrainConfig) -> None:
    """See that the folder can take the results: it holds none, or earlier ones of these runs.

    Args:
        folder: for the results.
        runs: of the comparison.
        base: what they share.

    Raises:
        UsageError: it holds the results of something else.
    """
    check(not folder.exists() or folder.is_dir(), f"{folder} is a file; choose another --out")
    recorded = read_comparison(folder / _JSON)
    if recorded is None:
        for name in (_TABLE, _PNG, _PDF):
            check(not (folder / name).exists(), f"{folder / name} exists and is of no comparison; choose another --out")
        return
    planned = {run.name: config_difference(run.config, base) for run in runs}
    check_same_runs(
        {_SHARED: recorded["base_config"], **{run["name"]: run["config_difference"] for run in recorded["runs"]}},
        {_SHARED: as_json(base), **planned},
        folder,
    )


def write_comparison(comparison: Mapping[str, Any], folder: Path, *, log_x: bool, pdf: bool) -> list[Path]:
    """Write JSON, table and figure.

    Args:
        comparison: the content of comparison.json.
        folder: for the files; made if it is not there.
        log_x: see `comparison_figure`.
        pdf: write the figure as PDF too.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / _JSON, comparison)
    write_bytes(folder / _TABLE, comparison_table(comparison).encode())
    return [folder / _JSON, folder / _TABLE, *_draw(comparison, folder, log_x=log_x, pdf=pdf)]


def draw_again(folder: Path, task: str, *, log_x: bool, pdf: bool) -> None:
    """Draw the figure from the JSON file. Arguments as for `write_comparison`.

    Raises:
        UsageError: there is no such file, or it is of another task.
    """
    comparison = read_comparison(folder / _JSON)
    if comparison is None:
        raise UsageError(f"--figure-only needs {folder / _JSON}, which is not there; give the --out of a comparison")
    there = comparison["task"]
    check(there == task, f"{folder / _JSON} is of the task {there}; try rlmem compare {there} --figure-only")
    print(f"wrote {', '.join(map(str, _draw(comparison, folder, log_x=log_x, pdf=pdf)))}")


def _draw(comparison: Mapping[str, Any], folder: Path, *, log_x: bool, pdf: bool) -> list[Path]:
    figure = comparison_figure(comparison, log_x=log_x)
    files = [folder / _PNG, *([folder / _PDF] if pdf else [])]
    for file in files:
        buffer = io.BytesIO()
        figure.savefig(buffer, format=file.suffix[1:], dpi=130)
        write_bytes(file, buffer.getvalue())
    return files
