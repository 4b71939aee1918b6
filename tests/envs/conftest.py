"""What tests of more than one environment share: comparisons, and no window on any screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def assert_equal_infos(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Compare infos, names, masks, types and all; ``final_obs`` where its mask is True."""
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        if isinstance(value, dict):
            assert_equal_infos(ours[name], value)
        elif name == "final_obs":
            ended = theirs["_final_obs"]
            assert np.array_equal(ours[name][ended], np.stack(list(value[ended])))
            assert not ours[name][~ended].any()
        else:
            assert ours[name].dtype == value.dtype, name
            assert np.array_equal(ours[name], value), name


def equal(ones: Any, others: Any) -> bool:
    """Whether two nests of arrays are the same to the bit."""
    if isinstance(ones, dict):
        return set(ones) == set(others) and all(equal(value, others[name]) for name, value in ones.items())
    if isinstance(ones, list | tuple):
        return len(ones) == len(others) and all(map(equal, ones, others))
    return bool(np.array_equal(ones, others) and np.asarray(ones).dtype == np.asarray(others).dtype)


@pytest.fixture(name="equal")
def _equal() -> Callable[[Any, Any], bool]:
    return equal


@pytest.fixture(name="assert_equal_infos")
def _assert_equal_infos() -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return assert_equal_infos
