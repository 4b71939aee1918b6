"""A layer of the Transformer over a window, forwards and backwards: attention and what follows it.

Rows go through one after the other, so that what a row needs stays in a core's cache. `normed`, the slots behind the
attention's norm, comes from outside, for a kind of memory looks at it too.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import float32, prange, uintp

from rlmem.kernels.arithmetic import multiply
from rlmem.kernels.compiling import compiled, compiled_for_threads
from rlmem.kernels.typing import Array
from rlmem.kernels.window_attention import LANES, Gradients, Reading, differentiate_row, read_row, scratch_for


class Matrices(NamedTuple):
    """A layer's matrices, as PyTorch has them, (out, in), or transposed, (in, out)."""

    query: Array
    """(model, model)."""
    key_value: Array
    """(2 * model, model)."""
    output: Array
    """(model, model)."""
    expand: Array
    """(feedforward, model)."""
    contract: Array
    """(model, feedforward)."""


class Vectors(NamedTuple):
    """A layer's vectors."""

    norm: Array
    """(2, model), weight and bias of the feed-forward block's norm."""
    expand_bias: Array
    """(feedforward,)."""
    contract_bias: Array
    """(model,)."""


class Passed(NamedTuple):
    """What a window leaves for the way back."""

    log_sum: Array
    """(batch, heads, query), of the attention's weights."""
    read: Array
    """(batch, query, model), what the queries read."""
    stream: Array
    """(batch, query, model), before the feed-forward block."""
    wide: Array
    """(batch, query, feedforward), its activations."""


@compiled
def _normalise(stream: Array, norm: Array, eps: float, out: Array, centred: Array, scale: Array) -> None:
    """The norm of some states (query, model), the same without weight and bias, and what each was scaled by."""
    model = stream.shape[1]
    for t in range(len(stream)):
        total = float32(0)
        for j in range(model):
            total += stream[t, j]
        mean = total / np.float32(model)
        total = float32(0)
        for j in range(model):
            total += (stream[t, j] - mean) * (stream[t, j] - mean)
        factor = float32(1) / math.sqrt(total / np.float32(model) + eps)
        scale[t] = factor
        for j in range(model):
            centred[t, j] = (stream[t, j] - mean) * factor
            out[t, j] = centred[t, j] * norm[0, j] + norm[1, j]


@compiled
def _pass_rows(
    arrays: tuple[Array, Array, Array],
    reading: Reading,
    matrices: Matrices,
    vectors: Vectors,
    passed: Passed,
    eps: float,
    begin: int,
    end: int,
) -> None:
    """`pass_window` for the rows from `begin` up to `end`."""
    hidden, normed, out = arrays
    _, num_queries, model = hidden.shape
    num_slots, feedforward = normed.shape[1], len(vectors.expand_bias)
    scratch, scale = scratch_for(reading), np.empty(num_queries, np.float32)
    own, centred = np.empty((num_queries, model), np.float32), np.empty((num_queries, model), np.float32)
    for row in range(begin, end):
        query, slot = row * num_queries * model, row * num_slots * model
        from_own, stored = (normed, slot + (num_slots - num_queries) * model, model, 1), (normed, slot, model, 1)
        queries, key_value = (reading.queries, query, model), (reading.key_value, 2 * slot, 2 * model)
        multiply(from_own, (matrices.query, 0, model), queries, (num_queries, model, model), False)
        multiply(stored, (matrices.key_value, 0, 2 * model), key_value, (num_slots, model, 2 * model), False)
        read_row(reading, scratch, row, passed.read[row], passed.log_sum[row])
        stream, wide, result, before = passed.stream[row], passed.wide[row], out[row], hidden[row]
        read = passed.read, query, model, 1
        multiply(read, (matrices.output, 0, model), (passed.stream, query, model), (num_queries, model, model), False)
        for t in range(num_queries):
            for j in range(model):
                stream[t, j] += before[t, j]
        _normalise(stream, vectors.norm, eps, own, centred, scale)
        expand, to_wide = (matrices.expand, 0, feedforward), (passed.wide, row * num_queries * feedforward, feedforward)
        multiply((own, 0, model, 1), expand, to_wide, (num_queries, model, feedforward), False)
        for t in range(num_queries):
            for j in range(feedforward):
                wide[t, j] = max(wide[t, j] + vectors.expand_bias[j], float32(0))
        from_wide, contract = (*to_wide, 1), (matrices.contract, 0, model)
        multiply(from_wide, contract, (out, query, model), (num_queries, feedforward, model), False)
        for t in range(num_queries):
            for j in range(model):
                result[t, j] += stream[t, j] + vectors.contract_bias[j]


@compiled_for_threads
def pass_window(
    arrays: tuple[Array, Array, Array],
    reading: Reading,
    matrices: Matrices,
    vectors: Vectors,
    passed: Passed,
    eps: float,
    bounds: Array,
) -> None:
    """A layer over a window.

    Args:
        arrays: hidden (batch, query, model), normed (batch, slots, model), and where the result goes, as hidden.
        reading: whose queries, keys and values are set.
        matrices: transposed.
        vectors: of the layer.
        passed: is set.
        eps: what the norm adds to a variance.
        bounds: (threads + 1,) int64, each thread's first row; the last is the number of rows.
    """
    for part in prange(len(bounds) - 1):
        _pass_rows(arrays, reading, matrices, vectors, passed, eps, bounds[part], bounds[part + 1])


class Returned(NamedTuple):
    """The gradients of a layer over a window; those to what rows share come one for each thread, and are 0 before."""

    hidden: Array
    """(batch, query, model)."""
    normed: Array
    """(batch, slots, model)."""
    span: Array
    """(batch, 1 or heads, slots); 0 before."""
    positions: Array
    """(threads, columns, head)."""
    query: Array
    """(threads, model, model)."""
    key_value: Array
    """(threads, 2 * model, model)."""
    output: Array
    """(threads, model, model)."""
    expand: Array
    """(threads, feedforward, model)."""
    contract: Array
    """(threads, model, feedforward)."""
    norm: Array
    """(threads, 2, model)."""
    expand_bias: Array
    """(threads, feedforward)."""
    contract_bias: Array
    """(threads, model)."""


@compiled
def _return_through_norm(
    arrays: tuple[Array, Array, Array], scale: Array, norm: Array, to_norm: Array, to_stream: Array
) -> None:
    """The gradient of `_normalise`, added to that of what else became of the states.

    Args:
        arrays: `centred`, the gradient to the norm's results, and that to the states by the other way; all (query,
            model).
        scale: (query,), from `_normalise`.
        norm: (2, model), weight and bias.
        to_norm: (2, model), added to.
        to_stream: (query, model), set.
    """
    centred, to_normed, beside = arrays
    model = centred.shape[1]
    for t in range(len(centred)):
        total, along = float32(0), float32(0)
        for j in range(model):
            slope = to_normed[t, j] * norm[0, j]
            total += slope
            along += slope * centred[t, j]
        mean, share = total / np.float32(model), along / np.float32(model)
        for j in range(model):
            to_norm[0, j] += to_normed[t, j] * centred[t, j]
        for j in range(model):
            to_norm[1, j] += to_normed[t, j]
        for j in range(model):
            to_stream[t, j] = beside[t, j] + scale[t] * (to_normed[t, j] * norm[0, j] - mean - centred[t, j] * share)


@compiled
def _add_over_steps(steps: Array, out: Array) -> None:
    """out += the sum of (step, width) over steps."""
    for t in range(len(steps)):
        for j in range(steps.shape[1]):
            out[j] += steps[t, j]


@compiled
def _return_rows(
    arrays: tuple[Array, Array],
    reading: Reading,
    matrices: Matrices,
    vectors: Vectors,
    passed: Passed,
    returned: Returned,
    eps: float,
    part: int,
    begin: int,
    end: int,
) -> None:
    """`return_window` for the rows from `begin` up to `end`, a thread's part."""
    to_out, normed = arrays
    _, num_queries, model = to_out.shape
    num_slots, feedforward = normed.shape[1], len(vectors.expand_bias)
    scratch, scale = scratch_for(reading), np.empty(num_queries, np.float32)
    own, centred = np.empty((num_queries, model), np.float32), np.empty((num_queries, model), np.float32)
    to_wide, to_own = np.empty((num_queries, feedforward), np.float32), np.empty((num_queries, model), np.float32)
    to_read, to_queries = np.empty((num_queries, model), np.float32), np.empty((num_queries, model), np.float32)
    to_key_value = np.empty((num_slots + LANES, 2 * model), np.float32)
    for row in range(begin, end):
        query, slot, wide = row * num_queries * model, row * num_slots * model, row * num_queries * feedforward
        from_out, of_steps = to_out[row], (num_queries, model, model)
        # the feed-forward block
        contract = (matrices.contract, 0, feedforward)
        from_next = to_out, query, model, 1
        multiply(from_next, contract, (to_wide, 0, feedforward), (num_queries, model, feedforward), False)
        activations = passed.wide[row]
        for t in range(num_queries):
            for j in range(feedforward):
                to_wide[t, j] = to_wide[t, j] if activations[t, j] > 0 else float32(0)
        to_contract = (returned.contract, part * model * feedforward, feedforward)
        by_wide = (passed.wide, wide, feedforward)
        multiply((to_out, query, 1, model), by_wide, to_contract, (model, num_queries, feedforward), True)
        _normalise(passed.stream[row], vectors.norm, eps, own, centred, scale)
        to_expand = (returned.expand, part * feedforward * model, model)
        multiply((to_wide, 0, 1, feedforward), (own, 0, model), to_expand, (feedforward, num_queries, model), True)
        _add_over_steps(from_out, returned.contract_bias[part])
        _add_over_steps(to_wide, returned.expand_bias[part])
        expand = (matrices.expand, 0, model)
        multiply((to_wide, 0, feedforward, 1), expand, (to_own, 0, model), (num_queries, feedforward, model), False)
        to_stream = returned.hidden[row]
        _return_through_norm((centred, to_own, from_out), scale, vectors.norm, returned.norm[part], to_stream)
        # attention
        from_stream = (returned.hidden, query, model, 1)
        multiply(from_stream, (matrices.output, 0, model), (to_read, 0, model), of_steps, False)
        to_output, read = (returned.output, part * model * model, model), (passed.read, query, model)
        multiply((returned.hidden, query, 1, model), read, to_output, (model, num_queries, model), True)
        to_key_value[:] = 0
        gradients = Gradients(to_queries, to_key_value, returned.positions[part], returned.span[row])
        given = passed.read[row], passed.log_sum[row], to_read
        differentiate_row(reading, scratch, row, given, gradients)
        # projections
        own_slot, of_queries = slot + (num_slots - num_queries) * model, (returned.query, part * model * model, model)
        multiply((to_queries, 0, 1, model), (normed, own_slot, model), of_queries, (model, num_queries, model), True)
        of_key_value = (returned.key_value, part * 2 * model * model, model)
        stored = (normed, slot, model)
        multiply((to_key_value, 0, 1, 2 * model), stored, of_key_value, (2 * model, num_slots, model), True)
        key_value, to_slots = (matrices.key_value, 0, model), (returned.normed, slot, model)
        multiply((to_key_value, 0, 2 * model, 1), key_value, to_slots, (num_slots, 2 * model, model), False)
        multiply((to_queries, 0, model, 1), (matrices.query, 0, model), (to_own, 0, model), of_steps, False)
        to_normed = returned.normed[row]
        for t in range(num_queries):
            for j in range(model):
                to_normed[num_slots - num_queries + t, j] += to_own[t, j]


@compiled_for_threads
def return_window(
    arrays: tuple[Array, Array],
    reading: Reading,
    matrices: Matrices,
    vectors: Vectors,
    passed: Passed,
    returned: Returned,
    eps: float,
    bounds: Array,
) -> None:
    """The gradients of `pass_window`.

    Args:
        arrays: the gradient to its result (batch, query, model), and normed (batch, slots, model).
        reading, vectors, passed: as it left them.
        matrices: as PyTorch has them.
        returned: is set.
        eps: what the norm adds to a variance.
        bounds: (threads + 1,) int64, each thread's first row; the last is the number of rows.
    """
    for part in prange(len(bounds) - 1):
        begin, end = bounds[part], bounds[part + 1]
        _return_rows(arrays, reading, matrices, vectors, passed, returned, eps, uintp(part), begin, end)  # type: ignore[arg-type]
