"""Expire-Span's part of a step: the spans of the steps just taken, and what later queries see of them.

The formulas are those of `rlmem.memories.expire_span` and `rlmem.memories.span_features`, to which tests hold them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import float32, prange

from rlmem.kernels.arithmetic import BLOCK, UNSEEN, cosine_of, product, turned
from rlmem.kernels.compiling import compiled, compiled_for_threads
from rlmem.kernels.typing import Array


class Predictor(NamedTuple):
    """What predicts a layer's spans."""

    projection: Array
    """(model, inputs), from a normed state to the phases of `RandomFeatures`; no inputs: the state itself is looked
    at."""
    phase: Array
    """(inputs,)."""
    weight: Array
    """(inputs or model,), with all that it is to be multiplied by."""
    scalars: Array
    """(3,): bias, L and R."""


@compiled
def _add_rows(
    predictor: Predictor, normed: Array, described: Array, log_mask: Array, at: tuple[int, int], begin: int, end: int
) -> None:
    """`add_spans` for the rows from `begin` up to `end`."""
    model, inputs = predictor.projection.shape
    bias, max_span, ramp = predictor.scalars
    slot, own = at
    block = np.zeros((BLOCK, model), np.float32)
    features = np.empty((BLOCK, inputs), np.float32)
    for start in range(begin, end, BLOCK):
        rows = min(BLOCK, end - start)
        block[:rows] = normed[start : start + rows]
        if inputs:
            product(block, predictor.projection, features)
        for i in range(rows):
            total = float32(0)
            for j in range(inputs):
                total += predictor.weight[j] * cosine_of(turned(features[i, j] + predictor.phase[j]))
            if not inputs:
                for j in range(model):
                    total += predictor.weight[j] * block[i, j]
            span = max_span / (float32(1) + math.exp(-(total + bias)))
            described[start + i, slot] = span
            for query in range(own + 1, log_mask.shape[2]):
                mask = (span + ramp - float32(query - own)) / ramp
                if mask >= float32(1):
                    log_mask[start + i, 0, query, slot] = 0
                elif mask > float32(0):
                    log_mask[start + i, 0, query, slot] = math.log(mask)
                else:
                    log_mask[start + i, 0, query, slot] = UNSEEN


@compiled_for_threads
def add_spans(
    predictor: Predictor, normed: Array, described: Array, log_mask: Array, at: tuple[int, int], bounds: Array
) -> None:
    """The spans of a step of all rows, and what the queries after it see.

    Args:
        predictor: of the layer.
        normed: (batch, model).
        described: (batch, slots), where the spans go.
        log_mask: (batch, heads, query, slots), where log m goes for the queries after the step's, with the first head.
        at: the step's slot, and its query.
        bounds: (threads + 1,) int64, each thread's first row; the last is the number of rows.
    """
    for part in prange(len(bounds) - 1):
        _add_rows(predictor, normed, described, log_mask, at, bounds[part], bounds[part + 1])
