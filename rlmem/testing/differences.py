"""The largest difference between what should be equal, and where it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rlmem.testing.report import Where


@dataclass(frozen=True)
class Difference:
    """How far two quantities are apart.

    Args:
        amount: the largest difference, relative to the largest magnitude expected where that exceeds 1; infinite for
            NaN.
        where: of the largest difference.
        first: the earliest step at which the difference exceeds the tolerance, None if none does.
    """

    amount: float
    where: Where
    first: Where | None = None


def compare_steps(
    quantity: str, expected: Tensor, found: Tensor, tolerance: float, *, step: int = 0, row: int = 0
) -> Difference:
    """Compare two tensors (batch, steps, ...).

    Args:
        quantity: what they are.
        expected, found: (batch, steps, ...).
        tolerance: what still counts as equal.
        step, row: the number of their first step and row in the check.
    """
    distance = _distance(expected, found).flatten(2).amax(2) if expected.ndim > 2 else _distance(expected, found)
    amount = float(distance.max())
    at_row, at_step = divmod(int(distance.argmax()), distance.shape[1])
    first = None
    beyond = (distance > tolerance).t().nonzero()  # by step, then row
    if len(beyond):
        first = Where(quantity, row + int(beyond[0, 1]), step + int(beyond[0, 0]))
    return Difference(amount, Where(quantity, row + at_row, step + at_step), first)


def compare_gradients(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> Difference:
    """Compare the gradients of parameters by name; the magnitude is that of the largest gradient of all."""
    scale = max([1.0, *(float(gradient.abs().max()) for gradient in expected.values() if gradient.numel())])
    worst = Difference(0.0, Where("gradient"))
    for name, gradient in expected.items():
        distance = (gradient - found[name]).abs() / scale
        amount = float(distance.nan_to_num(nan=math.inf, posinf=math.inf).max()) if distance.numel() else 0.0
        if amount > worst.amount:
            worst = Difference(amount, Where(f"gradient of {name}"))
    return worst


def worst_of(differences: list[Difference]) -> Difference:
    """The largest difference, with the earliest place beyond the tolerance of all."""
    return max(differences, key=lambda difference: difference.amount)


def _distance(expected: Tensor, found: Tensor) -> Tensor:
    scale = expected[expected.isfinite()].abs().max().clamp(min=1) if expected.isfinite().any() else torch.ones(())
    distance = (expected - found).abs() / scale
    distance = torch.where(expected == found, torch.zeros_like(distance), distance)  # equal infinities: masked logits
    return distance.nan_to_num(nan=math.inf, posinf=math.inf)
