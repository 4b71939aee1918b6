"""Types of what kernels are given."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
"""A C-contiguous NumPy array of CPU memory; float32 where nothing else is said."""

Number = Any
"""A float32 within a kernel, which is no NumPy scalar there."""
