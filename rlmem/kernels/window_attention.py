"""Attention of a window's queries over memory and window, forwards and backwards, without ever holding all weights.

rows    of the batch, one after the other; `BLOCK` queries at a time look at the range of slots that some of them see
range   of slots, its first and its width multiples of `LANES`; scratch of a block begins with the range's first slot
column  of the positions, from the farthest distance to 0: what a query sees of slots that follow each other in time
        lies side by side

What a query sees of a slot is a ramp over ages, `m = clamp(1 + (span - age) / ramp, 0, 1)` from the slot's lowest age
on. The softmax of logits + log m is `m exp(logit) / sum m exp(logit)`, so that no logarithm is taken. Going backwards,
weights are computed again from the logits and their sum's logarithm.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import float32, int32, uintp

from rlmem.kernels.arithmetic import BLOCK, UNSEEN, exponentials, multiply
from rlmem.kernels.compiling import compiled
from rlmem.kernels.typing import Array

LANES = 16
"""Ranges of slots begin and end at multiples of it."""

_LEAST_SUM = float32(1e-25)  # of weights relative to a block's highest logit; below, small ones would be lost
_SIGN, _ALL_BUT_SIGN = int32(31), int32(2**31 - 1)


class Reading(NamedTuple):
    """What a window's queries read from; slots are those from before the window, then its own steps."""

    queries: Array
    """(batch, query, model)."""
    key_value: Array
    """(batch, slots, 2 * model), all heads' keys, then all heads' values."""
    positions: Array
    """(columns, head), the embeddings from the farthest distance to 0, then 0 up to a multiple of `LANES`."""
    table: Array
    """(head, columns), the same transposed."""
    span: Array
    """(batch, 1 or heads, slots), the age up to which a slot is seen fully."""
    lowest: Array
    """(batch, slots) int32, the age from which on a slot is seen, 0 or more."""
    age: Array
    """(batch, slots) int32, at the window's first query; below 0 of what is made later."""
    oldest: Array
    """(batch, query) int32, the age at the window's first query of its episode's first step."""
    limits: Array
    """(3,) int64: the highest age that any query sees, how many distances have a position, and slots from before."""
    scalars: Array
    """(2,): what logits are multiplied by, and over how many steps a slot fades."""


class Block(NamedTuple):
    """Some queries of a row, the range of slots that they may see, and the columns of positions that they need."""

    row: int
    start: int
    """The first query."""
    stop: int
    """The one behind the last; `BLOCK` queries are computed, those behind are 0."""
    first: int
    """The range's first slot."""
    width: int
    """Slots of the range; some may be behind the last slot of all, and are 0."""
    column: int
    """The first column."""
    columns: int


class Scratch(NamedTuple):
    """Memory for one head of one block, flat; see `_part`."""

    logits: Array
    slopes: Array
    scores: Array
    masks: Array
    bits: Array
    """int32."""
    query: Array
    """(BLOCK, head)."""
    grad: Array
    """(BLOCK, head)."""
    keys: Array
    """(heads, head, slots), of a row, transposed; 0 behind the last slot."""
    values: Array
    """(heads, head, slots)."""
    to_span: Array
    """(slots,)."""
    out: Array
    """(BLOCK, head)."""
    shift: Array
    """(BLOCK,)."""
    total: Array
    """(BLOCK,)."""


@compiled
def scratch_for(reading: Reading) -> Scratch:
    """Memory for the rows of a reading, one after the other."""
    (columns, head), (masks, num_slots) = reading.positions.shape, reading.span.shape[1:]
    heads = reading.queries.shape[2] // head
    room = (num_slots + 2 * LANES) // LANES * LANES
    return Scratch(
        np.empty(BLOCK * room, np.float32),
        np.empty(BLOCK * room, np.float32),
        np.zeros(BLOCK * (columns + 2 * LANES), np.float32),  # read, but not used, beyond what is written
        np.empty(masks * BLOCK * room, np.float32),
        np.empty(BLOCK * room, np.int32),
        np.empty((BLOCK, head), np.float32),
        np.empty((BLOCK, head), np.float32),
        np.zeros((heads, head, room), np.float32),
        np.zeros((heads, head, room), np.float32),
        np.empty(room, np.float32),
        np.empty((BLOCK, head), np.float32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
    )


@compiled
def _part(memory: Array, rows: int, columns: int) -> Array:
    """The beginning of some memory, (rows, columns)."""
    return memory[: rows * columns].reshape((rows, columns))


@compiled
def _first_seen(reading: Reading, row: int, start: int, stop: int, own: int) -> int:
    """The first slot that some query from `start` to `stop` may see; `own`, the slot of `start`, at the latest."""
    span, age, ramp = reading.span[row], reading.age[row], reading.scalars[1]
    for slot in range(own):
        at_first, at_last = age[slot] + start, age[slot] + stop - 1
        if age[slot] <= reading.oldest[row, start] and at_last >= reading.lowest[row, slot]:
            for head in range(len(span)):
                if float32(max(at_first, 0)) < span[head, slot] + ramp and at_first <= reading.limits[0]:
                    return slot
    return own


@compiled
def _block(reading: Reading, row: int, start: int) -> Block:
    """The block that begins with a query."""
    _, reach, memory = reading.limits
    stop = min(start + BLOCK, reading.queries.shape[1])
    first = _first_seen(reading, row, start, stop, memory + start) // LANES * LANES
    width = (memory + stop - first + LANES - 1) // LANES * LANES
    farthest = memory + stop - 1 - max(first, memory)
    for slot in range(first, memory):
        age = reading.age[row, slot] + stop - 1
        if age < reach + BLOCK:
            farthest = max(farthest, age)
    column = reach - 1 - min(farthest, reach - 1)
    return Block(row, start, stop, first, width, column, (reach - column + LANES - 1) // LANES * LANES)


@compiled
def _see(reading: Reading, block: Block, mask: Array) -> None:
    """m of a block; mask: (1 or heads, BLOCK, range)."""
    ages, lowest, span = reading.age[block.row], reading.lowest[block.row], reading.span[block.row]
    ramp, offset = reading.scalars[1], uintp(block.first)
    inverse = float32(1) / ramp
    there = uintp(min(block.width, len(ages) - block.first))
    for h in range(len(mask)):
        for i in range(BLOCK):
            query = block.start + i
            row = mask[h, i]
            row[:] = 0
            if query >= block.stop:
                continue
            now, oldest = int32(query), int32(min(reading.oldest[block.row, query], reading.limits[0] - query))
            for s in range(there):
                slot = offset + s
                age = ages[slot] + now
                part = (span[h, slot] + ramp - float32(age)) * inverse
                is_hidden = (ages[slot] > oldest) | (age < lowest[slot])
                row[s] = float32(0) if is_hidden else min(max(part, float32(0)), float32(1))


@compiled
def _own_column(block: Block, reach: int, memory: int, i: int) -> tuple[int, int]:
    """Where a query's positions for the episode's slots side by side begin: place in the range, and among columns."""
    query = block.start + i
    slot = max(memory, memory + query - (reach - 1), block.first)
    return slot - block.first, reach - 1 - (memory + query - slot) - block.column


@compiled
def _add_positions(block: Block, reach: int, memory: int, age: Array, scores: Array, logits: Array) -> None:
    """Add what distances score to a block's logits.

    Args:
        block: of queries.
        reach: how many distances have a position.
        memory: slots from before the window.
        age: (slots,).
        scores: (BLOCK * columns and more,), row by row.
        logits: (BLOCK, range); what is later than a query gets any numbers.
    """
    for i in range(block.stop - block.start):
        of_query, query = i * block.columns, block.start + i
        for slot in range(block.first, min(memory, block.first + block.width)):
            column = reach - 1 - (age[slot] + query)
            if block.column <= column < reach:
                logits[i, slot - block.first] += scores[of_query + column - block.column]
        start, column = _own_column(block, reach, memory, i)
        here, there = uintp(start), uintp(of_query + column)
        for s in range(uintp(block.width - start)):
            logits[i, here + s] += scores[there + s]


@compiled
def _collect_positions(block: Block, reach: int, memory: int, age: Array, slopes: Array, scores: Array) -> None:
    """The gradient to the scores that `_add_positions` added, in their place; slopes: (BLOCK, range), to the logits."""
    scores[: BLOCK * block.columns] = 0
    for i in range(block.stop - block.start):
        of_query, query = i * block.columns, block.start + i
        start, column = _own_column(block, reach, memory, i)
        here, there = uintp(start), uintp(of_query + column)
        for s in range(uintp(min(block.width - start, block.columns - column))):
            scores[there + s] = slopes[i, here + s]
        for slot in range(block.first, min(memory, block.first + block.width)):
            at = reach - 1 - (age[slot] + query)
            if block.column <= at < reach:
                scores[of_query + at - block.column] += slopes[i, slot - block.first]


@compiled
def _transpose(rows: Array, at: int, first: int, out: Array) -> None:
    """out[:, first:] = rows[first:, at : at + head] transposed; out: (head, slots and more)."""
    start, column = uintp(first), uintp(at)
    for slot in range(start, uintp(len(rows))):
        for j in range(uintp(len(out))):
            out[j, slot] = rows[slot, column + j]


@compiled
def _take(rows: Array, block: Block, at: int, scale: np.float32 | float, out: Array) -> None:
    """out = a block's rows[:, at : at + head] times a scale, 0 behind; out: (BLOCK, head)."""
    for i in range(BLOCK):
        for j in range(out.shape[1]):
            out[i, j] = rows[block.start + i, at + j] * scale if block.start + i < block.stop else float32(0)


@compiled
def _score(reading: Reading, block: Block, h: int, scratch: Scratch, logits: Array) -> None:
    """A head's logits, (BLOCK, range), by way of its `scratch.query` and `scratch.scores`."""
    (head, num_columns), keys = reading.table.shape, scratch.keys[h]
    _take(reading.queries[block.row], block, h * head, reading.scalars[0], scratch.query)
    query, table, width, columns = (scratch.query, 0, head, 1), reading.table, block.width, block.columns
    multiply(query, (keys, block.first, keys.shape[1]), (logits, 0, width), (BLOCK, head, width), False)
    of_columns = table, block.column, num_columns
    multiply(query, of_columns, (scratch.scores, 0, columns), (BLOCK, head, columns), False)
    _add_positions(block, reading.limits[1], reading.limits[2], reading.age[block.row], scratch.scores, logits)


@compiled
def _highest(logits: Array, bits: Array) -> Any:
    """The highest of some logits; bits: the same memory as int32, whose maximum is found in vectors, unlike floats'."""
    most = int32(-(2**31))
    for s in range(len(bits)):
        ordered = bits[s] ^ ((bits[s] >> _SIGN) & _ALL_BUT_SIGN)
        most = ordered if ordered > most else most
    for s in range(len(bits)):
        if bits[s] == most ^ ((most >> _SIGN) & _ALL_BUT_SIGN):
            return logits[s]
    return logits[0]


@compiled
def _weigh(logits: Array, mask: Array, bits: Array, shift: Array, total: Array) -> bool:
    """m exp(logit - shift) in place of a block's logits.

    Args:
        logits: (BLOCK, range).
        mask: (BLOCK, range).
        bits: (BLOCK, range) int32, for scratch.
        shift: (BLOCK,), set to the block's highest logit, seen or not.
        total: (BLOCK,), set to the sums.

    Returns:
        Whether a query's sum is too small for that shift, so that `_weigh_each` has to do it.
    """
    flat, of_mask, some_bits = logits.ravel(), mask.ravel(), bits.ravel()
    shift[:] = _highest(flat, flat.view(np.int32))
    exponentials(flat, shift[0], some_bits, some_bits.view(np.float32))
    for s in range(len(flat)):
        flat[s] *= of_mask[s]
    return _add_up(logits, total)


@compiled
def _weigh_each(logits: Array, mask: Array, bits: Array, shift: Array, total: Array) -> None:
    """`_weigh`, each query's logits being shifted by the highest that it sees itself."""
    for i in range(len(logits)):
        for s in range(logits.shape[1]):
            logits[i, s] = logits[i, s] if mask[i, s] > 0 else UNSEEN
        shift[i] = max(_highest(logits[i], logits[i].view(np.int32)), float32(-3e38))  # a query behind sees nothing
        exponentials(logits[i], shift[i], bits[i], bits[i].view(np.float32))
        for s in range(logits.shape[1]):
            logits[i, s] *= mask[i, s]
    _add_up(logits, total)


@compiled
def _add_up(weights: Array, total: Array) -> bool:
    """The sums of a block's weights, and whether one is below `_LEAST_SUM`."""
    is_small = False
    for i in range(len(weights)):
        weight_sum = float32(0)
        for s in range(weights.shape[1]):
            weight_sum += weights[i, s]
        total[i] = weight_sum
        is_small = is_small or bool(weight_sum < _LEAST_SUM)
    return is_small


@compiled
def read_row(reading: Reading, scratch: Scratch, row: int, read: Array, log_sum: Array) -> None:
    """What a row's queries read.

    Args:
        reading: of all rows.
        scratch: `scratch_for` it.
        row: which one.
        read: (query, model), where it goes, all heads side by side.
        log_sum: (heads, query), where the logarithm of each query's sum of weights goes.
    """
    num_queries, model = read.shape
    head, masks, memory = len(reading.table), reading.span.shape[1], reading.limits[2]
    key_value, out, shift, total = reading.key_value, scratch.out, scratch.shift, scratch.total
    at_least = _first_seen(reading, row, 0, num_queries, memory) // LANES * LANES
    for h in range(model // head):
        _transpose(key_value[row], h * head, at_least, scratch.keys[h])
    for start in range(0, num_queries, BLOCK):
        block = _block(reading, row, start)
        width, there = block.width, min(block.width, key_value.shape[1] - block.first)
        mask = _part(scratch.masks, masks * BLOCK, width).reshape((masks, BLOCK, width))
        logits, bits = _part(scratch.logits, BLOCK, width), _part(scratch.bits, BLOCK, width)
        _see(reading, block, mask)
        for h in range(model // head):
            of_mask = mask[min(h, masks - 1)]
            _score(reading, block, h, scratch, logits)
            if _weigh(logits, of_mask, bits, shift, total):
                _score(reading, block, h, scratch, logits)
                _weigh_each(logits, of_mask, bits, shift, total)
            value = (row * key_value.shape[1] + block.first) * 2 * model + model + h * head
            values = key_value, value, 2 * model
            multiply((logits, 0, width, 1), values, (out, 0, head), (BLOCK, there, head), False)
            for i in range(block.stop - start):
                log_sum[h, start + i] = shift[i] + math.log(total[i])
                for j in range(head):
                    read[start + i, h * head + j] = out[i, j] / total[i]


class Gradients(NamedTuple):
    """Of what a row read, to what it read from; all but `queries` are added to."""

    queries: Array
    """(query, model)."""
    key_value: Array
    """(slots and `LANES` more, 2 * model)."""
    positions: Array
    """(columns, head)."""
    span: Array
    """(1 or heads, slots)."""


@compiled
def _weigh_again(
    block: Block, logits: Array, mask: Array, log_sum: Array, slopes: Array, mean: Array, bits: Array
) -> None:
    """exp(logit - log_sum) in place of a block's logits, 0 where m is, and slopes less their mean.

    Args:
        block: of queries.
        logits, mask, slopes, bits: (BLOCK, range); the slopes are the gradients to the weights.
        log_sum: (query,), of the window.
        mean: (BLOCK,).
    """
    for i in range(BLOCK):
        if block.start + i < block.stop:
            total = log_sum[block.start + i]
            for s in range(block.width):
                logits[i, s] = logits[i, s] - total if mask[i, s] > 0 else UNSEEN
                slopes[i, s] -= mean[i]
        else:
            logits[i], slopes[i] = UNSEEN, 0
    flat, some_bits = logits.ravel(), bits.ravel()
    exponentials(flat, np.float32(0), some_bits, some_bits.view(np.float32))


@compiled
def _slope(weights: Array, slopes: Array, mask: Array, inverse: float, to_span: Array) -> None:
    """From exp(logits) and the gradients to the weights, less their mean, to weights and the gradients to the logits.

    Args:
        weights, slopes: (BLOCK, range), replaced.
        mask: (BLOCK, range), m.
        inverse: 1 / R.
        to_span: (range,), to which what comes through the ramp is added.
    """
    for i in range(len(weights)):
        for s in range(weights.shape[1]):
            unmasked = weights[i, s] * slopes[i, s]
            weights[i, s] *= mask[i, s]
            slopes[i, s] = unmasked * mask[i, s]
            to_span[s] += unmasked * inverse if mask[i, s] < 1 else float32(0)  # where m is 0, exp(logit) is


@compiled
def differentiate_row(
    reading: Reading, scratch: Scratch, row: int, given: tuple[Array, Array, Array], gradients: Gradients
) -> None:
    """The gradients of `read_row`.

    Args:
        reading: of all rows.
        scratch: `scratch_for` it.
        row: which one.
        given: what was read (query, model), `log_sum` (heads, query), and the gradient to what was read.
        gradients: where they go.
    """
    read, log_sum, to_read = given
    num_queries, model = read.shape
    head, num_slots, wide = len(reading.table), reading.key_value.shape[1], 2 * model
    masks, inverse = reading.span.shape[1], float32(1) / reading.scalars[1]
    _, reach, memory = reading.limits
    query, grad, mean, to_query = scratch.query, scratch.grad, scratch.total, scratch.out
    at_least = _first_seen(reading, row, 0, num_queries, memory) // LANES * LANES
    for h in range(model // head):
        _transpose(reading.key_value[row], h * head, at_least, scratch.keys[h])
        _transpose(reading.key_value[row], model + h * head, at_least, scratch.values[h])
    for start in range(0, num_queries, BLOCK):
        block = _block(reading, row, start)
        first, width, columns = block.first, block.width, block.columns
        there = min(width, num_slots - first)
        mask = _part(scratch.masks, masks * BLOCK, width).reshape((masks, BLOCK, width))
        logits, slopes = _part(scratch.logits, BLOCK, width), _part(scratch.slopes, BLOCK, width)
        scores, bits = scratch.scores, _part(scratch.bits, BLOCK, width)
        to_span = scratch.to_span[:width]
        _see(reading, block, mask)
        for h in range(model // head):
            of_mask, values, at = mask[min(h, masks - 1)], scratch.values[h], h * head
            _score(reading, block, h, scratch, logits)
            _take(to_read, block, at, np.float32(1), grad)
            read_values = values, first, values.shape[1]
            multiply((grad, 0, head, 1), read_values, (slopes, 0, width), (BLOCK, head, width), False)
            mean[:] = 0
            for i in range(block.stop - start):
                for j in range(head):
                    mean[i] += grad[i, j] * read[start + i, at + j]
            _weigh_again(block, logits, of_mask, log_sum[h], slopes, mean, bits)
            to_span[:] = 0
            _slope(logits, slopes, of_mask, inverse, to_span)
            _collect_positions(block, reach, memory, reading.age[row], slopes, scores)
            for s in range(there):
                gradients.span[min(h, masks - 1), first + s] += to_span[s]
            to_keys = gradients.key_value, first * wide + at, wide
            to_values = gradients.key_value, first * wide + model + at, wide
            to_positions = gradients.positions, block.column * head, head
            multiply((slopes, 0, 1, width), (query, 0, head), to_keys, (width, BLOCK, head), True)
            multiply((logits, 0, 1, width), (grad, 0, head), to_values, (width, BLOCK, head), True)
            multiply((scores, 0, 1, columns), (query, 0, head), to_positions, (columns, BLOCK, head), True)
            keys = reading.key_value, (row * num_slots + first) * wide + at, wide
            positions = reading.positions, block.column * head, head
            multiply((slopes, 0, width, 1), keys, (to_query, 0, head), (BLOCK, there, head), False)
            multiply((scores, 0, columns, 1), positions, (to_query, 0, head), (BLOCK, columns, head), True)
            for i in range(block.stop - start):
                for j in range(head):
                    gradients.queries[start + i, at + j] = to_query[i, j] * reading.scalars[0]
