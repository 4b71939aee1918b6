"""`rlmem reproduce` without an ID: what there is, what was run, and what came out beside the paper's figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from rlmem.experiments.comparison_score import score_of
from rlmem.experiments.reproduce.artefact import Artefact
from rlmem.experiments.reproduce.catalogue import ARTEFACTS
from rlmem.experiments.reproduce.planned_model import Scale
from rlmem.experiments.reproduce.results import KEPT, find_result
from rlmem.experiments.reproduce.score_figure import NAMES

SCALES: tuple[Scale, ...] = get_args(Scale)


def listing(kept: Path = KEPT) -> str:
    """All artefacts, a few lines each.

    Args:
        kept: folder of the results beside the source.
    """
    parts = [_lines(artefact, kept) for artefact in ARTEFACTS.values()]
    usage = "rlmem reproduce ID [--scale small|paper] makes one; --dry-run shows its commands."
    return "\n\n".join([*parts, usage])


def comparison_summary(comparison: Mapping[str, Any]) -> str:
    """What came out of a comparison of agents, in a line: each kind's scores and at which average memory.

    Args:
        comparison: the content of comparison.json.
    """
    score = score_of(comparison["task"])
    finished = [run for run in comparison["runs"] if run["status"] == "finished"]
    parts = [_points(kind, finished, score.name) for kind in dict.fromkeys(run["kind"] for run in finished)]
    failed = len(comparison["runs"]) - len(finished)
    return f"{score.label}, at average memory: {'; '.join(parts)}" + (f"; {failed} runs failed" if failed else "")


def outcome(artefact: Artefact, summary: str) -> str:
    """What came out, below what the paper reports."""
    return f"the paper, {artefact.paper.where}: {artefact.paper.says}\nhere: {summary}"


def _lines(artefact: Artefact, kept: Path) -> str:
    lines = [f"{artefact.id}  {artefact.title}", f"    the paper, {artefact.paper.where}: {artefact.paper.says}"]
    for scale in SCALES:
        result = find_result(artefact, scale, kept)
        if result is None:
            lines.append(f"    {scale}: not run here")
        else:
            content = result.content
            summary = comparison_summary(content) if artefact.comparison else content["summary"]
            lines.append(f"    {scale}: {summary} ({_shown(result.folder)})")
    return "\n".join(lines)


def _shown(folder: Path) -> Path:
    """A folder as short as can be: from here, if it lies below."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _points(kind: str, runs: Sequence[Mapping[str, Any]], score: str) -> str:
    own = sorted(
        (run["evaluation"]["memory_size_mean"], run["evaluation"][score]) for run in runs if run["kind"] == kind
    )
    return f"{NAMES.get(kind, kind)} " + ", ".join(f"{value:.2f} at {size:.0f}" for size, value in own)
