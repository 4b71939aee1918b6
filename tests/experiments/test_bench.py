"""`rlmem bench`: what is measured, how a result describes itself, ratios to an earlier one, the tables over size."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from rlmem.experiments.bench import worker
from rlmem.experiments.bench.cells import AgentCell, Cell, EnvironmentCell, LanguageCell
from rlmem.experiments.bench.comparison import compare
from rlmem.experiments.bench.figure import Figure
from rlmem.experiments.bench.measurement import Settings, measure_cell
from rlmem.experiments.bench.plan import Sizes, plan_cells, scales
from rlmem.experiments.bench.result import Result, read_result
from rlmem.experiments.bench.scaling import scale_rows

Command = Callable[..., Any]

SIZES = Sizes(num_envs=4, num_steps=8, env_steps=2)
TINY = ["--num-envs", "4", "--num-steps", "8", "--repeats", "3", "--env-steps", "2", "--threads", "1"]


def measured(cell: EnvironmentCell | AgentCell, repeats: int, capfd: pytest.CaptureFixture[str]) -> dict[str, Figure]:
    """What the process of a cell prints, measured in this one."""
    threads = torch.get_num_threads()
    assert worker.main([worker.Job(cell, repeats, 1, "cpu").to_json()]) == 0
    torch.set_num_threads(threads)
    printed = json.loads(capfd.readouterr().out)
    return {name: Figure.from_json(name, data) for name, data in printed.items()}


def result_of(figures: Iterable[Figure], threads: int = 2) -> Result:
    made_with = {"rlmem": "0", "commit": None, "machine": {"processor": "x", "cores": 2}}
    return Result("rlmem bench", {}, made_with, "cpu", threads, {figure.name: figure for figure in figures})


def made_up(cell: Cell) -> list[Figure]:
    """The figures of a cell whose every time in seconds, and memory in MiB beyond 100, is the product of its sizes."""
    if isinstance(cell, EnvironmentCell):
        return [Figure(cell.figure, "steps/s", [1])]
    cost = cell.live * cell.max_span * (cell.num_envs if isinstance(cell, AgentCell) else 1)
    peak = {"before": 100, "memory_size": cost}
    if isinstance(cell, LanguageCell):
        rate = Figure(cell.figure("lm"), "tokens/s", [2048 / cost], {"tokens": 2048, "memory_size": cost})
        return [rate, Figure(cell.figure("lm peak memory"), "MiB", [100 + cost], peak)]
    rates = [cell.num_envs * cell.num_steps / cost]
    parts = [Figure(cell.figure(part), "steps/s", rates, peak) for part in ("acting", "learning", "training")]
    return [*parts, Figure(cell.figure("peak memory"), "MiB", [100 + cost], peak)]


def test_an_agent_acts_learns_and_trains() -> None:
    # in a process of its own, as always: this one's peak was reached by whatever test took most before
    cell = AgentCell("ppo", 4, 8, live=20, is_endless=True)
    figures = {figure.name: figure for figure in measure_cell(cell, Settings(repeats=3, threads=1, device="cpu"))}
    sizes = "4x8 live 20 L 256 endless"
    assert list(figures) == [
        f"acting {sizes}", f"learning ppo {sizes}", f"training ppo {sizes}", f"peak memory ppo {sizes}"
    ]  # fmt: skip
    acting, learning, training, memory = figures.values()
    assert all(len(figure.repeats) == 3 for figure in (acting, learning, training))
    assert training.settings["memory_size"] == pytest.approx(20)
    for act, learn, whole in zip(acting.repeats, learning.repeats, training.repeats, strict=True):
        assert 1 / act + 1 / learn < 1 / whole  # the parts lie within the whole
    assert memory.median > float(memory.settings["before"]) > 50


def test_an_agent_that_only_acts(capfd: pytest.CaptureFixture[str]) -> None:
    figures = measured(AgentCell("a2c", 4, 8, only_acts=True), 2, capfd)
    assert [(name, len(figure.repeats)) for name, figure in figures.items()] == [("acting 4x8 live 25 L 256", 2)]


def test_live_memories_do_not_depend_on_the_longest_span(capfd: pytest.CaptureFixture[str]) -> None:
    cells = [AgentCell("a2c", 2, 10, live=30, max_span=span, is_endless=True) for span in (64, 4096)]
    sizes = [measured(cell, 1, capfd)[cell.figure("training")].settings["memory_size"] for cell in cells]
    assert sizes == pytest.approx([30, 30])


def test_an_environment_alone(capfd: pytest.CaptureFixture[str]) -> None:
    (figure,) = measured(EnvironmentCell("portal", 4, 2), 2, capfd).values()
    assert (figure.name, figure.unit, len(figure.repeats)) == ("environment portal x4", "steps/s", 2)


def test_what_is_asked_for_is_measured_once() -> None:
    everything = plan_cells(("environment", "acting", "learning", "training", "lm", "scale"), SIZES, quick=False)
    assert len(everything) == len(set(everything))
    assert plan_cells(("acting",), SIZES, quick=False) == [AgentCell("a2c", 4, 8, only_acts=True)]
    both = [AgentCell("a2c", 4, 8), AgentCell("ppo", 4, 8)]
    assert plan_cells(("acting", "learning"), SIZES, quick=False) == both
    assert len(plan_cells(("scale",), SIZES, quick=True)) < len(plan_cells(("scale",), SIZES, quick=False))
    for cell in everything:
        if isinstance(cell, AgentCell):
            cell.config("cpu")
        elif isinstance(cell, LanguageCell):
            assert cell.work("cpu", 1, 1).batch == 16


def test_a_result_describes_itself(rlmem: Command, here: Path) -> None:
    words = ["bench", "--what", "acting", *TINY]
    finished = rlmem(*words, "--json", "--out", "one.json")
    assert finished.code == 0, finished
    data = json.loads(finished.out)
    assert json.loads(Path("one.json").read_text()) == data
    assert data["command"] == f"rlmem bench --what acting {' '.join(TINY)} --json --out one.json"
    assert data["arguments"]["num_envs"] == 4
    assert (data["threads"], data["device"]) == (1, "cpu")
    assert set(data["made_with"]) == {"rlmem", "commit", "machine"}
    assert platform.node() not in json.dumps(data["made_with"]).split('"')
    ((name, figure),) = data["figures"].items()
    assert name == "acting 4x8 live 25 L 256"
    assert len(figure["repeats"]) == 3
    assert figure["median"] == statistics.median(figure["repeats"])
    shown = rlmem("bench", "--show", "one.json", "--compare", "one.json")
    assert shown.code == 0, shown
    assert "acting 4x8 live 25 L 256" in shown.out
    assert "1.00" in shown.out
    assert "only" not in shown.out


def test_ratios_to_an_earlier_result(here: Path, rlmem: Command) -> None:
    before = result_of([Figure("a", "steps/s", [1, 2, 9]), Figure("b", "MiB", [8]), Figure("gone", "MiB", [1])], 1)
    now = result_of([Figure("a", "steps/s", [3]), Figure("b", "MiB", [2]), Figure("new", "MiB", [1])])
    comparison = compare(before, now)
    assert comparison.ratios == {"a": 1.5, "b": 0.25}
    assert (comparison.only_before, comparison.only_now) == (["gone"], ["new"])
    assert comparison.differs == {"threads": (1, 2)}
    for name, result in (("before", before), ("now", now)):
        Path(f"{name}.json").write_text(json.dumps(result.to_json()))
    shown = rlmem("bench", "--show", "now.json", "--compare", "before.json")
    assert "measured otherwise: threads was 1, is 2" in shown.out
    assert "only before: gone" in shown.out
    assert "only now: new" in shown.out
    told = json.loads(rlmem("bench", "--show", "now.json", "--compare", "before.json", "--json").out)["compared"]
    assert told["ratios"] == {"a": 1.5, "b": 0.25}
    assert told["with"] == "before.json"


def test_lines_of_a_table_that_are_asked_for() -> None:
    cells = plan_cells(("scale-live",), SIZES, quick=False, only=(100, 800))
    assert [cell.live for cell in cells if isinstance(cell, AgentCell)] == [100, 800]
    assert len(cells) == 2


def test_results_in_parts(here: Path, rlmem: Command) -> None:
    parts = {
        "one": result_of([Figure("a", "MiB", [1]), Figure("b", "MiB", [1])]),
        "two": result_of([Figure("b", "MiB", [2])]),
        "other": result_of([Figure("c", "MiB", [3])], threads=1),
    }
    for name, result in parts.items():
        Path(f"{name}.json").write_text(json.dumps(result.to_json()))
    shown = json.loads(rlmem("bench", "--show", "one.json", "two.json", "--json").out)
    assert {name: figure["median"] for name, figure in shown["figures"].items()} == {"a": 1, "b": 2}
    assert shown["command"] == "rlmem bench; rlmem bench"
    finished = rlmem("bench", "--show", "one.json", "other.json")
    assert finished.code == 2
    assert "one.json and other.json cannot be one result: threads is 2 in the first and 1 in the second" in finished.err


def test_tables_over_size(here: Path, rlmem: Command) -> None:
    cells = [cell for scale in scales(1) for line in scale.lines for cell in line.cells]
    result = result_of(figure for cell in cells for figure in made_up(cell))
    envs, live, span, *_ = tables = scale_rows(result)
    assert len(tables) == 5
    assert list(envs.sizes) == [16, 64, 256, 1024, 4096]
    assert envs.column("environment, steps/s") == [1] * 5
    assert envs.column("training, steps/s") == pytest.approx([100 / (25 * 256)] * 5)
    assert live.column("learning, ms") == pytest.approx([1000 * 64 * size * 1024 for size in live.sizes])
    assert span.column("memory, MiB") == [64 * 25 * size for size in span.sizes]
    Path("result.json").write_text(json.dumps(result.to_json()))
    finished = rlmem("bench", "--show", "result.json", "--out", "again.json")
    assert "wrote again.json, again.md, again.png" in finished.out
    assert Path("again.png").read_bytes().startswith(b"\x89PNG")
    assert "| 65,536 | 8,388,608,000 | 8,388,608 | 8,388,608 |" in Path("again.md").read_text()
    assert read_result(Path("again.json")) == result


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "there is no file old.json; write one with rlmem bench --out old.json"),
        ("{", "old.json is no result of rlmem bench"),
        ("[]", "old.json is no result of rlmem bench"),
        ('{"peak_memory_mib": 1}', "old.json is no result of rlmem bench"),
        ('{"kind": "rlmem bench", "format": 7}', "has the format 7, but this version of rlmem reads 1"),
        ('{"kind": "rlmem bench", "format": 1}', "old.json is no whole result of rlmem bench"),
        ('{"kind": "rlmem bench", "format": 1, "figures": {"a": 1}}', "old.json is no whole result of rlmem bench"),
    ],
)
def test_files_that_are_no_result(rlmem: Command, here: Path, content: str | None, part: str) -> None:
    if content is not None:
        Path("old.json").write_text(content)
    for name in ("--compare", "--show"):
        finished = rlmem("bench", name, "old.json", *TINY)
        assert finished.code == 2, finished
        assert part in finished.err
        assert finished.out == ""
        assert "Traceback" not in finished.err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("--num-envs 0", "--num-envs is 0"),
        ("--repeats 0", "--repeats is 0"),
        ("--threads 0", "--threads is 0"),
        ("--what", "--what"),
        (
            "--what scale-live --sizes 60",
            "--sizes holds [60], but the tables asked for have [25, 50, 100, 200, 400, 800]",
        ),
        ("--sizes 60", "--sizes holds [60], but the tables asked for have no lines"),
        ("--what sleeping", "sleeping"),
        ("--out result.txt", "--out is result.txt, but the result is JSON; name it NAME.json"),
        ("--out nowhere/result.json", "--out nowhere/result.json: there is no folder nowhere; make it first"),
    ],
)
def test_words_that_cannot_be(rlmem: Command, here: Path, words: str, part: str) -> None:
    finished = rlmem("bench", *words.split())
    assert finished.code == 2, finished
    assert part in " ".join(finished.err.replace("│", " ").split())
    assert list(here.iterdir()) == []


def test_a_process_that_fails_says_why(rlmem: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmem.experiments.bench.measurement.Job.to_json", lambda _: "{}")
    finished = rlmem("bench", "--what", "acting", *TINY)
    assert finished.code == 1, finished
    assert "measuring training a2c 4x8 live 25 L 256 failed: " in finished.err
    assert finished.err.strip().endswith("lower --num-envs if memory ran out")
