"""Weighted sums of cosine features of states, and their gradients, a block of states at a time.

The features of a block stay in a core's cache: in memory there are only the angles, which the way back needs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32, prange

from rlmem.kernels.arithmetic import cosine_of, multiply, sine_of, turned
from rlmem.kernels.compiling import compiled, compiled_for_threads
from rlmem.kernels.typing import Array

_BLOCK = 64  # states whose features go through together; a multiple of `tile.ROWS`


class Features(NamedTuple):
    """What makes features of a state, and a number of them."""

    projection: Array
    """(model, features) on the way forwards, (features, model) on the way back."""
    phase: Array
    """(features,)."""
    weight: Array
    """(features,)."""


@compiled
def _pass_states(normed: Array, features: Features, turns: Array, out: Array, begin: int, end: int) -> None:
    """`sum_cosines` for the states from `begin` up to `end`."""
    model, width = features.projection.shape
    for start in range(begin, end, _BLOCK):
        rows = min(_BLOCK, end - start)
        states, angles = (normed, start * model, model, 1), (turns, start * width, width)
        multiply(states, (features.projection, 0, width), angles, (rows, model, width), False)
        for row in range(start, start + rows):
            total = float32(0)
            for j in range(width):
                turns[row, j] = turned(turns[row, j] + features.phase[j])
                total += features.weight[j] * cosine_of(turns[row, j])
            out[row] = total


@compiled_for_threads
def sum_cosines(normed: Array, features: Features, turns: Array, out: Array, bounds: Array) -> None:
    """weight @ cos(state @ projection + phase) of some states.

    Args:
        normed: (states, model).
        features: to be summed.
        turns: (states, features), where the angles go, in turns from -1/2 to 1/2.
        out: (states,), where the sums go.
        bounds: (threads + 1,) int64, each thread's first state; the last is the number of states.
    """
    for part in prange(len(bounds) - 1):
        _pass_states(normed, features, turns, out, bounds[part], bounds[part + 1])


@compiled
def _return_states(
    grads: Array, features: Features, turns: Array, to_normed: Array, to_weight: Array, begin: int, end: int
) -> None:
    """`return_cosines` for the states from `begin` up to `end`."""
    width, model = features.projection.shape
    slopes = np.empty((_BLOCK, width), np.float32)
    for start in range(begin, end, _BLOCK):
        rows = min(_BLOCK, end - start)
        for row in range(rows):
            grad = grads[start + row]
            for j in range(width):
                turn = turns[start + row, j]
                to_weight[j] += grad * cosine_of(turn)
                slopes[row, j] = -grad * features.weight[j] * sine_of(turn)
        out = to_normed, start * model, model
        multiply((slopes, 0, width, 1), (features.projection, 0, model), out, (rows, width, model), False)


@compiled_for_threads
def return_cosines(
    grads: Array, features: Features, turns: Array, to_normed: Array, to_weight: Array, bounds: Array
) -> None:
    """The gradients of `sum_cosines`.

    Args:
        grads: (states,), to the sums.
        features: that were summed.
        turns: as it left them.
        to_normed: (states, model), set.
        to_weight: (threads, features), added to.
        bounds: as there.
    """
    for part in prange(len(bounds) - 1):
        _return_states(grads, features, turns, to_normed, to_weight[np.uintp(part)], bounds[part], bounds[part + 1])
