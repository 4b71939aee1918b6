"""A step of acting: all layers of the Transformer for one query a row, its memories being projected already.

rows    of the batch; eight at a time go through all layers
slots   memories from before, then the steps taken and the query's own; see `Slots`
block   scratch for the eight
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32, prange, uintp

from rlmem.kernels.arithmetic import BLOCK, LANES, UNSEEN, add_combination, layer_norm, product, softmax
from rlmem.kernels.compiling import compiled, compiled_for_threads
from rlmem.kernels.typing import Array


class Weights(NamedTuple):
    """Of a Transformer core; every array but the last two leads with its layers."""

    attention_norm: Array
    """(layers, 2, model), weight and bias."""
    projections: Array
    """(layers, model, 3 * model): queries, already scaled, keys and values."""
    position_table: Array
    """(layers, head, distances), from `RelativePositions.step_table`, padded to a multiple of `LANES`."""
    output: Array
    """(layers, model, model)."""
    feedforward_norm: Array
    """(layers, 2, model)."""
    expand: Array
    """(layers, model, feedforward)."""
    expand_bias: Array
    """(layers, feedforward)."""
    contract: Array
    """(layers, feedforward, model)."""
    contract_bias: Array
    """(layers, model)."""
    norm: Array
    """(2, model), of the core's output."""
    eps: Array
    """(1,), what all norms add to a variance."""


class Slots(NamedTuple):
    """What the rows remember, and how long ago it was; the number of slots is a multiple of `LANES`.

    The query of step s sees it through `log_mask[..., s, :]`.
    """

    keys: Array
    """(layers, batch, heads, head, slots): transposed, so that slots lie side by side."""
    values: Array
    """(layers, batch, heads, slots, head)."""
    log_mask: Array
    """(layers, batch, 1 or heads, steps, slots), -inf where a query sees nothing."""
    age: Array
    """(layers, batch, slots) int32, at step 0; what is not there yet is younger than 0."""
    first: Array
    """(batch,) int64, the first slot of the running episode; those before are hidden by their mask too."""
    phase: Array
    """(batch,) int64, how many steps after its episode's first the last step taken was."""


class Taken(NamedTuple):
    """What a step gives."""

    inputs: Array
    """(layers, batch, steps, model), what entered each layer at each step."""
    normed: Array
    """(layers, batch, model), the same of this step behind the attention's norm."""
    hidden: Array
    """(batch, model), the core's normed output."""
    sizes: Array
    """(batch, layers) int64, how many memories the query saw with any head."""


@compiled
def _begin_episode(slots: Slots, is_first: Array, own: int, step: int, begin: int, end: int) -> None:
    """Hide what was before a step that begins an episode, and count the steps since."""
    for row in range(begin, end):
        if is_first[row]:
            slots.first[row], slots.phase[row] = own, 0
            slots.log_mask[:, row, :, step:, :own] = UNSEEN
        else:
            slots.phase[row] += 1


@compiled
def _count_seen(log_mask: Array, first: int, own: int) -> int:
    """How many slots before its own a query sees with any head; log_mask: (1 or heads, slots)."""
    seen = 0
    for slot in range(first, own):
        for head in range(log_mask.shape[0]):
            if log_mask[head, slot] > UNSEEN:
                seen += 1
                break
    return seen


@compiled
def _first_seen(log_mask: Array, first: int, own: int) -> int:
    """The first slot that a query sees with any head, from some slot on; log_mask: (1 or heads, slots)."""
    for slot in range(first, own):
        for head in range(log_mask.shape[0]):
            if log_mask[head, slot] > UNSEEN:
                return slot
    return own


@compiled
def _read(
    query: Array,
    keys: Array,
    values: Array,
    log_mask: Array,
    distance: Array,
    table: Array,
    seen: tuple[int, int, int],
    scratch: tuple[Array, Array, Array, Array],
    out: Array,
) -> None:
    """What one head of one row reads of a range of slots.

    Args:
        query: (head,).
        keys: (head, slots).
        values: (slots, head).
        log_mask: (slots,), -inf where nothing is seen; at least one slot of the range is.
        distance: (slots,) int32, of the range alone.
        table: (head, distances).
        seen: the range, its first slot and the one behind its last, and how many distances it has.
        scratch: logits and position scores, and `softmax`'s bits and powers.
        out: (head,).
    """
    logits, scores, bits, powers = scratch
    start, stop, distances = seen
    logits, scores = logits[: stop - start], scores[:distances]
    scores[:] = 0
    add_combination(query, table, 0, scores)
    for slot in range(len(logits)):
        logits[slot] = log_mask[start + slot] + scores[distance[slot]]
    add_combination(query, keys, start, logits)
    factor = softmax(logits, bits, powers)
    out[:] = 0
    width, one, two, three = uintp(len(out)), uintp(1), uintp(2), uintp(3)
    for slot in range(0, len(logits), 4):
        w0, w1, w2, w3 = logits[slot], logits[slot + 1], logits[slot + 2], logits[slot + 3]
        if w0 + w1 + w2 + w3 > 0:
            at = uintp(start + slot)
            for j in range(width):
                out[j] += (
                    w0 * values[at, j]
                    + w1 * values[at + one, j]
                    + w2 * values[at + two, j]
                    + w3 * values[at + three, j]
                )
    for j in range(width):
        out[j] *= factor


@compiled
def _take_rows(
    weights: Weights,
    slots: Slots,
    query: tuple[Array, Array],
    taken: Taken,
    counts: tuple[int, int, int],
    is_stored: bool,
    begin: int,
    end: int,
) -> None:
    """`take_step` for the rows from `begin` up to `end`."""
    (inputs, is_first), (num_memories, reach, step) = query, counts
    own = num_memories + step
    layers, _, heads, head, num_slots = slots.keys.shape
    model, eps, distances = heads * head, weights.eps[0], weights.position_table.shape[2]
    if is_stored:
        _begin_episode(slots, is_first, own, step, begin, end)
    bits = np.empty(num_slots, np.int32)
    distance = np.empty(num_slots, np.int32)
    scratch = np.empty(num_slots, np.float32), np.empty(distances, np.float32), bits, bits.view(np.float32)
    stream, normed = np.zeros((BLOCK, model), np.float32), np.zeros((BLOCK, model), np.float32)
    projected, read = np.empty((BLOCK, 3 * model), np.float32), np.zeros((BLOCK, model), np.float32)
    mixed = np.empty((BLOCK, model), np.float32)
    wide = np.empty((BLOCK, weights.expand.shape[2]), np.float32)
    for block in range(begin, end, BLOCK):
        rows = min(BLOCK, end - block)
        stream[:rows] = inputs[block : block + rows]
        for layer in range(layers):
            weight, bias = weights.attention_norm[layer]
            for i in range(rows):
                if is_stored:
                    taken.inputs[layer, block + i, step] = stream[i]
                layer_norm(stream[i], weight, bias, eps, normed[i])
                taken.normed[layer, block + i] = normed[i]
            product(normed, weights.projections[layer], projected)
            for i in range(rows):
                row = block + i
                age = slots.age[layer, row]
                log_mask = slots.log_mask[layer, row, :, step]
                first = _first_seen(log_mask, slots.first[row], own)
                start, stop, farthest = first // LANES * LANES, (own // LANES + 1) * LANES, 0
                ages = age[start:stop]
                for slot in range(len(ages)):
                    distance[slot] = max(min(ages[slot] + step, reach), 0)
                    farthest = max(farthest, distance[slot])
                seen = start, stop, (farthest // LANES + 1) * LANES
                for h in range(heads):
                    at = h * head
                    keys, values = slots.keys[layer, row, h], slots.values[layer, row, h]
                    for j in range(head):
                        keys[j, own] = projected[i, model + at + j]
                        values[own, j] = projected[i, 2 * model + at + j]
                    _read(
                        projected[i, at : at + head],
                        keys,
                        values,
                        log_mask[min(h, len(log_mask) - 1)],
                        distance,
                        weights.position_table[layer],
                        seen,
                        scratch,
                        read[i, at : at + head],
                    )
                taken.sizes[row, layer] = _count_seen(log_mask, first, own)
            product(read, weights.output[layer], mixed)
            weight, bias = weights.feedforward_norm[layer]
            for i in range(rows):
                for j in range(model):
                    stream[i, j] += mixed[i, j]
                layer_norm(stream[i], weight, bias, eps, normed[i])
            product(normed, weights.expand[layer], wide)
            for i in range(rows):
                for j in range(wide.shape[1]):
                    wide[i, j] = max(wide[i, j] + weights.expand_bias[layer, j], float32(0))
            product(wide, weights.contract[layer], mixed)
            for i in range(rows):
                for j in range(model):
                    stream[i, j] += mixed[i, j] + weights.contract_bias[layer, j]
        weight, bias = weights.norm
        for i in range(rows):
            layer_norm(stream[i], weight, bias, eps, taken.hidden[block + i])


@compiled_for_threads
def take_step(
    weights: Weights,
    slots: Slots,
    query: tuple[Array, Array],
    taken: Taken,
    counts: tuple[int, int, int],
    is_stored: bool,
    bounds: Array,
) -> None:
    """A step of all rows.

    Its keys and values go to its slot in any case; who does not store a step takes the next one in the same slot.

    Args:
        weights: of the core.
        slots: of the rows.
        query: (batch, model), the embedded observations, and (batch,) bool, True where the step begins a new episode;
            the latter is read only if the step is stored.
        taken: where the results go.
        counts: slots from before step 0, the positions' reach, and the number of the step.
        is_stored: False for a query that is no step of the episode.
        bounds: (threads + 1,) int64, each thread's first row; the last is the number of rows.
    """
    for part in prange(len(bounds) - 1):
        _take_rows(weights, slots, query, taken, counts, is_stored, bounds[part], bounds[part + 1])
