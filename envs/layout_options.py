"""The `options` of a `reset`: layouts that the caller forces instead of leaving them to chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rlmem.envs.grid_world import IntArray
from rlmem.errors import UsageError

OptionReader = Callable[[str, Any], IntArray]
"""Checks the value of the option of a name and gives it as numbers, in an array of the value's own shape."""


def read_layout_options(
    options: Mapping[str, Any] | None, readers: Mapping[str, OptionReader], shape: tuple[int, ...], axes: str
) -> dict[str, IntArray]:
    """Check forced layouts and turn them into arrays.

    Args:
        options: name to value; a value has the shape `shape`, or lacks axes at its front, or is one value for all. None
            forces nothing.
        readers: for each option that there is, what checks its value.
        shape: (envs, ...), what a field of the layouts has.
        axes: `shape` in words, for messages: "4 environments".

    Returns:
        For each option that was given, an array of `shape` for the layouts' field of that name.

    Raises:
        UsageError: an unknown option, a value that cannot be, or a wrong number of values.
    """
    allowed = [shape[axis:] for axis in range(len(shape), -1, -1)]
    forced = {}
    for name, value in (options or {}).items():
        if name not in readers:
            raise UsageError(f"got the option {name!r}, which reset does not know: use {', '.join(readers)}")
        values = readers[name](name, value)
        if values.shape not in allowed:
            raise UsageError(
                f"options[{name!r}] has shape {values.shape}, but there are {axes}: pass one value, or an array of "
                f"shape {' or '.join(map(str, allowed[1:]))}"
            )
        forced[name] = np.broadcast_to(values, shape)
    return forced


def read_words(words: tuple[str, str]) -> OptionReader:
    """Make the reader of an option whose value is one of two words: it gives their indices."""

    def read(name: str, value: Any) -> IntArray:
        message = f"options[{name!r}] is {value!r}, but it can only be one of {words}: pass these words"
        try:
            given = np.asarray(value)
        except ValueError as error:  # rows of different lengths
            raise UsageError(message) from error
        if given.dtype.kind == "O" or not np.isin(given, words).all():
            raise UsageError(message)
        return np.where(given == words[0], 0, 1).astype(np.int64)

    return read
