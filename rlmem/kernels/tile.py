"""A tile of a matrix product, held in vector registers: the one loop that is written for LLVM directly.

Left to itself LLVM goes through `out` in memory once for every few terms of the sums, behind checks whether the arrays
overlap: half of a small product's time. Here `ROWS` rows of `COLUMNS` numbers stay in registers over all terms.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS = 8
"""Rows of a tile."""

COLUMNS = 16 if binding.get_host_cpu_features().get("avx512f") else 8
"""Columns of a tile: a vector, or what the next smaller vectors can hold of all rows."""

_FUSED = ("contract",)  # a product and a sum may be rounded once
_alloca: Any = cgutils.alloca_once
_VECTOR = ir.VectorType(ir.FloatType(), COLUMNS)


def _tile_code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """LLVM's code of `add_tile`."""
    left, right, out = (context.make_array(signature.args[at])(context, builder, args[at]).data for at in (0, 4, 7))
    _, left_at, left_row, left_term, _, right_at, right_term, _, out_at, out_row, terms, is_added = args

    def number(value: int) -> Any:
        return ir.Constant(left_at.type, value)

    def vector_at(array: Any, at: Any) -> Any:
        return builder.bitcast(builder.gep(array, [at]), _VECTOR.as_pointer())

    def place(row: int) -> Any:
        return vector_at(out, builder.add(out_at, builder.mul(out_row, number(row))))

    sums = [_alloca(builder, _VECTOR) for _ in range(ROWS)]
    with builder.if_else(is_added) as (added, fresh):
        with added:
            for row, total in enumerate(sums):
                builder.store(builder.load(place(row), align=4), total)
        with fresh:
            for total in sums:
                builder.store(ir.Constant(_VECTOR, [0.0] * COLUMNS), total)
    with cgutils.for_range(builder, terms) as loop:
        term = builder.load(vector_at(right, builder.add(right_at, builder.mul(right_term, loop.index))), align=4)
        first = builder.add(left_at, builder.mul(left_term, loop.index))
        for row, total in enumerate(sums):
            factor = builder.load(builder.gep(left, [builder.add(first, builder.mul(left_row, number(row)))]))
            product = builder.fmul(_spread(builder, factor), term, flags=_FUSED)
            builder.store(builder.fadd(product, builder.load(total), flags=_FUSED), total)
    for row, total in enumerate(sums):
        builder.store(builder.load(total), place(row), align=4)
    return context.get_dummy_value()


def _spread(builder: Any, number: Any) -> Any:
    """A vector of one number."""
    unset = ir.Constant(_VECTOR, ir.Undefined)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), COLUMNS), [0] * COLUMNS)
    return builder.shuffle_vector(builder.insert_element(unset, number, ir.IntType(32)(0)), unset, zeros)


@intrinsic
def add_tile(
    typingctx: Any,
    left: Any,
    left_at: Any,
    left_row: Any,
    left_term: Any,
    right: Any,
    right_at: Any,
    right_term: Any,
    out: Any,
    out_at: Any,
    out_row: Any,
    terms: Any,
    is_added: Any,
) -> Any:
    """out[r, c] = sum over t of left[r, t] * right[t, c], for `ROWS` rows r and `COLUMNS` columns c.

    Each array is float32 and C-contiguous; it comes with the number, counted from its beginning, of the element that
    the tile begins with, and how many lie between one of the tile's rows, or terms, and the next. Nothing is checked.
    With `is_added` the sum is added to what `out` holds.
    """
    sizes = [types.uintp] * 3
    arguments = left, *sizes, right, *sizes[:2], out, *sizes[:2], types.uintp, types.boolean
    return types.void(*arguments), _tile_code
