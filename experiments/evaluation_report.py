"""What an evaluation says, as plain numbers to print or to store."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlmem.agents.evaluation import Evaluation
from rlmem.agents.first_episodes import Outcome
from rlmem.experiments.intervals import bootstrap_interval, wilson_interval
from rlmem.experiments.tasks import CorridorOptions, TaskOptions

_ROUND_NUMBERS = (1, 5, 10, 50, 100, 500, 1000, 5000, 10000)


def summarise_outcome(outcome: Outcome, score: str | None) -> dict[str, Any]:
    """The figures of any player's episodes.

    Args:
        outcome: the episodes.
        score: the number in `info` that says how far an episode came, or None.
    """
    reached = {}
    if score is not None:
        values = outcome.infos[score]
        reached = {score: float(values.mean()), f"{score}_interval": list(bootstrap_interval(values))}
    return {
        "episodes": len(outcome.returns),
        **({} if outcome.successes is None else _rate(outcome.successes)),
        **reached,
        "mean_reward": float(outcome.returns.mean()),
        "mean_reward_interval": list(bootstrap_interval(outcome.returns)),
        "mean_ep_length": float(outcome.lengths.mean()),
    }


def summarise(evaluation: Evaluation, score: str | None) -> dict[str, Any]:
    """The figures of a policy's episodes; a mean over no steps is None. Arguments as for `summarise_outcome`."""
    return {
        **summarise_outcome(evaluation, score),
        "memory_size_mean": evaluation.memory_size_mean,
        "memory_size_by_layer": list(evaluation.memory_size_by_layer),
        "span_mean_by_layer": {
            name: [None if math.isnan(mean) else mean for mean in means] for name, means in evaluation.span_mean.items()
        },
    }


def by_length(outcome: Outcome, options: TaskOptions) -> dict[str, Any]:
    """Success by the corridor's length, in four bands of the lengths that are drawn; empty for other tasks."""
    if not isinstance(options, CorridorOptions) or outcome.successes is None:
        return {}
    lengths = outcome.infos["length"]
    bands = {}
    for low, high in length_bands(options.min_length, options.max_length):
        is_inside = (lengths >= low) & (lengths <= high)
        if is_inside.any():
            bands[f"{low}-{high}"] = _rate(outcome.successes[is_inside])
    return bands


def length_bands(shortest: int, longest: int) -> list[tuple[int, int]]:
    """About four bands of equal width that begin at round numbers, such as 3-49, 50-99, 100-149, 150-200.

    Args:
        shortest: first length of the first band.
        longest: last length of the last band, at least `shortest`.
    """
    quarter = (longest - shortest + 1) / 4
    unit = max([number for number in _ROUND_NUMBERS if number <= quarter / 2.5], default=1)
    starts = {int((shortest + quarter * part) // unit) * unit for part in (1, 2, 3)}
    edges = [shortest, *sorted(start for start in starts if shortest < start <= longest), longest + 1]
    return [(low, high - 1) for low, high in pairwise(edges)]


def _rate(successes: NDArray[np.bool_]) -> dict[str, Any]:
    count = int(successes.sum())
    return {
        "episodes": len(successes),
        "success_rate": count / len(successes),
        "success_rate_interval": list(wilson_interval(count, len(successes))),
    }
