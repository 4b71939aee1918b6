"""Rows of a batch shared among CPU threads, each of which runs its operations alone.

At the sizes of a policy one operation is too small to be worth dividing: what two threads gain by sharing it they lose
by waiting for each other, and all of it when another process takes one of the cores. Whole rows do not wait.
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

        On the CPU each call runs its operations on one thread, so that no result depends on how many threads there are.

        Args:
            function: of a chunk; called from several threads at once.
            chunks: (rows,) each, on the device where the function works.

        Raises:
            Exception: what the function raised for the first chunk that failed.
        """
        if chunks[0].is_cuda:
            return [function(chunk) for chunk in chunks]
        threads = torch.get_num_threads()
        wanted = min(threads, self._most or threads)
        try:
            torch.set_num_threads(1)
            if wanted == 1 or len(chunks) == 1:
                return [function(chunk) for chunk in chunks]
            return list(self._threads(wanted).map(function, chunks))
        finally:
            torch.set_num_threads(threads)

    def _threads(self, number: int) -> ThreadPoolExecutor:
        if self._pool is None or self._pool[0] != number:
            self._pool = number, ThreadPoolExecutor(number, "rows", initializer=torch.set_num_threads, initargs=(1,))
        return self._pool[1]
