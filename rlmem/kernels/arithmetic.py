"""What the kernels have in common: products, norms, and the softmax of a row."""

from __future__ import annotations

import math

import numpy as np
from numba import float32, int32, uintp

from rlmem.kernels.compiling import compiled
from rlmem.kernels.tile import COLUMNS, ROWS, add_tile
from rlmem.kernels.typing import Array, Number

LANES = 32
"""A range of so many numbers is faster than a shorter one: loops take as many at once, and the others one by one."""

BLOCK = ROWS
"""Rows that go through products together."""

UNSEEN = float32(-np.inf)
"""The log of a mask where nothing is seen."""

_LOG2_E = float32(1.4426950408889634)
_BIAS, _MANTISSA_BITS = int32(127), int32(23)  # of a float32, whose exponent is kept with the bias added
_TURNS = float32(1 / (2 * math.pi))
_COSINE = tuple(float32((-1) ** k * (2 * math.pi) ** (2 * k) / math.factorial(2 * k)) for k in range(9))
_SINE = tuple(float32((-1) ** k * (2 * math.pi) ** (2 * k + 1) / math.factorial(2 * k + 1)) for k in range(9))
_LEAST = float32(-127 * math.log(2))  # where the exponent is 0, which stands for the number 0


@compiled
def multiply(
    left: tuple[Array, int, int, int],
    right: tuple[Array, int, int],
    out: tuple[Array, int, int],
    shape: tuple[int, int, int],
    is_added: bool,
) -> None:
    """out = left @ right, or out += left @ right, of parts of arrays; nothing is checked.

    Each sum is taken over its terms in their order, whatever is beside it.

    Args:
        left: an array, where in it the part begins, and how far its rows and its terms are apart.
        right: an array, where the part begins, and how far its terms are apart; columns lie side by side.
        out: an array, where the part begins, and how far its rows are apart.
        shape: rows, terms and columns; fast are multiples of `tile.COLUMNS`, of at least `tile.ROWS` rows, or of a
            multiple of it where the product is added.
        is_added: to what `out` holds.
    """
    rows, _, columns = shape
    flat = (left[0].ravel(), *left[1:]), (right[0].ravel(), *right[1:]), (out[0].ravel(), *out[1:])
    if rows < ROWS or columns % COLUMNS or (is_added and rows % ROWS):
        _multiply_slowly(*flat, shape, is_added)
    else:
        _multiply_tiles(*flat, shape, is_added)


@compiled
def _multiply_tiles(
    left: tuple[Array, int, int, int],
    right: tuple[Array, int, int],
    out: tuple[Array, int, int],
    shape: tuple[int, int, int],
    is_added: bool,
) -> None:
    """`multiply` where tiles make up the product; arrays are flat."""
    (a, a_at, a_row, a_term), (b, b_at, b_term), (c, c_at, c_row), (rows, terms, columns) = left, right, out, shape
    for begin in range(0, rows, ROWS):
        row = min(begin, rows - ROWS)  # the last tile may do some rows again
        for column in range(0, columns, COLUMNS):
            add_tile(  # type: ignore[call-arg]
                a,
                uintp(a_at + row * a_row),
                uintp(a_row),
                uintp(a_term),
                b,
                uintp(b_at + column),
                uintp(b_term),
                c,
                uintp(c_at + row * c_row + column),
                uintp(c_row),
                uintp(terms),
                is_added,
            )


@compiled
def _multiply_slowly(
    left: tuple[Array, int, int, int],
    right: tuple[Array, int, int],
    out: tuple[Array, int, int],
    shape: tuple[int, int, int],
    is_added: bool,
) -> None:
    """`multiply` where rows or columns do not make tiles; arrays are flat."""
    (a, a_at, a_row, a_term), (b, b_at, b_term), (c, c_at, c_row), (rows, terms, columns) = left, right, out, shape
    for row in range(rows):
        for column in range(columns):
            total = c[c_at + row * c_row + column] if is_added else float32(0)
            for term in range(terms):
                total += a[a_at + row * a_row + term * a_term] * b[b_at + term * b_term + column]
            c[c_at + row * c_row + column] = total


@compiled
def product(left: Array, right: Array, out: Array) -> None:
    """out = left @ right, from (rows, inner) and (inner, columns); see `multiply`."""
    (rows, inner), columns = left.shape, right.shape[1]
    multiply((left, 0, inner, 1), (right, 0, columns), (out, 0, columns), (rows, inner, columns), False)


@compiled
def add_combination(factors: Array, rows: Array, first: int, out: Array) -> None:
    """out += factors @ rows[:, first : first + columns].

    Args:
        factors: (inner,).
        rows: (inner, more columns).
        first: of the columns.
        out: (columns,); a multiple of `LANES` is fastest.
    """
    inner, columns = len(factors), uintp(len(out))
    offset = uintp(first)  # what cannot be negative needs no check for Python's negative indices, which loops would do
    fours = inner - inner % 4
    for k in range(0, fours, 4):
        a0, a1, a2, a3 = factors[k], factors[k + 1], factors[k + 2], factors[k + 3]
        for j in range(columns):
            c = offset + j
            out[j] += a0 * rows[k, c] + a1 * rows[k + 1, c] + a2 * rows[k + 2, c] + a3 * rows[k + 3, c]
    for k in range(fours, inner):
        for j in range(columns):
            out[j] += factors[k] * rows[k, offset + j]


@compiled
def layer_norm(row: Array, weight: Array, bias: Array, eps: float, out: Array) -> None:
    """PyTorch's layer norm of one row; all (width,)."""
    width = len(row)
    total = float32(0)
    for j in range(width):
        total += row[j]
    mean = total / float32(width)
    total = float32(0)
    for j in range(width):
        total += (row[j] - mean) * (row[j] - mean)
    scale = float32(1) / math.sqrt(total / float32(width) + float32(eps))
    for j in range(width):
        out[j] = (row[j] - mean) * scale * weight[j] + bias[j]


@compiled
def exponentials(logits: Array, shift: np.float32 | float, bits: Array, powers: Array) -> None:
    """exp(logits - shift) in place; 0 where that is below 2^-126.

    exp(x) is 2^(whole + part) with |part| <= 1/2: a power of two, written as a float's exponent, times the Taylor
    polynomial of 2^part, which is right to 2e-7. Written so that it is vectorised, as calls of exp are not.

    Args:
        logits: (slots,), less the shift below 88; a multiple of `LANES` is fastest.
        shift: a finite number.
        bits: (slots,) int32 or more, for scratch.
        powers: the same memory as float32.
    """
    for s in range(len(logits)):
        logit = max(logits[s] - shift, _LEAST)
        exponent = int32(logit * _LOG2_E + float32(127.5))
        part = logit * _LOG2_E - float32(exponent - _BIAS)
        bits[s] = exponent << _MANTISSA_BITS
        polynomial = float32(1.5403530393381610e-4)
        polynomial = polynomial * part + float32(1.3333558146428443e-3)
        polynomial = polynomial * part + float32(9.6181291076284772e-3)
        polynomial = polynomial * part + float32(5.5504108664821580e-2)
        polynomial = polynomial * part + float32(2.4022650695910071e-1)
        polynomial = polynomial * part + float32(6.9314718055994531e-1)
        logits[s] = polynomial * part + float32(1)
    for s in range(len(logits)):
        logits[s] *= powers[s]


@compiled
def softmax(logits: Array, bits: Array, powers: Array) -> np.float32:
    """The softmax of a row, in place but for a factor, which it returns.

    Args:
        logits: (slots,), at least one of them finite; a multiple of `LANES` is fastest.
        bits, powers: see `exponentials`.
    """
    highest = logits[0]
    for s in range(len(logits)):
        highest = max(highest, logits[s])
    exponentials(logits, highest, bits, powers)
    total = float32(0)
    for s in range(len(logits)):
        total += logits[s]
    return float32(1) / total


@compiled
def turned(angle: Number) -> Number:
    """An angle of up to some hundred in turns, whole turns taken off: from -1/2 to 1/2."""
    turns = angle * _TURNS
    return turns - float32(int32(turns + (float32(0.5) if turns > 0 else float32(-0.5))))


@compiled
def cosine_of(turns: Number) -> Number:
    """The cosine of what is `turned`, right to 1e-6: its Taylor polynomial around 0, which is vectorised."""
    square = turns * turns
    cosine = _COSINE[8]
    cosine = cosine * square + _COSINE[7]
    cosine = cosine * square + _COSINE[6]
    cosine = cosine * square + _COSINE[5]
    cosine = cosine * square + _COSINE[4]
    cosine = cosine * square + _COSINE[3]
    cosine = cosine * square + _COSINE[2]
    cosine = cosine * square + _COSINE[1]
    return cosine * square + _COSINE[0]


@compiled
def sine_of(turns: Number) -> Number:
    """The sine, likewise."""
    square = turns * turns
    sine = _SINE[8]
    sine = sine * square + _SINE[7]
    sine = sine * square + _SINE[6]
    sine = sine * square + _SINE[5]
    sine = sine * square + _SINE[4]
    sine = sine * square + _SINE[3]
    sine = sine * square + _SINE[2]
    sine = sine * square + _SINE[1]
    return (sine * square + _SINE[0]) * turns
