"""Rows of a batch shared among CPU threads, each of which runs its operations alone.

At the sizes of a policy an operation is hardly worth dividing: what two threads gain by sharing it they lose by waiting
for each other, and all of it when another process takes one of the cores. Whole rows do not wait. Too few rows are not
worth a thread either, for threads take turns at Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")


class RowThreads:
    """As many threads as PyTorch uses on the CPU when they are first needed.

    Args:
        most: at most so many; None: no limit.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._pool: tuple[int, ThreadPoolExecutor] | None = None

    def map(self, function: Callable[[Tensor], Result], chunks: Sequence[Tensor]) -> list[Result]:
        """The function's results for some chunks of rows, in their order.

        Each call runs its operations on one thread, if there are several chunks and threads, and on all of them if not.

        Args:
            function: of a chunk; called from several threads at once.
            chunks: (rows,) each, on the device where the function works.

        Raises:
            Exception: what the function raised for the first chunk that failed.
        """
        threads = min(torch.get_num_threads(), self._most or len(chunks))
        if threads == 1 or len(chunks) == 1 or chunks[0].is_cuda:
            return [function(chunk) for chunk in chunks]
        return list(self._threads(threads).map(function, chunks))

    def _threads(self, number: int) -> ThreadPoolExecutor:
        if self._pool is None or self._pool[0] != number:
            self._pool = number, ThreadPoolExecutor(number, "rows", initializer=torch.set_num_threads, initargs=(1,))
        return self._pool[1]
