"""What PyTorch reaches on this machine's CPU at best."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

_MEGA, _GIGA = 1e6, 1e9
_ROUNDS = 5  # of every ceiling; the best counts
_LARGE = (1024, 1024, 1024)

# Left, inner and right sizes of products as they are in a window of Corridor's agent: those of a step of acting and
# those of learning's sixteen rows.
ACTING_PRODUCT, LEARNING_PRODUCT = (64, 64, 256), (1600, 64, 256)


@dataclass(frozen=True)
class Ceilings:
    """What PyTorch reaches here on one thread, and for one of them on two.

    Args:
        dispatch_us: microseconds of an operation on one number.
        view_us: microseconds of a view.
        large_gflops: products of 1,024 × 1,024.
        large_gflops_2_threads: the same on two threads.
        acting_gflops: products of the sizes of a step of acting.
        learning_gflops: products of the sizes of learning.
        cache_gbs: GB/s read and written by a copy within the second cache.
        memory_gbs: GB/s read and written by a copy in main memory.
    """

    dispatch_us: float
    view_us: float
    large_gflops: float
    large_gflops_2_threads: float
    acting_gflops: float
    learning_gflops: float
    cache_gbs: float
    memory_gbs: float


def measure_ceilings() -> Ceilings:
    """Measure them, which takes seconds."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = torch.zeros(1)
        dispatch, view = _best(lambda: one.add_(1), 20_000), _best(lambda: one.view(1, 1), 20_000)
        acting, learning, large = (_gflops(sizes) for sizes in (ACTING_PRODUCT, LEARNING_PRODUCT, _LARGE))
        cache, memory = (_copied(megabytes) for megabytes in (0.25, 128))
        torch.set_num_threads(2)
        return Ceilings(dispatch * _MEGA, view * _MEGA, large, _gflops(_LARGE), acting, learning, cache, memory)
    finally:
        torch.set_num_threads(before)


def _gflops(sizes: Sequence[int]) -> float:
    left, inner, right = sizes
    a, b, out = torch.randn(left, inner), torch.randn(inner, right), torch.empty(left, right)
    flops = 2 * left * inner * right
    return flops / _best(lambda: torch.mm(a, b, out=out), max(5, int(_GIGA / flops))) / _GIGA


def _copied(megabytes: float) -> float:
    source = torch.zeros(int(megabytes * _MEGA / 4))
    goal = torch.zeros_like(source)
    seconds = _best(lambda: goal.copy_(source), max(5, int(500 / megabytes)))
    return 2 * source.numel() * 4 / seconds / _GIGA


def _best(work: Callable[[], object], calls: int) -> float:
    """Seconds of a call."""
    found = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for _ in range(calls):
            work()
        found.append((time.perf_counter() - started) / calls)
    return min(found)
