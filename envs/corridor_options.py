"""The `options` of a Corridor's `reset`: layouts that the caller forces instead of leaving them to chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rlmem.envs.corridor_specification import COLOURS, SIDES, CorridorRules, IntArray, Layouts
from rlmem.errors import UsageError

LAYOUT_OPTIONS = ("length", "object_colour", "red_door")


def read_layout_options(options: Mapping[str, Any] | None, rules: CorridorRules, count: int) -> dict[str, IntArray]:
    """Check forced layouts and turn their words into indices.

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
    forced = {}
    for name, value in (options or {}).items():
        if name == "length":
            forced[name] = _read_lengths(value, rules)
        elif name == "object_colour":
            forced[name] = _read_words(name, value, COLOURS)
        elif name == "red_door":
            forced[name] = _read_words(name, value, SIDES)
        else:
            raise UsageError(f"got the option {name!r}, which reset does not know: use {', '.join(LAYOUT_OPTIONS)}")
        if forced[name].shape not in ((), (count,)):
            raise UsageError(
                f"options[{name!r}] has shape {forced[name].shape}, but there are {count} environments: "
                f"pass one value, or a sequence of {count}"
            )
    return {name: np.broadcast_to(values, (count,)) for name, values in forced.items()}


def force_layouts(layouts: Layouts, forced: Mapping[str, IntArray]) -> None:
    """Write forced fields, as `read_layout_options` returns them, over drawn layouts, in place."""
    for name, values in forced.items():
        getattr(layouts, name)[:] = values


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


def _read_words(name: str, value: Any, words: tuple[str, ...]) -> IntArray:
    given = np.asarray(value)
    if given.dtype.kind == "O" or not np.isin(given, words).all():
        raise UsageError(f"options[{name!r}] is {value!r}, but it can only be one of {words}: pass these words")
    return np.where(given == words[0], 0, 1).astype(np.int64)
