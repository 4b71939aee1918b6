"""`rlmem eval`: the figures, the bands and the interval."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlmem.experiments.evaluation_report import length_bands
from rlmem.experiments.intervals import wilson_interval
from rlmem.experiments.training_run import evaluation_seeds

Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_against_published_values(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)
    mirrored = wilson_interval(trials - successes, trials)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=5e-5)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_ends_are_where_the_score_test_is_at_its_limit(counts: tuple[int, int]) -> None:
    successes, trials = counts
    rate, z = successes / trials, 1.959963984540054
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= rate <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            assert abs(rate - end) == pytest.approx(z * math.sqrt(end * (1 - end) / trials), rel=1e-6, abs=1e-12)


def test_bands() -> None:
    assert length_bands(3, 200) == [(3, 49), (50, 99), (100, 149), (150, 200)]
    assert length_bands(3, 60) == [(3, 14), (15, 29), (30, 44), (45, 60)]
    assert length_bands(7, 7) == [(7, 7)]


@given(st.integers(3, 3000), st.integers(0, 3000))
def test_bands_cover_every_length_once(shortest: int, more: int) -> None:
    bands = length_bands(shortest, shortest + more)
    covered = [length for low, high in bands for length in range(low, high + 1)]
    assert covered == list(range(shortest, shortest + more + 1))
    assert 1 <= len(bands) <= 4


def test_seeds_are_fixed_and_distinct() -> None:
    assert evaluation_seeds(0, 3) == evaluation_seeds(0, 5)[:3]
    assert len(set(evaluation_seeds(0, 10_000))) > 9_990
    assert evaluation_seeds(0, 3) != evaluation_seeds(1, 3)


def test_json(run: Path, rlmem: Command) -> None:
    finished = rlmem("eval", "run", "--episodes", "40", "--seed", "5", "--json")
    assert finished.code == 0
    assert finished.err == ""
    report = json.loads(finished.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert report["episodes"] == report["argmax"]["episodes"] == 40
    assert report["actions"] == "sampled"
    assert report["checkpoint"] == "step_640"
    low, high = report["success_rate_interval"]
    assert low <= report["success_rate"] <= high
    assert report["mean_reward"] == pytest.approx(report["success_rate"])  # Corridor pays 1 for success alone
    assert report["memory_size_mean"] == pytest.approx(np.mean(report["memory_size_by_layer"]))
    assert len(report["memory_size_by_layer"]) == len(report["span_mean_by_layer"]["object"]) == 2
    bands = report["success_by_length"].values()
    assert sum(one["episodes"] for one in bands) == 40
    total = sum(one["episodes"] * one["success_rate"] for one in bands)
    assert total == pytest.approx(40 * report["success_rate"])
    assert rlmem("eval", "run", "--episodes", "40", "--seed", "5", "--json").out == finished.out
    assert rlmem("eval", "run", "--episodes", "40", "--seed", "6", "--json").out != finished.out


def test_argmax_alone(run: Path, rlmem: Command) -> None:
    both = json.loads(rlmem("eval", "run", "--episodes", "8", "--json").out)
    alone = json.loads(rlmem("eval", "run", "--episodes", "8", "--json", "--deterministic").out)
    assert alone["actions"] == "argmax"
    assert "argmax" not in alone
    assert {name: alone[name] for name in both["argmax"]} == both["argmax"]


def test_zero_spans_leave_the_ramp(train: Command, rlmem: Command) -> None:
    train("run", "--ramp", "4")
    report = json.loads(rlmem("eval", "run", "--episodes", "8", "--json", "--zero-spans").out)
    assert report["zero_spans"] is True
    assert report["span_mean_by_layer"]["object"] == [0, 0]
    assert 0 < report["memory_size_mean"] <= 3  # the ramp of 4 shows ages 1 to 3 beside the step itself
    train("xl", "--memory", "transformer_xl", "--total-timesteps", "32")
    refused = rlmem("eval", "xl", "--zero-spans")
    assert refused.code == 2
    assert "predicts no spans" in refused.err


def test_table(run: Path, rlmem: Command, here: Path) -> None:
    out = rlmem("eval", "run", "--episodes", "8").out
    for words in ("sampled actions", "argmax actions", "success rate", "length 3", "average memory size", "step_640"):
        assert words in out


def test_evaluation_needs_no_other_section_of_the_config(run: Path, rlmem: Command, here: Path) -> None:
    path = here / "runs" / "corridor" / "run" / "config.json"
    data = json.loads(path.read_text())
    data["learner"]["flag_of_a_later_version"] = 1
    path.write_text(json.dumps(data))
    assert rlmem("eval", "run", "--episodes", "2").code == 0
    assert rlmem("resume", "run").code == 1
