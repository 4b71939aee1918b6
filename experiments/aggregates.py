"""Aggregates over seeds: the interquartile mean (IQM) and its stratified bootstrap interval.

Source: Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice". Their library
`rliable` is used where it is installed and works with the libraries beside it; `bootstrap_iqm` computes the same.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_RESAMPLES = 10_000
_LEVELS = (0.025, 0.975)


@dataclass(frozen=True)
class Estimate:
    """An aggregate of several runs.

    Args:
        value: the IQM; of fewer than four runs it is the mean.
        interval: lower and upper end of its 95% interval over seeds; None for a single run, which says nothing of it.
        by: what computed the interval, `rliable` or `numpy`; None without an interval.
    """

    value: float
    interval: tuple[float, float] | None
    by: str | None


def estimate_iqm(scores: ArrayLike) -> Estimate:
    """IQM of a few runs on one task, with its interval, the same for the same scores.

    Args:
        scores: (runs,), at least one.
    """
    matrix = np.asarray(scores, dtype=np.float64)[:, None]  # (runs, tasks)
    value = float(interquartile_mean(matrix.ravel()))
    if len(matrix) < 2:
        return Estimate(value, None, None)
    interval = _rliable_interval(matrix)
    if interval is not None:
        return Estimate(value, interval, "rliable")
    return Estimate(value, bootstrap_iqm(matrix), "numpy")


def interquartile_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of what is left when a quarter of the values, rounded down, is cut off at either end.

    Args:
        values: (..., count), at least one value.

    Returns:
        (...). Equals `scipy.stats.trim_mean(values, 0.25, axis=-1)`.
    """
    count = values.shape[-1]
    cut = int(0.25 * count)
    middle: NDArray[np.float64] = np.sort(values, axis=-1)[..., cut : count - cut].mean(-1)
    return middle


def bootstrap_iqm(scores: NDArray[np.float64], resamples: int = _RESAMPLES) -> tuple[float, float]:
    """The percentile bootstrap's 95% interval of the IQM; each task's runs are drawn anew from its own.

    Args:
        scores: (runs, tasks).
        resamples: how many.

    Returns:
        Lower and upper end.
    """
    drawn = np.random.default_rng(0).integers(0, len(scores), size=(resamples, *scores.shape))
    samples = np.take_along_axis(scores[None], drawn, axis=1)  # (resamples, runs, tasks)
    low, high = np.quantile(interquartile_mean(samples.reshape(resamples, -1)), _LEVELS)
    return float(low), float(high)


def _rliable_interval(scores: NDArray[np.float64]) -> tuple[float, float] | None:
    """The same interval by rliable, scores (runs, tasks); None where rliable is not installed or does not work."""
    try:
        library, metrics = import_module("rliable.library"), import_module("rliable.metrics")
    except Exception:  # not installed; or its arch does not load beside this pandas, which raises a TypeError
        return None

    def iqm(resampled: NDArray[np.float64]) -> NDArray[Any]:
        return np.array([metrics.aggregate_iqm(resampled)])

    state = np.random.get_state()  # noqa: NPY002  (rliable 1.2 draws from the global generator, whatever it is given)
    try:
        np.random.seed(0)  # noqa: NPY002
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # arch: random_state is deprecated
            _, intervals = library.get_interval_estimates({"": scores}, iqm, reps=_RESAMPLES)
    except TypeError:  # arch 8 takes no random_state
        return None
    finally:
        np.random.set_state(state)  # noqa: NPY002
    low, high = np.ravel(intervals[""])
    return float(low), float(high)
