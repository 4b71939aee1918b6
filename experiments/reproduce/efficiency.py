"""Table 4: score, peak memory and time of a batch of each kind of memory, task by task.

Memory and time are those of `rlmem lm bench RUN`: training batches at the run's last checkpoint, its memory full, each
run in a process of its own, one after the other.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

from rlmem.experiments.lm.bench_command import run as run_bench
from rlmem.experiments.reproduce.artefact import Drawn, Material
from rlmem.experiments.reproduce.model_score import SCORES
from rlmem.experiments.reproduce.paper import PaperResult
from rlmem.experiments.reproduce.records import Record
from rlmem.experiments.reproduce.score_figure import NAMES

Costs = Mapping[str, Mapping[str, Any]]
"""By a run's key, what `rlmem lm bench` measured."""

_NONE = "–"
_HEAD = (
    "task", "memory", "score", "average memory", "peak memory (MiB)", "time of a batch (ms)",
    "the paper's score", "the paper's GPU memory (GB)", "the paper's time of a batch (ms)",
)  # fmt: skip


def draw_efficiency(material: Material) -> Drawn:
    """Measure the runs and make the table; there is no figure.

    Args:
        material: runs of several tasks.
    """
    machine, costs = measure(material.finished)
    return Drawn(
        summary=efficiency_summary(material.finished, costs),
        table=efficiency_table(material.records, costs, material.paper),
        details={"machine": machine, "costs": costs},
    )


def measure(records: Sequence[Record]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The machine, and by run what `rlmem lm bench` measures on it.

    Args:
        records: runs that are finished.
    """
    if not records:
        return {}, {}
    printed = io.StringIO()
    with redirect_stdout(printed):
        run_bench([*(record["path"] for record in records), "--json"])
    report = json.loads(printed.getvalue())
    return report["machine"], {record["key"]: report["measured"][record["path"]] for record in records}


def efficiency_table(records: Sequence[Record], costs: Costs, paper: PaperResult) -> str:
    """The Markdown table, failed runs included.

    Args:
        records: all runs.
        costs: of those that are finished.
        paper: the paper's rows.
    """
    rows = [_row(record, costs, paper) for record in records]
    lines = [list(_HEAD), ["---"] * len(_HEAD), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def efficiency_summary(records: Sequence[Record], costs: Costs) -> str:
    """Score, memory and time of each run that is finished, in a line."""
    parts = []
    for task in dict.fromkeys(record["task"] for record in records):
        score = SCORES[task]
        models = [
            f"{NAMES[record['kind']]} {score.show(score.of(record['evaluation']))}, "
            f"{costs[record['key']]['peak_memory_mib']:,.0f} MiB, "
            f"{costs[record['key']]['milliseconds_per_batch']:,.0f} ms"
            for record in records
            if record["task"] == task
        ]
        parts.append(f"{task} ({score.label}): {'; '.join(models)}")
    return "; ".join(parts)


def _row(record: Record, costs: Costs, paper: PaperResult) -> list[str]:
    task, name = record["task"], NAMES[record["kind"]]
    theirs = paper.row(f"{task}: {name}")
    printed = [f"{theirs.score:g}", f"{theirs.gpu_gigabytes:g}", f"{theirs.milliseconds:g}"]
    if record["status"] == "failed":
        return [task, name, f"failed: {record['error']}", *[_NONE] * 3, *printed]
    score, evaluation, cost = SCORES[task], record["evaluation"], costs[record["key"]]
    own = [f"{score.show(score.of(evaluation))}, {score.label}", f"{evaluation['memory_size_mean']:,.1f}"]
    own += [f"{cost['peak_memory_mib']:,.0f}", f"{cost['milliseconds_per_batch']:,.0f}"]
    return [task, name, *own, *printed]
