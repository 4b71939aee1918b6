"""Runs of language models that were never trained: their files alone, and processes that write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rlmem.experiments.comparison_jobs import Exit
from rlmem.experiments.reproduce.planned_model import ModelRun
from rlmem.experiments.reproduce.run_state import write_evaluation

EVALUATION = {"metric": "accuracy", "bits": 0.5, "chance": 0.25, "parameters": 1234}


def write_run(run: ModelRun, updates: int | None = None) -> None:
    """The files of a run with so many updates; None: all."""
    done = run.config.run.all_updates if updates is None else updates
    (run.path / "checkpoints" / f"step_{done}").mkdir(parents=True, exist_ok=True)
    (run.path / "config.json").write_text(json.dumps(run.config.to_json()))
    (run.path / "provenance.json").write_text('{"rlmem": "0"}')
    lines = [
        {"step": step, "train/bits": 3.0 - step / done, "eval/item_accuracy": step / done}
        for step in range(1, done + 1)
    ]
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def finish_run(run: ModelRun, **figures: Any) -> None:
    """The files of a run that is trained and evaluated; figures go into its evaluation."""
    write_run(run)
    size = 20.0 if run.model.kind == "expire_span" else float(run.config.model.max_span)
    evaluation = {**EVALUATION, "item_accuracy": 0.75, "memory_size_mean": size, **figures}
    write_evaluation(run.path, {"checkpoint": f"step_{run.config.run.all_updates}", **evaluation})


@dataclass
class DoneAtOnce:
    """A process that was over before it was asked."""

    code: int
    stops: int = 0

    def poll(self) -> Exit:
        return Exit(self.code)

    def stop(self) -> None:
        self.stops += 1


@dataclass
class FakeRuns:
    """Starts processes that write what a run leaves behind.

    Args:
        started: keys of the runs, in order.
        fails: what the run of a key prints as it fails.
        hook: called before a run starts.
    """

    started: list[str] = field(default_factory=list)
    fails: dict[str, str] = field(default_factory=dict)
    hook: Callable[[str], int | None] = lambda key: None

    def __call__(self, run: ModelRun, log: Path) -> DoneAtOnce:
        self.started.append(run.model.key)
        code = self.hook(run.model.key)
        if code is not None:
            log.write_text("stopped\n")
            return DoneAtOnce(code)
        if run.model.key in self.fails:
            log.write_text(f"some words\nrlmem: error: {self.fails[run.model.key]}\n")
            return DoneAtOnce(1)
        finish_run(run)
        return DoneAtOnce(0)


@pytest.fixture
def fakes() -> FakeRuns:
    return FakeRuns()


@pytest.fixture
def write_files() -> Callable[..., None]:
    """`write_run`."""
    return write_run


@pytest.fixture
def finish() -> Callable[..., None]:
    """`finish_run`."""
    return finish_run
