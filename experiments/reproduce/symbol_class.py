"""Kinds of symbols, for tables of what is remembered and what is hard to predict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLASSES = ("capital", "small letter", "digit", "space", "line end", "other")


def symbol_class(piece: str) -> str:
    """One of `CLASSES`, by the first character that a symbol shows as."""
    if piece == "\n":
        return "line end"
    if piece == "" or not (piece[0].isalnum() or piece[0].isspace()):
        return "other"
    if piece[0].isspace():
        return "space"
    if not piece[0].isalpha():
        return "digit"
    return "capital" if piece[0].isupper() else "small letter"


def mean_by_class(pieces: Sequence[str], values: NDArray[Any]) -> dict[str, float]:
    """The mean of values (length,) over the symbols of each class; classes that do not occur are left out."""
    classes = np.array([symbol_class(piece) for piece in pieces])
    return {name: float(values[classes == name].mean()) for name in CLASSES if (classes == name).any()}
