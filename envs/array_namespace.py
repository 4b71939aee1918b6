"""The few functions that NumPy and PyTorch call differently, so that a specification is written once for both.

A specification's functions take arrays (envs, ...) and give arrays of the same library on the same device. Operators
and indexing by integers are common to both; for the rest they ask `namespace_of` an argument. With NumPy a rule looks
at the rows that it concerns; with tensors at all rows, which it must leave as they are where it does not concern them:
to find out how many it concerns, a GPU would have to be waited for. PyTorch is imported when the first tensor comes.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

Array = Any
"""A NumPy array or a PyTorch tensor."""


class ArrayNamespace(Protocol):
    """What both libraries can do under one name."""

    def where(self, condition: Array, chosen: Any, otherwise: Any) -> Array:
        """`chosen` where the condition holds, `otherwise` elsewhere."""

    def minimum(self, array: Array, limit: Any) -> Array:
        """The smaller one of an array's elements and a number or another array's."""

    def maximum(self, array: Array, limit: Any) -> Array:
        """The larger one, likewise."""

    def as_float(self, array: Array) -> Array:
        """As float64."""

    def zeros(self, count: int, dtype: type, like: Array) -> Array:
        """(count,) zeros of a dtype, `bool` or `float`, on the device of `like`."""

    def copy(self, array: Array) -> Array:
        """A copy."""

    def take(self, table: Array, index: Array) -> Array:
        """Rows of a constant NumPy table, by an array of row numbers: fresh, on the index's device."""

    def all_rows(self, array: Array) -> Array:
        """The numbers of an array's rows."""

    def rows_where(self, mask: Array) -> Array:
        """The numbers of the rows that a rule has to look at, (rows,): NumPy's where `mask`, else all."""


class _NumPy:
    """`ArrayNamespace` of NumPy; what is only renamed is the library's own function."""

    where = staticmethod(np.where)
    minimum = staticmethod(np.minimum)
    maximum = staticmethod(np.maximum)
    rows_where = staticmethod(np.flatnonzero)

    @staticmethod
    def as_float(array: Array) -> Array:
        return array.astype(np.float64)

    @staticmethod
    def zeros(count: int, dtype: type, like: Array) -> Array:
        return np.zeros(count, dtype=dtype)

    @staticmethod
    def copy(array: Array) -> Array:
        return array.copy()

    @staticmethod
    def take(table: Array, index: Array) -> Array:
        return table.take(index, axis=0)

    @staticmethod
    def all_rows(array: Array) -> Array:
        return np.arange(len(array))


class _PyTorch:
    """`ArrayNamespace` of PyTorch; nothing here waits for a GPU, once each table was taken from for the first time."""

    def __init__(self) -> None:
        import torch

        self._torch = torch
        self._dtypes: dict[type, Any] = {bool: torch.bool, float: torch.float64}
        self._tables: dict[tuple[int, Any], tuple[Array, Array]] = {}  # with the array, whose id must stay its own
        self.where = torch.where

    def minimum(self, array: Array, limit: Any) -> Array:
        return self._torch.clamp(array, max=limit)

    def maximum(self, array: Array, limit: Any) -> Array:
        return self._torch.clamp(array, min=limit)

    def as_float(self, array: Array) -> Array:
        return array.to(self._torch.float64)

    def zeros(self, count: int, dtype: type, like: Array) -> Array:
        return self._torch.zeros(count, dtype=self._dtypes[dtype], device=like.device)

    def copy(self, array: Array) -> Array:
        return array.clone()

    def take(self, table: Array, index: Array) -> Array:
        key = (id(table), index.device)
        if key not in self._tables:
            self._tables[key] = (table, self._torch.as_tensor(table, device=index.device))
        return self._tables[key][1].index_select(0, index)

    def all_rows(self, array: Array) -> Array:
        return self._torch.arange(len(array), device=array.device)

    rows_where = all_rows


_NUMPY = _NumPy()
_pytorch: list[ArrayNamespace] = []  # made with the first tensor


def namespace_of(array: Array) -> ArrayNamespace:
    """The functions for an array or a tensor."""
    if isinstance(array, np.ndarray):
        return _NUMPY
    if not _pytorch:
        _pytorch.append(_PyTorch())
    return _pytorch[0]
