"""Spaces as strict JSON, so that a checkpoint says what it observes and how it acts, and opening it runs no code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import Space, spaces
from numpy.typing import NDArray

from rlmem.errors import UsageError, check
from rlmem.word_space import WordSpace


def space_to_json(space: Space[Any]) -> dict[str, Any]:
    """A space as a dictionary of strings, numbers, lists and dictionaries.

    Bounds are exact, and one number where all elements share it; infinite ones are the strings "inf" and "-inf". Seeds
    are left out.

    Args:
        space: Box, WordSpace, Discrete, MultiDiscrete, MultiBinary, or Dict and Tuple of these.

    Raises:
        UsageError: of another kind, or a Dict whose keys are not strings.
    """
    if isinstance(space, WordSpace):
        rows, columns, _ = space.shape
        return {"type": "WordSpace", "rows": rows, "columns": columns, "words": list(space.words)}
    if isinstance(space, spaces.Box):
        bounds = {"low": _numbers(space.low), "high": _numbers(space.high)}
        return {"type": "Box", "shape": list(space.shape), "dtype": space.dtype.name, **bounds}
    if isinstance(space, spaces.Discrete):
        return {"type": "Discrete", "n": int(space.n), "start": int(space.start), "dtype": space.dtype.name}
    if isinstance(space, spaces.MultiDiscrete):
        parts = {"nvec": space.nvec.tolist(), "start": space.start.tolist()}
        return {"type": "MultiDiscrete", "dtype": space.dtype.name, **parts}
    if isinstance(space, spaces.MultiBinary):
        return {"type": "MultiBinary", "n": space.n if isinstance(space.n, int) else list(space.n)}
    if isinstance(space, spaces.Tuple):
        return {"type": "Tuple", "spaces": [space_to_json(part) for part in space.spaces]}
    if isinstance(space, spaces.Dict):
        for key in space.spaces:
            check(isinstance(key, str), f"the Dict space has the key {key!r}, but JSON has strings only; rename it")
        return {"type": "Dict", "spaces": {key: space_to_json(part) for key, part in space.spaces.items()}}
    raise UsageError(f"{space} cannot be written as JSON; known are {', '.join(_READERS)}")


def space_from_json(data: Any) -> Space[Any]:
    """The space that `space_to_json` wrote.

    Args:
        data: of any origin; it is checked.

    Raises:
        ValueError: the data describes no space.
    """
    kind = data.get("type") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in _READERS:
        raise ValueError(
            f"{_shortened(data)} describes no space: it needs a 'type' out of {', '.join(_READERS)}; it is damaged or "
            "of a newer version of rlmem"
        )
    try:
        return _READERS[kind](data)
    except KeyError as error:
        raise ValueError(f"the description of a {kind} lacks {error}: {_shortened(data)}") from error
    except (TypeError, ValueError, AttributeError, AssertionError, OverflowError, MemoryError) as error:
        raise ValueError(f"the description of a {kind} cannot be: {error}: {_shortened(data)}") from error


def _numbers(bounds: NDArray[Any]) -> Any:
    """Bounds as a nested list, or as one number if all are equal (and there are any)."""
    if bounds.size and (bounds == bounds.flat[0]).all():
        return _number(bounds.flat[0].item())
    return _mapped(_number, bounds.tolist())


def _mapped(function: Callable[[Any], Any], nested: Any) -> Any:
    return [_mapped(function, item) for item in nested] if isinstance(nested, list) else function(nested)


def _number(value: Any) -> Any:
    return str(value) if value in (np.inf, -np.inf) else value


def _bounds(data: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    read = _mapped(lambda item: float(item) if item in ("inf", "-inf") else item, data)
    bounds = np.array(read, dtype=dtype)
    return np.full(shape, bounds) if bounds.ndim == 0 else bounds


def _box(data: dict[str, Any]) -> spaces.Box:
    shape, dtype = _shape(data["shape"]), np.dtype(data["dtype"])
    low, high = (_bounds(data[name], shape, dtype) for name in ("low", "high"))
    return spaces.Box(low, high, shape, dtype.type)


def _shape(data: Any) -> tuple[int, ...]:
    if not (isinstance(data, list) and all(type(size) is int and size >= 0 for size in data)):
        raise ValueError(f"a shape must be a list of whole numbers, not {_shortened(data)}")
    return tuple(data)


def _word_space(data: dict[str, Any]) -> WordSpace:
    words = data["words"]
    if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
        raise ValueError(f"the words of a WordSpace must be a list of strings, not {_shortened(words)}")
    rows, columns = _shape([data["rows"], data["columns"]])
    return WordSpace(rows, columns, words)


def _discrete(data: dict[str, Any]) -> spaces.Discrete:
    dtype = np.dtype(data["dtype"])
    other_dtype = (
        {} if dtype == np.int64 else {"dtype": dtype.type}
    )  # Gymnasium 1.1 has int64 only and no such argument
    return spaces.Discrete(data["n"], start=data["start"], **other_dtype)


def _multi_discrete(data: dict[str, Any]) -> spaces.MultiDiscrete:
    dtype = np.dtype(data["dtype"])
    nvec, start = (np.array(data[name], dtype=dtype) for name in ("nvec", "start"))
    return spaces.MultiDiscrete(nvec, dtype.type, start=start)


def _multi_binary(data: dict[str, Any]) -> spaces.MultiBinary:
    n = data["n"]
    return spaces.MultiBinary(n if type(n) is int else _shape(n))  # Gymnasium tells 3 from (3,)


_READERS: dict[str, Callable[[dict[str, Any]], Space[Any]]] = {
    "Box": _box,
    "WordSpace": _word_space,
    "Discrete": _discrete,
    "MultiDiscrete": _multi_discrete,
    "MultiBinary": _multi_binary,
    "Dict": lambda data: spaces.Dict(
        [(key, space_from_json(part)) for key, part in data["spaces"].items()]  # a list keeps the keys' order
    ),
    "Tuple": lambda data: spaces.Tuple([space_from_json(part) for part in data["spaces"]]),
}


def _shortened(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 200 else text[:200] + "..."
