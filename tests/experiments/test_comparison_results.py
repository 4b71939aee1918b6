"""What is made of the runs' numbers: aggregates, table and figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from rlmem.experiments.atomic_files import write_json
from rlmem.experiments.cli import main
from rlmem.experiments.comparison_figure import comparison_figure
from rlmem.experiments.comparison_results import aggregate, steps_per_second, steps_to
from rlmem.experiments.comparison_score import score_of
from rlmem.experiments.comparison_table import comparison_table

SIZES = {5: (4.5, 0.5), 20: (16.0, 0.7)}


def finished(kind: str, size: int | None, seed: int, memory: float, rate: float) -> dict[str, Any]:
    return {
        "name": f"{kind}-s{seed}-{size}", "kind": kind, "size": size, "seed": seed, "status": "finished",
        "parameters": 1234,
        "evaluation": {
            "success_rate": rate, "success_rate_interval": [rate - 0.1, rate + 0.05], "memory_size_mean": memory
        },
        "steps_to_threshold": 100 if rate > 0.9 else None, "steps_per_second": 10.0 * seed, "peak_memory_mib": 400.0,
        "curve": {"step": [10, 20, 30], "rollout/success_rate": [None, rate / 2, rate]},
    }  # fmt: skip


@pytest.fixture
def comparison() -> dict[str, Any]:
    runs = [finished("transformer_xl", size, 1, *numbers) for size, numbers in SIZES.items()]
    runs += [finished("expire_span", 20, seed, 6.0 + seed, 0.90 + 0.02 * seed) for seed in (1, 2, 3)]
    runs += [{"name": "lstm-s1", "kind": "lstm", "size": None, "seed": 1, "parameters": 1200, "status": "failed",
              "error": "the loss became nan"}]  # fmt: skip
    players = {name: {"success_rate": rate, "success_rate_interval": [rate, rate]} for name, rate in
               (("oracle", 1.0), ("memoryless", 0.5))}  # fmt: skip
    return {
        "format": 1, "name": "tiny", "task": "corridor", "threshold": 0.9, "command": "rlmem compare corridor",
        "arguments": {"episodes": 500}, "players": players, "runs": runs,
        "aggregates": aggregate(runs, score_of("corridor")),
    }  # fmt: skip


def test_aggregates_over_seeds(comparison: dict[str, Any]) -> None:
    small, large, spans, lstm = comparison["aggregates"]
    assert (small["size"], large["size"], spans["kind"], lstm["kind"]) == (5, 20, "expire_span", "lstm")
    assert small["score_iqm"] == 0.5
    assert small["score_interval"] is None
    assert small["steps_to_threshold_median"] is None
    assert spans["seeds"] == [1, 2, 3]
    assert spans["score_iqm"] == pytest.approx(0.94)
    low, high = spans["score_interval"]
    assert 0.92 <= low < 0.94 < high <= 0.96
    assert spans["memory_size_mean"] == 8.0
    assert (spans["steps_to_threshold_median"], spans["num_reached"], spans["steps_per_second"]) == (100, 3, 20.0)
    assert (lstm["seeds"], lstm["num_failed"]) == ([], 1)
    assert "score_iqm" not in lstm


def test_the_table_holds_every_kind_and_run(comparison: dict[str, Any]) -> None:
    lines = comparison_table(comparison).splitlines()
    assert any(line.startswith("| memory | L | seeds | success rate, IQM [95% over seeds] |") for line in lines)
    assert "| transformer_xl | 5 | 1 | 0.500 | 4.5 | – | 10 | 400 | 1,234 |" in lines
    assert "| expire_span-s2-20 | 0.940 [0.840, 0.990] | 8.0 | 100 | 20 | 400 | 1,234 |" in lines
    assert "| lstm | – | 0 (1 failed) | failed | – | – | – | – | 1,200 |" in lines
    assert "| lstm-s1 | failed | – | – | – | – | 1,200 |" in lines
    assert "- **lstm-s1 failed**: the loss became nan" in lines
    assert any("oracle 1.000 [1.000, 1.000], memoryless 0.500" in line for line in lines)
    tables = [line for line in lines if line.startswith("| ")]
    assert len(tables) == (2 + 4) + (2 + 6)
    plain = comparison_table({**comparison, "threshold": None})
    assert "steps to" not in plain


def drawn(figure: Figure) -> tuple[int, set[str], set[str]]:
    points, curves = figure.axes
    bars: list[Any] = list(points.containers)
    count = sum(len(container.lines[0].get_xdata()) for container in bars)
    return count, set(points.get_legend_handles_labels()[1]), set(curves.get_legend_handles_labels()[1])


@pytest.mark.parametrize("log_x", [False, True])
def test_the_figure_has_a_point_a_run(comparison: dict[str, Any], log_x: bool) -> None:
    figure = comparison_figure(comparison, log_x=log_x)
    points, curves = figure.axes
    assert (points.get_xlabel(), points.get_ylabel()) == ("average memory size (steps)", "success rate")
    assert (curves.get_xlabel(), curves.get_ylabel()) == ("environment steps (millions)", "success rate, training")
    count, kinds, lines = drawn(figure)
    assert count == 5
    assert kinds == {"transformer xl, labelled with L", "expire span", "oracle", "memoryless"}
    assert lines == {"transformer xl, L 5", "transformer xl, L 20", "expire span, L 20"}
    assert {text.get_text() for text in points.texts} == {"5", "20"}
    assert points.get_xscale() == ("symlog" if log_x else "linear")
    mean = next(line for line in curves.lines if line.get_label() == "expire span, L 20")
    assert list(mean.get_ydata()) == pytest.approx([0.47, 0.94])  # type: ignore[arg-type]
    assert len(curves.collections) == 1  # the range, where there are several seeds
    bars = points.containers[0].lines[2][0].get_segments()  # type: ignore[attr-defined]
    assert bars[0][:, 1].tolist() == pytest.approx([0.4, 0.55])
    figure.canvas.draw()


def test_figure_only_draws_from_the_file(
    comparison: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_json(tmp_path / "comparison.json", comparison)
    words = ["compare", "corridor", "--figure-only", "--out", str(tmp_path)]
    assert main([*words, "--pdf"]) == 0
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "comparison.pdf").read_bytes().startswith(b"%PDF")
    assert not (tmp_path / "TABLE.md").exists()
    assert main(["compare", "portal", *words[2:]]) == 2
    assert "is of the task corridor; try rlmem compare corridor" in capfd.readouterr().err
    assert main([*words[:-1], str(tmp_path / "elsewhere")]) == 2
    assert "comparison.json, which is not there" in capfd.readouterr().err


def test_steps_to_a_threshold() -> None:
    lines: list[dict[str, Any]] = [
        {"step": 10},
        {"step": 20, "s": None},
        {"step": 30, "s": 0.9},
        {"step": 40, "s": 0.95},
    ]
    assert steps_to(lines, "s", 0.9) == 30
    assert steps_to(lines, "s", 0.96) is None
    assert steps_to(lines, "s", None) is None


def test_pace_over_several_processes() -> None:
    lines = [
        {"time/elapsed_seconds": 1.0, "time/fps": 100.0},
        {"time/elapsed_seconds": 4.0, "time/fps": 200.0},  # the first process: 800 steps
        {"time/elapsed_seconds": 2.0, "time/fps": 50.0},  # the second: 100
    ]
    assert steps_per_second(lines) == 900 / 6
    assert steps_per_second([]) is None


def test_scores_of_the_tasks() -> None:
    assert score_of("corridor").logged == "rollout/success_rate"
    assert score_of("portal").logged == "rollout/rooms_visited"
    assert score_of("gymnasium").logged == "rollout/ep_rew_mean"
    assert score_of("portal").threshold is None
