"""Spaces to strict JSON and back, and every way in which a description is none."""

from __future__ import annotations

import inspect
import json
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from gymnasium import Space, spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rlmem.errors import UsageError
from rlmem.space_json import space_from_json, space_to_json
from rlmem.word_space import WordSpace


def round_trip(space: Space[Any]) -> Any:
    text = json.dumps(space_to_json(space), allow_nan=False)
    return space_from_json(json.loads(text))


def assert_same_box(read: Any, box: spaces.Box) -> None:
    """Exact, where Gymnasium's own equality is approximate."""
    assert type(read) is type(box)
    assert read.dtype == box.dtype
    assert read.shape == box.shape
    np.testing.assert_array_equal(read.low, box.low)
    np.testing.assert_array_equal(read.high, box.high)


BYTES = spaces.Box(0, 255, (84, 84, 3), np.uint8)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(4),
        spaces.Discrete(3, start=-7),
        spaces.MultiDiscrete([2, 5], start=[1, -1]),
        spaces.MultiDiscrete(np.array([[2, 3], [4, 1]]), dtype=np.uint8),
        spaces.MultiBinary(3),
        spaces.MultiBinary([2, 3]),
        BYTES,
        WordSpace(3, 5, ("agent", "block", "möbel")),
        spaces.Tuple([spaces.Discrete(2), spaces.Tuple([BYTES])]),
        spaces.Dict({"b": spaces.Dict({"c": spaces.Discrete(2)}), "a": spaces.Tuple([])}),
        spaces.Dict({}),
    ],
    ids=str,
)
def test_round_trip(space: Space[Any]) -> None:
    read = round_trip(space)
    assert read == space
    assert read.dtype == space.dtype
    assert type(read) is type(space)
    assert space_to_json(read) == space_to_json(space)


def test_words_and_the_order_of_keys_are_kept() -> None:
    read = round_trip(WordSpace(3, 3, ("agent", "block")))
    assert read.words == ("agent", "block")
    assert list(round_trip(spaces.Dict(OrderedDict([("b", BYTES), ("a", BYTES)]))).spaces) == ["b", "a"]


def test_equal_bounds_are_one_number() -> None:
    assert space_to_json(BYTES) == {"type": "Box", "shape": [84, 84, 3], "dtype": "uint8", "low": 0, "high": 255}
    half = space_to_json(spaces.Box(np.array([-np.inf, 0]), np.array([np.inf, np.inf]), dtype=np.float64))
    assert (half["low"], half["high"]) == (["-inf", 0.0], "inf")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.sampled_from(["float16", "float32", "float64"]),
    arrays.array_shapes(min_dims=0, max_dims=3, max_side=3),
    st.data(),
)
def test_float_boxes(name: str, shape: tuple[int, ...], data: st.DataObject) -> None:
    dtype = np.dtype(name)
    elements = arrays.from_dtype(dtype, allow_nan=False)
    first, second = (data.draw(arrays.arrays(dtype, shape, elements=elements)) for _ in range(2))
    low, high = np.minimum(first, second), np.maximum(first, second)
    box = spaces.Box(
        np.where(low == np.inf, 0, low).astype(dtype), np.maximum(high, 0).astype(dtype), shape, dtype.type
    )
    assert_same_box(round_trip(box), box)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.sampled_from(["int8", "uint8", "int32", "uint32", "int64", "bool"]), st.integers(0, 4), st.data())
def test_integer_boxes(name: str, size: int, data: st.DataObject) -> None:
    dtype = np.dtype(name)
    first, second = (data.draw(arrays.arrays(dtype, (size,))) for _ in range(2))
    low, high = np.minimum(first, second), np.maximum(first, second)
    box = spaces.Box(low, high, (size,), dtype.type)
    assert_same_box(round_trip(box), box)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 2**62), st.integers(-(2**62), 2**62))
def test_discrete(n: int, start: int) -> None:
    assert round_trip(spaces.Discrete(n, start=start)) == spaces.Discrete(n, start=start)


has_discrete_dtype = pytest.mark.skipif(
    "dtype" not in inspect.signature(spaces.Discrete.__init__).parameters, reason="Gymnasium 1.1 has int64 only"
)


@has_discrete_dtype
def test_the_dtype_of_discrete() -> None:
    space = spaces.Discrete(3, start=-7, dtype=np.int8)
    assert round_trip(space) == space
    assert round_trip(space).dtype == np.int8


def test_unbounded_integers() -> None:
    box = spaces.Box(-np.inf, np.inf, (2,), np.int64)
    assert_same_box(round_trip(box), box)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "describes no space"),
        ([], "describes no space"),
        ({}, "needs a 'type'"),
        ({"type": ["Box"]}, "needs a 'type'"),
        ({"type": "Graph"}, "needs a 'type'"),
        ({"type": "Discrete", "start": 0, "dtype": "int64"}, "Discrete lacks 'n'"),
        ({"type": "Discrete", "n": 0, "start": 0, "dtype": "int64"}, "positive"),
        ({"type": "Discrete", "n": "4", "start": 0, "dtype": "int64"}, "Discrete cannot be"),
        ({"type": "Discrete", "n": 300, "start": 0, "dtype": "int8"}, "Discrete cannot be"),
        ({"type": "Box", "low": 0, "high": 1, "shape": [2], "dtype": "complex64"}, "dtype"),
        ({"type": "Box", "low": 0, "high": 1, "shape": [2], "dtype": "float7"}, "Box cannot be"),
        ({"type": "Box", "low": 0, "high": 1, "shape": [2], "dtype": 4}, "Box cannot be"),
        ({"type": "Box", "low": 0, "high": 1, "shape": [-2], "dtype": "float32"}, "whole numbers"),
        ({"type": "Box", "low": 0, "high": 1, "shape": "22", "dtype": "float32"}, "whole numbers"),
        ({"type": "Box", "low": 0, "high": 1, "shape": [10**14], "dtype": "float32"}, "Box cannot be"),
        ({"type": "Box", "low": 2, "high": 1, "shape": [2], "dtype": "float32"}, "low"),
        ({"type": "Box", "low": [0, 0], "high": 1, "shape": [3], "dtype": "float32"}, "shape"),
        ({"type": "Box", "low": "x", "high": 1, "shape": [3], "dtype": "float32"}, "Box cannot be"),
        ({"type": "Box", "low": {}, "high": 1, "shape": [3], "dtype": "float32"}, "Box cannot be"),
        ({"type": "MultiDiscrete", "nvec": [0], "start": [0], "dtype": "int64"}, "positive"),
        ({"type": "MultiDiscrete", "nvec": [2], "start": [0, 0], "dtype": "int64"}, "shape"),
        ({"type": "MultiBinary", "n": [0]}, "MultiBinary cannot be"),
        ({"type": "MultiBinary", "n": 2.5}, "whole numbers"),
        ({"type": "WordSpace", "rows": 3, "columns": 3, "words": "agent"}, "list of strings"),
        ({"type": "WordSpace", "rows": 3.5, "columns": 3, "words": []}, "whole numbers"),
        ({"type": "Dict", "spaces": [1]}, "Dict cannot be"),
        ({"type": "Dict", "spaces": {"a": 1}}, "describes no space"),
        ({"type": "Tuple", "spaces": 4}, "Tuple cannot be"),
    ],
)
def test_bad_data(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        space_from_json(data)


def test_what_cannot_be_written() -> None:
    with pytest.raises(UsageError, match="Text"):
        space_to_json(spaces.Dict({"a": spaces.Text(4)}))
    with pytest.raises(UsageError, match="the key 1"):
        space_to_json(spaces.Dict({1: spaces.Discrete(2)}))  # type: ignore[dict-item]
