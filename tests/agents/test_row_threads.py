"""Threads that share rows: order, one thread an operation, errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from rlmem.agents.row_threads import RowThreads

CHUNKS = torch.arange(6).split(2)


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def test_results_come_in_the_order_of_the_chunks_from_two_threads_of_one_each() -> None:
    both = threading.Barrier(2)

    def rows(chunk: Tensor) -> tuple[list[int], int]:
        if int(chunk[0]) < 4:
            both.wait(timeout=60)  # breaks unless the first two chunks are worked on at once
        return chunk.tolist(), torch.get_num_threads()

    assert RowThreads().map(rows, CHUNKS) == [([0, 1], 1), ([2, 3], 1), ([4, 5], 1)]
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("most", "chunks"), [(1, CHUNKS), (None, CHUNKS[:1])])
def test_one_thread_of_rows_is_the_callers_with_all_threads_an_operation(
    most: int | None, chunks: tuple[Tensor, ...]
) -> None:
    found = RowThreads(most).map(lambda chunk: (threading.current_thread().name, torch.get_num_threads()), chunks)
    assert found == [(threading.current_thread().name, 2)] * len(chunks)


@pytest.mark.parametrize("most", [1, None])
def test_the_first_chunk_that_fails_raises(most: int | None) -> None:
    def fail(chunk: Tensor) -> None:
        if int(chunk[0]) >= 2:
            raise ValueError(f"rows from {int(chunk[0])}")

    with pytest.raises(ValueError, match="rows from 2"):
        RowThreads(most).map(fail, CHUNKS)
    assert torch.get_num_threads() == 2
