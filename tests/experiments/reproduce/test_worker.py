"""The process of a run: which commands it runs, by what lies in the run's folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rlmem.experiments.reproduce.planned_model import ModelRun, PlannedModel, Settings, make_run
from rlmem.experiments.reproduce.run_state import read_evaluation
from rlmem.experiments.reproduce.worker import work

Write = Callable[..., None]


@pytest.fixture
def run(here: Path) -> ModelRun:
    return make_run(PlannedModel("copy", "expire_span"), Settings("small", "runs", {}, ("--updates", "3")))


class Commands:
    """Notes the commands, and does what they would leave behind."""

    def __init__(self, run: ModelRun, write: Write, code: int = 0) -> None:
        self.run, self.write, self.code, self.seen = run, write, code, list[tuple[str, ...]]()

    def __call__(self, words: Sequence[str]) -> int:
        self.seen.append(tuple(words[:2]))
        if words[:2] == ["lm", "eval"]:
            assert words[2] == str(self.run.path)
            print(json.dumps({"checkpoint": "step_3", "item_accuracy": 1.0}))
            return 0
        assert words[-1] == "--quiet"
        if self.code == 0:
            self.write(self.run)
        return self.code


def test_a_new_run_is_trained_and_evaluated(run: ModelRun, write_files: Write) -> None:
    commands = Commands(run, write_files)
    assert work(run.path, run.words, commands) == 0
    assert commands.seen == [("lm", "train"), ("lm", "eval")]
    assert read_evaluation(run.path) == {"checkpoint": "step_3", "item_accuracy": 1.0}


def test_a_begun_run_goes_on(run: ModelRun, write_files: Write) -> None:
    write_files(run, 2)
    commands = Commands(run, write_files)
    assert work(run.path, run.words, commands) == 0
    assert commands.seen == [("resume", str(run.path)), ("lm", "eval")]


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(run: ModelRun, write_files: Write) -> None:
    run.path.mkdir(parents=True)
    (run.path / "config.json").write_text("{}")
    (run.path / "left").write_text("by the kill")
    commands = Commands(run, write_files)
    assert work(run.path, run.words, commands) == 0
    assert commands.seen == [("lm", "train"), ("lm", "eval")]
    assert not (run.path / "left").exists()


def test_a_trained_run_is_only_evaluated_and_an_evaluated_one_left_alone(run: ModelRun, write_files: Write) -> None:
    write_files(run)
    commands = Commands(run, write_files)
    assert work(run.path, run.words, commands) == 0
    assert work(run.path, run.words, commands) == 0
    assert commands.seen == [("lm", "eval")]


def test_a_stopped_run_is_not_evaluated(run: ModelRun, write_files: Write) -> None:
    commands = Commands(run, write_files, code=143)
    assert work(run.path, run.words, commands) == 143
    assert commands.seen == [("lm", "train")]
