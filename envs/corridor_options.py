"""The `options` of a Corridor's `reset`: corridors that the caller forces instead of leaving them to chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rlmem.envs.corridor_specification import SIDES, CorridorRules
from rlmem.envs.grid_world import COLOURS, IntArray
from rlmem.envs.layout_options import read_layout_options, read_words
from rlmem.errors import UsageError


def read_corridor_options(options: Mapping[str, Any] | None, rules: CorridorRules, count: int) -> dict[str, IntArray]:
    """Check forced corridors and turn their words into indices.

    Args:
        options: any of ``length`` (cells), ``object_colour`` ("red" or "blue") and ``red_door`` ("north" or "south"),
            each one value for all environments or a sequence of `count` values. None forces nothing.
        rules: the lengths that are possible.
        count: number of environments.

    Returns:
        For each option that was given, an array (count,) for the field of `Layouts` of that name.

    Raises:
        UsageError: an unknown option, a value that cannot be, or a wrong number of values.
    """

    def read_lengths(name: str, value: Any) -> IntArray:
        return _read_lengths(value, rules)

    readers = {"length": read_lengths, "object_colour": read_words(COLOURS), "red_door": read_words(SIDES)}
    return read_layout_options(options, readers, (count,), f"{count} environments")


def _read_lengths(value: Any, rules: CorridorRules) -> IntArray:
    lengths = np.asarray(value)
    if not np.issubdtype(lengths.dtype, np.integer):
        raise UsageError(f"options['length'] is {value!r}, but a length is a number of cells: pass integers")
    if lengths.size and not rules.min_length <= lengths.min() <= lengths.max() <= rules.max_length:
        raise UsageError(
            f"options['length'] is {value!r}, but this environment has corridors of {rules.min_length} to "
            f"{rules.max_length} cells: force one of those, or make it with another min_length or max_length"
        )
    return lengths.astype(np.int64)
