"""What is kept of a run in an artefact's result.json."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from rlmem.experiments.curve import read_curve
from rlmem.experiments.reproduce.planned_model import ModelRun, PlannedModel
from rlmem.experiments.reproduce.run_state import read_evaluation

Record = Mapping[str, Any]
"""A run in result.json, see `describe_run`."""

_CURVE = ("train/bits", "train/perplexity", "memory/size_mean", "memory/span_mean", "eval/")


def describe_run(run: ModelRun) -> dict[str, Any]:
    """Everything worth keeping of a run that is done, JSON-able.

    Args:
        run: which one.
    """
    return {
        **_describe_model(run.model),
        "size": run.config.model.max_span,
        "status": "finished",
        "command": shlex.join(["rlmem", *run.words]),
        "path": str(run.path),
        "config": json.loads((run.path / "config.json").read_text(encoding="utf-8")),
        "trained_with": json.loads((run.path / "provenance.json").read_text(encoding="utf-8")),
        "evaluation": read_evaluation(run.path),
        "curve": read_curve(run.path / "metrics.jsonl", _CURVE),
    }


def describe_failure(model: PlannedModel, error: str) -> dict[str, Any]:
    """What is kept of a run that failed.

    Args:
        model: what was planned.
        error: why it failed.
    """
    return {**_describe_model(model), "size": None, "status": "failed", "error": error}


def _describe_model(model: PlannedModel) -> dict[str, Any]:
    return {
        "key": model.key,
        "task": model.task,
        "kind": model.kind,
        "label": model.label,
        "seed": model.seed,
        "counterpart": model.counterpart,
    }
