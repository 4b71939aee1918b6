"""Observations of any structure as a flat tuple of arrays, one for each leaf of the space.

A `Dict` or `Tuple` space is a tree, and what is neither is a leaf. Collector and learner see leaves only: the leaf of a
plain space is the observation itself. The leaves of a `Dict` come in the alphabetical order of its keys, however it was
built, so that two equal spaces have the same leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from gymnasium import Space, spaces
from numpy.typing import NDArray

from rlmem.errors import check

PLAIN_PATH = "observation"  # of the only leaf of a space without a structure


def leaf_spaces(space: Space[Any]) -> dict[str, Space[Any]]:
    """The leaves of a space by path.

    Args:
        space: of single observations.

    Returns:
        Leaf spaces in the order of `leaves`. A path joins keys and positions by dots: "view", "inner.position", "0.1";
        "observation" is the path of a plain space.

    Raises:
        UsageError: two leaves have one path, because a key has a dot in it.
    """
    found: dict[str, Space[Any]] = {}
    for path, leaf in _walk(space, ""):
        check(
            path not in found,
            f"{space} has two entries with the path {path!r}, so they cannot be told apart; use keys without dots",
        )
        found[path] = leaf
    return found


def leaves(space: Space[Any], observation: Any) -> tuple[NDArray[Any], ...]:
    """The arrays of an observation, in the order of `leaf_spaces`.

    Args:
        space: of single observations.
        observation: one observation of it or a batch, as Gymnasium's vector environments give it: dicts and tuples of
            arrays that lead with the batch.

    Returns:
        One array (*leading, *leaf shape) a leaf, not copied.
    """
    if isinstance(space, spaces.Dict):
        return tuple(leaf for key, part in _entries(space) for leaf in leaves(part, observation[key]))
    if isinstance(space, spaces.Tuple):
        parts = zip(space.spaces, observation, strict=True)
        return tuple(leaf for part, value in parts for leaf in leaves(part, value))
    return (observation,)


def stack_leaves(space: Space[Any], observations: Sequence[Any]) -> tuple[NDArray[Any], ...]:
    """The leaves of single observations, batched; for `final_obs`, which comes as an object array.

    Args:
        space: of single observations.
        observations: at least one.

    Returns:
        One array (len(observations), *leaf shape) of the leaf's dtype a leaf.
    """
    rows = [leaves(space, observation) for observation in observations]
    columns = zip(leaf_spaces(space).values(), zip(*rows, strict=True), strict=True)
    return tuple(np.stack(column).astype(leaf.dtype, copy=False) for leaf, column in columns)


def _entries(space: spaces.Dict) -> list[tuple[str, Space[Any]]]:
    return sorted(space.spaces.items(), key=lambda entry: str(entry[0]))


def _walk(space: Space[Any], path: str) -> Iterator[tuple[str, Space[Any]]]:
    if isinstance(space, spaces.Dict):
        parts: Sequence[tuple[object, Space[Any]]] = _entries(space)
    elif isinstance(space, spaces.Tuple):
        parts = list(enumerate(space.spaces))
    else:
        yield path or PLAIN_PATH, space
        return
    for key, part in parts:
        yield from _walk(part, f"{path}.{key}" if path else str(key))
