"""The runs of an artefact: their order, what is skipped, what fails, what is stopped, and what is drawn of it."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rlmem.errors import RlmemError, UsageError
from rlmem.experiments.reproduce.catalogue import ARTEFACTS
from rlmem.experiments.reproduce.model_work import make_plan, places_of, reproduce_models
from rlmem.experiments.reproduce.plan import Plan
from rlmem.experiments.reproduce.planned_model import Settings, make_run
from rlmem.experiments.reproduce.training import Work

Write = Callable[..., None]
COPY = ARTEFACTS["table-1"]
FLAGS = ("--eval-symbols", "2000", "--updates", "3")
OUT = Path("reproduce/table-1-small")
FREE = ["copy-expire_span-s1", "copy-expire_span-L128-s1"]
DEPENDENT = ["copy-transformer_xl-x1-s1", "copy-transformer_xl-x8-s1"]


@dataclass
class Copy:
    """Table 1 with processes that write their runs' files."""

    start: Any
    flags: tuple[str, ...] = FLAGS

    def __call__(self, artefact: str = "table-1", out: Path = OUT) -> int:
        work = Work(2, out / "logs", True, self.start)
        return reproduce_models(ARTEFACTS[artefact], self.settings, out, work, "rlmem reproduce table-1")

    @property
    def settings(self) -> Settings:
        return Settings("small", "runs", {}, self.flags)

    @property
    def plan(self) -> Plan:
        return make_plan(COPY, self.settings, OUT)[0]


@pytest.fixture
def copy(here: Path, fakes: Any) -> Copy:
    return Copy(fakes)


def result() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((OUT / "result.json").read_text())
    return content


def test_what_depends_on_a_run_comes_after_it(copy: Copy) -> None:
    assert copy() == 0
    assert copy.start.started == FREE + DEPENDENT
    runs = {run["key"]: run for run in result()["runs"]}
    assert list(runs) == [model.key for model in COPY.models["small"]]
    assert runs[FREE[0]]["evaluation"]["memory_size_mean"] == 20
    assert runs[DEPENDENT[0]]["size"] in range(21, 25), "as many memories as Expire-Span had, 20, short stories counted"
    assert runs[DEPENDENT[1]]["size"] == 124, "8 times that is more than a row of 125 holds"
    assert "--max-span " + str(runs[DEPENDENT[0]]["size"]) in runs[DEPENDENT[0]]["command"]
    assert all(run["status"] == "finished" for run in runs.values())


def test_results_say_what_was_made(copy: Copy) -> None:
    copy()
    made = result()
    assert (made["artefact"], made["scale"], made["command"]) == ("table-1", "small", "rlmem reproduce table-1")
    assert made["paper"]["rows"][0]["score"] == 26.7
    assert "Expire-Span 75.0 at 20, 75.0 at 20" in made["summary"]
    table = (OUT / "TABLE.md").read_text()
    assert "| Expire-Span | 512 | 1 | 20.0 | 75.0 | 1,234 | Expire-Span 128K | 52.1 |" in table
    assert (OUT / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert made["runs"][0]["curve"]["step"] == [1, 2, 3]


def test_finished_runs_are_skipped_and_begun_ones_go_on(copy: Copy, write_files: Write) -> None:
    copy()
    copy.start.started.clear()
    assert copy() == 0
    assert copy.start.started == []
    plan = copy.plan
    begun, unread = (plan.run(COPY.models["small"][number]) for number in (1, 2))
    assert begun is not None
    assert unread is not None
    shutil.rmtree(begun.path)
    write_files(begun, 1)
    (unread.path / "evaluation.json").unlink()
    assert copy() == 0
    assert copy.start.started == [begun.model.key, unread.model.key]


def test_an_evaluation_of_an_earlier_checkpoint_does_not_count(copy: Copy) -> None:
    copy()
    copy.start.started.clear()
    file = Path("runs/copy/reproduce-small-expire_span-L128-s1/evaluation.json")
    file.write_text(file.read_text().replace("step_3", "step_2"))
    copy()
    assert copy.start.started == [FREE[1]]


def test_a_failed_run_does_not_stop_the_others_and_is_tried_again(
    copy: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    copy.start.fails = {FREE[1]: "the loss is no number"}
    assert copy() == 1
    assert copy.start.started == FREE + DEPENDENT
    err = capsys.readouterr().err
    assert f"the run {FREE[1]} failed: the loss is no number; see {OUT}/logs/{FREE[1]}.log" in err
    assert "1 of 4 runs failed; to try them again: rlmem reproduce table-1" in err
    assert [run["status"] for run in result()["runs"]].count("failed") == 1
    assert "failed: the loss is no number" in (OUT / "TABLE.md").read_text()
    copy.start.fails = {}
    copy.start.started.clear()
    assert copy() == 0
    assert copy.start.started == [FREE[1]]
    assert "failed" not in (OUT / "TABLE.md").read_text()


def test_what_depends_on_a_failed_run_is_not_begun(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    copy.start.fails = {FREE[0]: "out of memory"}
    assert copy() == 1
    assert copy.start.started == FREE
    assert "its L depends on the average memory of expire_span-s1, which is not done" in capsys.readouterr().err


def test_nothing_is_drawn_of_nothing(copy: Copy) -> None:
    copy.start.fails = dict.fromkeys(FREE, "out of memory")
    assert copy() == 1
    assert sorted(path.name for path in OUT.iterdir()) == [".lock", "logs"]


def test_a_process_that_ends_well_without_its_work_has_failed(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    copy.start.hook = lambda key: 0 if key == FREE[1] else None
    assert copy() == 1
    assert f"the run {FREE[1]} failed: its process ended before it was done" in capsys.readouterr().err


def test_a_signal_stops_and_the_next_start_goes_on(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(key: str) -> int | None:
        if key == FREE[1]:
            signal.raise_signal(signal.SIGINT)
            return 130
        return None

    copy.start.hook = interrupt
    assert copy() == 130
    assert copy.start.started == FREE
    assert "stopped: 1 of 4 runs are done; go on with: rlmem reproduce table-1" in capsys.readouterr().out
    assert not (OUT / "result.json").exists()
    copy.start.hook = lambda key: None
    copy.start.started.clear()
    assert copy() == 0
    assert copy.start.started == FREE[1:] + DEPENDENT


def test_artefacts_share_runs(here: Path, copy: Copy, finish: Write) -> None:
    settings = Settings("small", "runs", {})
    table, figure = (ARTEFACTS[id].models["small"] for id in ("table-3", "table-4"))
    shared = {model.key for model in table} & {model.key for model in figure}
    assert shared == {f"collision-{name}-s1" for name in ("expire_span", "adaptive_span", "compressive-L16")}
    for model in table:
        if model.key in shared:
            finish(make_run(model, settings))
    plan = Plan(figure, settings)
    assert {run.model.key for run in plan.done()} == shared


def test_another_configuration_is_refused(copy: Copy) -> None:
    copy()
    other = Copy(copy.start, (*FLAGS, "--learning-rate", "0.5"))
    with pytest.raises(UsageError, match=r"result.json, for copy-.* learner.learning_rate is 0.001, not 0.5; .*--out"):
        other()
    shutil.rmtree(OUT)
    with pytest.raises(UsageError, match=r"runs/copy/reproduce-small-expire_span-s1 holds another run: .*--output"):
        other()


def test_device_and_threads_may_differ(copy: Copy) -> None:
    copy()
    copy.start.started.clear()
    other = Copy(copy.start, (*FLAGS, "--device", "cpu", "--num-threads", "1"))
    assert other() == 0
    assert copy.start.started == []


def test_a_folder_with_something_else_is_refused(copy: Copy) -> None:
    copy()
    with pytest.raises(UsageError, match=r"holds table-1 at the scale small, not table-6 at small; choose another"):
        copy("table-6")
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("")
    with pytest.raises(UsageError, match=r"mine holds something else \(thesis.tex\); choose another --out"):
        copy(out=Path("mine"))
    with pytest.raises(UsageError, match=r"thesis.tex is a file; choose another --out"):
        copy(out=Path("mine/thesis.tex"))
    Path("runs/copy/reproduce-small-expire_span-s1/config.json").unlink()
    shutil.rmtree(OUT)
    with pytest.raises(UsageError, match=r"expire_span-s1 exists and is no run; choose another --output"):
        copy()


def test_damaged_files_are_named(copy: Copy) -> None:
    copy()
    (OUT / "result.json").write_text("{")
    with pytest.raises(RlmemError, match=r"result.json is no whole result; remove it and make it again"):
        copy()
    shutil.rmtree(OUT)
    Path("runs/copy/reproduce-small-expire_span-s1/evaluation.json").write_text("{")
    with pytest.raises(RlmemError, match=r"evaluation.json is no whole JSON file .*; remove it and start again"):
        copy()


def test_places_of_texts() -> None:
    table = ARTEFACTS["table-4"]
    assert places_of(table, "small", ["d"]) == {"enwik8": "d", "pg19": "d"}
    assert places_of(table, "small", ["pg19=a=b"]) == {"pg19": "a=b"}
    assert places_of(ARTEFACTS["table-2"], "small", ["a=b"]) == {"enwik8": "a=b"}
    with pytest.raises(UsageError, match="a place for enwik8 twice"):
        places_of(table, "small", ["enwik8=a", "b"])
    with pytest.raises(UsageError, match="table-2 does not read pg19"):
        places_of(ARTEFACTS["table-2"], "small", ["pg19=a"])
    with pytest.raises(UsageError, match="table-1 reads none; leave it out"):
        places_of(COPY, "small", ["a"])


def test_a_missing_text_is_refused_or_left_out(here: Path) -> None:
    with pytest.raises(UsageError, match=r"table-2 reads enwik8, but no --data was given"):
        make_plan(ARTEFACTS["table-2"], Settings("small", "runs", {}), OUT, is_text_needed=True)
    settings = Settings("small", "runs", {"enwik8": "there"})
    plan, notices = make_plan(ARTEFACTS["table-4"], settings, OUT, is_text_needed=True)
    assert {model.task for model in plan.models} == {"instruction", "collision", "enwik8"}
    assert notices == ["pg19 is left out: no --data pg19=PLACE was given"]
