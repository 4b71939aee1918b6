"""Which predictions got worse when nothing is seen further back than a limit (the paper's figure 10)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlmem.experiments.lm.text_trace import Floats, TextTrace


@dataclass(frozen=True)
class LimitEffect:
    """A passage read with and without the limit.

    Args:
        steps: the limit.
        difference: (length,) float32, bits with the limit less bits without it; NaN where nothing is to be predicted.
        bits_before: mean without the limit; None where nothing is to be predicted.
        bits_after: mean with it.
        num_right_before: predictions that are right without it.
        num_right_after: with it.
        num_targets: predictions.
        worst: the steps whose predictions got worse, the worst first.
    """

    steps: int
    difference: Floats
    bits_before: float | None
    bits_after: float | None
    num_right_before: int
    num_right_after: int
    num_targets: int
    worst: tuple[int, ...]


def limit_effect(trace: TextTrace, limited: TextTrace, steps: int, num_listed: int = 12) -> LimitEffect:
    """Compare a passage with itself.

    Args:
        trace: as the model reads it.
        limited: as it reads it with `reach=steps`.
        steps: the limit.
        num_listed: how many of the predictions that got worse are listed.
    """
    difference = limited.bits - trace.bits
    order = np.argsort(-np.nan_to_num(difference, nan=-np.inf), kind="stable")[:num_listed]
    return LimitEffect(
        steps,
        difference,
        trace.bits_mean,
        limited.bits_mean,
        _num_right(trace),
        _num_right(limited),
        int(trace.is_scored.sum()),
        tuple(int(step) for step in order if difference[step] > 0),
    )


def _num_right(trace: TextTrace) -> int:
    return int((trace.predicted == trace.passage.targets)[trace.is_scored].sum())
