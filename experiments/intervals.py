"""Confidence intervals, as pure functions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

_Z95 = 1.959963984540054  # the normal distribution's 97.5% quantile


_RESAMPLES = 10_000


def bootstrap_interval(values: ArrayLike) -> tuple[float, float]:
    """The percentile bootstrap's 95% interval of a mean, always the same for the same values.

    Args:
        values: (count,), at least one.

    Returns:
        Lower and upper end.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    array = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(0).multinomial(len(array), np.full(len(array), 1 / len(array)), size=_RESAMPLES)
    low, high = np.quantile(drawn @ array / len(array), (0.025, 0.975))
    return float(low), float(high)


def wilson_interval(successes: int, trials: int, z: float = _Z95) -> tuple[float, float]:
    """Wilson's score interval of a success rate.

    Args:
        successes: how many succeeded, 0 to `trials`.
        trials: how many there were, at least 1.
        z: normal quantile; the default gives 95%.

    Returns:
        Lower and upper end, in [0, 1].

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", without continuity
    correction.
    """
    assert 0 <= successes <= trials >= 1, f"{successes} successes of {trials} trials cannot be"
    rate, weight = successes / trials, z * z / trials
    centre = (rate + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(rate * (1 - rate) / trials + weight / (4 * trials))
    low = 0.0 if successes == 0 else centre - half  # exactly, where rounding would miss it
    high = 1.0 if successes == trials else centre + half
    return low, high
