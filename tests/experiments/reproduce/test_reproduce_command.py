"""`rlmem reproduce` as it is typed: the listing, real tiny runs from end to end, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlmem.errors import RlmemError
from rlmem.experiments.cli import main
from rlmem.experiments.comparison_jobs import Exit
from rlmem.experiments.reproduce import command
from rlmem.experiments.reproduce.catalogue import ARTEFACTS
from rlmem.experiments.reproduce.listing import listing
from rlmem.experiments.reproduce.planned_model import ModelRun
from rlmem.experiments.reproduce.results import default_out
from rlmem.experiments.reproduce.worker import work

Command = Callable[..., Any]

_TINY = (
    "--updates 8 --batch 2 --block 32 --model 16 --feedforward 16 --heads 2 --num-layers 2 --ramp 4 --eval-rows 2 "
    "--eval-interval 4 --log-interval 2 --checkpoint-interval 4 --warmup-updates 2 --num-threads 1"
)
TINY = _TINY.split()
_COPY = "--max-count 3 --min-distance 5 --max-distance 20 --eval-symbols 1000"
COPY = _COPY.split()
_LINE = "== Part {0} ==\nThe [[Guinea coast]] was seen by Alexander in {1}, ünder way.\n"
TEXT = "".join(_LINE.format(number, 1480 + number) for number in range(90))
COMPARISON = {
    "format": 1,
    "task": "corridor",
    "runs": [
        {"kind": kind, "status": "finished", "evaluation": {"memory_size_mean": size, "success_rate": rate}}
        for kind, size, rate in [("expire_span", 24.6, 0.99), ("transformer_xl", 67.0, 0.98), ("expire_span", 8.0, 1)]
    ]
    + [{"kind": "transformer_xl", "status": "failed"}],
}


class InThisProcess:
    """A run's process that is none: its work is done as it starts."""

    def __init__(self, run: ModelRun, log: Path) -> None:
        log.touch()
        self._code = work(run.path, run.words, main)

    def poll(self) -> Exit:
        return Exit(self._code)

    def stop(self) -> None:
        raise AssertionError("nothing is left to stop")


@pytest.fixture
def reproduce(rlmem: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`rlmem reproduce` with runs in this process."""
    monkeypatch.setattr(command, "start_process", lambda threads: InThisProcess)
    return lambda *words: rlmem("reproduce", *words)


@pytest.fixture
def text(here: Path) -> str:
    (here / "enwik8").write_text(TEXT)
    return "enwik8"


def test_listing_says_what_was_run(rlmem: Command, here: Path, tmp_path: Path) -> None:
    def blocks(kept: Path) -> dict[str, list[str]]:
        parts = [part.splitlines() for part in listing(kept).split("\n\n")]
        return {lines[0].split()[0]: lines for lines in parts}

    kept = tmp_path / "kept"
    assert blocks(kept)["figure-4-left"][2:] == ["    small: not run here", "    paper: not run here"]
    (kept / "figure-4-left").mkdir(parents=True)
    (kept / "figure-4-left/comparison.json").write_text(json.dumps(COMPARISON))
    (kept / "reproduce/table-1-paper").mkdir(parents=True)
    (kept / "reproduce/table-1-paper/result.json").write_text('{"format": 1, "summary": "99 at 12"}')
    found = blocks(kept)
    assert found["figure-4-left"][2:] == [
        "    small: success rate, at average memory: Expire-Span 1.00 at 8, 0.99 at 25; Transformer-XL 0.98 at 67; "
        "1 runs failed (kept/figure-4-left)",
        "    paper: not run here",
    ]
    assert found["table-1"][2:] == ["    small: not run here", "    paper: 99 at 12 (kept/reproduce/table-1-paper)"]
    here_first = default_out(ARTEFACTS["table-1"], "paper")
    here_first.mkdir(parents=True)
    (here_first / "result.json").write_text('{"format": 1, "summary": "better"}')
    assert blocks(kept)["table-1"][3] == f"    paper: better ({here_first})"
    listed = rlmem("reproduce")
    assert listed.code == 0
    assert "the paper, table 1, page 7: Transformer-XL (2,048) 26.7" in listed.out
    (here_first / "result.json").write_text("{")
    with pytest.raises(RlmemError, match="is no whole result"):
        listing(kept)


def test_copy_from_end_to_end(reproduce: Command, here: Path) -> None:
    finished = reproduce("table-1", "--", *TINY, *COPY)
    assert finished.code == 0, finished.err
    assert "here: right copies on test (%), at average memory: Expire-Span " in finished.out
    runs = {run["key"]: run for run in json.loads((here / "reproduce/table-1-small/result.json").read_text())["runs"]}
    ours, equal = runs["copy-expire_span-s1"], runs["copy-transformer_xl-x1-s1"]
    assert ours["evaluation"]["split"] == "test"
    size, other = (one["evaluation"]["memory_size_mean"] for one in (ours, equal))
    assert size <= other <= size + 1, "equal average memory, as it was measured"
    assert ours["config"]["options"]["max_distance"] == 20
    assert "    small: right copies on test (%), at average memory: Expire-Span " in reproduce().out
    assert reproduce("table-1", "--", *TINY, *COPY, "--batch", "4").code == 2

    run = here / "runs/copy/reproduce-small-expire_span-s1"
    weights = (run / "checkpoints/step_8/model.safetensors").read_bytes()
    shutil.rmtree(run / "checkpoints/step_8")
    assert (run / "checkpoints/step_4").is_dir(), "as if it had been stopped there"
    assert reproduce("table-1", "--quiet", "--", *TINY, *COPY).code == 0
    assert (run / "checkpoints/step_8/model.safetensors").read_bytes() == weights


@pytest.mark.parametrize("id", ["figure-9", "figure-10", "figure-12", "figure-13"])
def test_analyses_of_text(reproduce: Command, here: Path, text: str, id: str) -> None:
    finished = reproduce(id, "--data", text, "--", *TINY)
    assert finished.code == 0, finished.err
    out = here / f"reproduce/{id}-small"
    made = json.loads((out / "result.json").read_text())
    assert "is not the whole enwik8" in made["notices"][0]
    assert (out / "figure.png").read_bytes().startswith(b"\x89PNG")
    details = made["details"]
    if id == "figure-9":
        assert details["word"] in ("Guinea", "Alexander", "Part")
        assert set(details["spans"]) == {"somewhere", "SpongeBob SquarePants"}
        assert {one["before"] for one in details["spans"]["somewhere"]} == {
            one["before"] for one in details["spans"]["SpongeBob SquarePants"]
        }
    elif id == "figure-10":
        assert details["limit"] == 1024 // 16
        assert details["bits_limited"] != details["bits"]
    elif id == "figure-12":
        assert set(details["mean_span_by_class"][0]) == {
            "capital", "small letter", "digit", "space", "line end", "other"
        }  # fmt: skip
    else:
        dropped, whole = (run["config"]["model"]["memory_dropout"] for run in made["runs"])
        assert (dropped, whole) == (True, False)
        assert len(details["bits_by_stretch"]["whole"]) == len(details["bits_by_stretch"]["dropped"]) > 100


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["figure-4"], "did you mean 'figure-4-left' or 'figure-4-right'? choose one of"),
        (["figure-4-lefft"], "did you mean 'figure-4-left'? choose one of"),
        (["figure-8"], "the paper's 'figure-8' is not among what can be reproduced"),
        (["table-1", "--jobs", "0"], "--jobs is 0, but it must be at least 1"),
        (["table-1", "--data", "x"], "--data is the place of a text, but table-1 reads none; leave it out"),
        (["figure-5", "--data", "x"], "--data is the place of a text, but figure-5 reads none; leave it out"),
        (["table-2"], "table-2 reads enwik8, but no --data was given; give the place of its files"),
        (["table-2", "--data", "nowhere"], "nowhere"),
        (["table-1", "--", "--max-span", "9"], "--max-span after -- would hold for every run"),
        (["table-2", "--", "--data=x"], "leave it out, or give --data before the --"),
        (["figure-5", "--", "--seed", "9"], "--seed after -- would hold for every run"),
        (["table-1", "--", "--compression-rate", "1"], "--compression-rate is 1"),
        (["--dry-run"], "rlmem reproduce needs an ID"),
    ],
)
def test_bad_input(rlmem: Command, words: list[str], message: str, here: Path) -> None:
    finished = rlmem("reproduce", *words)
    assert finished.code == 2
    assert message in finished.err
    assert "Traceback" not in finished.err
    assert list(here.iterdir()) == []


def test_paper_scale_wants_the_whole_text(rlmem: Command, text: str) -> None:
    finished = rlmem("reproduce", "table-2", "--scale", "paper", "--data", text)
    assert finished.code == 2
    assert "but --whole asks for all of it" in finished.err
