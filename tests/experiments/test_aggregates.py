"""Aggregates over seeds: by hand, and as rliable computes them where it is installed."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest

from rlmem.experiments import aggregates
from rlmem.experiments.aggregates import bootstrap_iqm, estimate_iqm, interquartile_mean


@pytest.fixture
def without_rliable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregates, "import_module", _missing)


def _missing(name: str) -> Any:
    raise builtins.ModuleNotFoundError(name)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0], 5.0),
        ([1.0, 2.0, 9.0], 4.0),  # too few to cut: int(0.75) is 0
        ([100.0, 1.0, 2.0, -50.0], 1.5),
        ([0.0, 1.0, 2.0, 3.0, 50.0], 2.0),  # int(1.25) is 1 at either end
        ([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0], 5.5),
    ],
)
def test_interquartile_mean_by_hand(values: list[float], expected: float) -> None:
    assert interquartile_mean(np.array(values)) == pytest.approx(expected)


def test_interval_of_two_runs_by_hand() -> None:
    """Two runs give means of 0, 1/2 and 1 with chances of 1/4, 1/2 and 1/4."""
    assert bootstrap_iqm(np.array([[0.0], [1.0]])) == (0.0, 1.0)


def test_interval_against_every_resample() -> None:
    scores = np.array([0.2, 0.5, 0.9, 1.0])
    every = np.stack(np.meshgrid(*[scores] * 4), -1).reshape(-1, 4)  # all 256 resamples
    expected = np.quantile(np.sort(every, 1)[:, 1:3].mean(1), (0.025, 0.975))
    assert bootstrap_iqm(scores[:, None]) == pytest.approx(tuple(expected), abs=0.02)


def test_resamples_stay_inside_their_task() -> None:
    scores = np.array([[0.0, 10.0], [0.0, 10.0]])
    assert bootstrap_iqm(scores) == (5.0, 5.0)


@pytest.mark.usefixtures("without_rliable")
def test_estimates_are_the_same_every_time_and_one_run_has_no_interval() -> None:
    scores = [0.9, 0.95, 1.0, 0.5, 0.99]
    estimate = estimate_iqm(scores)
    assert estimate == estimate_iqm(scores)
    assert estimate.by == "numpy"
    assert estimate.value == pytest.approx((0.9 + 0.95 + 0.99) / 3)
    assert estimate.interval == bootstrap_iqm(np.array(scores)[:, None])
    assert estimate_iqm([0.7]).interval is None
    assert estimate_iqm([0.7]).value == 0.7


def test_rliable_agrees() -> None:
    pytest.importorskip("rliable")
    scores = np.array([0.9, 0.95, 1.0, 0.5, 0.99, 0.7])
    estimate = estimate_iqm(scores)
    if estimate.by != "rliable":
        pytest.skip("rliable does not work with the libraries beside it")
    metrics = pytest.importorskip("rliable.metrics")
    assert estimate.value == pytest.approx(metrics.aggregate_iqm(scores[:, None]))
    assert estimate.interval == pytest.approx(bootstrap_iqm(scores[:, None]), abs=0.01)
    assert estimate == estimate_iqm(scores)


@pytest.mark.parametrize("error", [TypeError, ModuleNotFoundError, AttributeError])
def test_an_rliable_that_does_not_load_is_not_used(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def fail(name: str) -> Any:
        raise error(name)

    monkeypatch.setattr(aggregates, "import_module", fail)
    assert estimate_iqm([0.1, 0.2]).by == "numpy"
