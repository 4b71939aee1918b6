"""How kernels are compiled: once a machine, and kept in the user's cache."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numba.core.config
import numba.core.event
import numpy as np
from numpy.typing import NDArray

from rlmem.kernels.self_contained import SelfContainedCompiler

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

_PROCESS = os.getpid()
config: Any = numba.core.config  # whose settings are made as it is imported


def compiled(function: Kernel) -> Kernel:
    """The function, compiled by Numba at its first call with some types.

    Sums may be taken in any order and products fused; NaN and infinity keep their meaning.
    """
    return _compiled(function, is_cached=False, is_parallel=False)


def compiled_for_threads(function: Kernel) -> Kernel:
    """The function, likewise, the turns of its `prange` being shared among threads.

    The last argument holds each thread's first row and the number of rows behind, (threads + 1,) int64.
    """
    alone = _compiled(function, is_cached=True, is_parallel=False)
    together = _compiled(function, is_cached=True, is_parallel=True)

    @wraps(function)
    def kernel(*arguments: Any) -> Any:
        _announce_compilation()
        threads = len(arguments[-1]) - 1
        if threads == 1 or num_threads() == 1:
            return alone(*arguments)
        before = numba.get_num_threads()
        numba.set_num_threads(min(threads, num_threads()))
        try:
            return together(*arguments)
        finally:
            numba.set_num_threads(before)

    return cast(Kernel, kernel)


def bounds_of_threads(rows: int, most: int, worth: int) -> NDArray[np.int64]:
    """Rows shared evenly among threads, for a kernel `compiled_for_threads`.

    Args:
        rows: how many.
        most: at most so many threads.
        worth: so many rows are worth a thread.

    Returns:
        (threads + 1,): each thread's first row, and the number of rows.
    """
    threads = max(1, min(most, num_threads(), rows // worth))
    return np.linspace(0, rows, threads + 1).astype(np.int64)


def num_threads() -> int:
    """How many threads a kernel may have: as many as Numba starts, where they are OpenMP's, else one.

    Others take longer to wake than a step takes, and no two threads may start them at once. OpenMP's do not survive a
    fork.
    """
    if os.getpid() != _PROCESS or not _has_openmp():
        return 1
    return int(config.NUMBA_NUM_THREADS)


@cache
def _has_openmp() -> bool:
    """Whether Numba's threads are OpenMP's, or can be: the user may have chosen others."""
    try:
        importlib.import_module("numba.np.ufunc.omppool")
    except ImportError:
        return False
    if config.THREADING_LAYER == "default":
        config.THREADING_LAYER = "omp"
    return bool(config.THREADING_LAYER == "omp")


class _Announcement(numba.core.event.Listener):
    """Tells who looks at a terminal, when Numba first compiles a kernel in a process, why all waits."""

    is_made = False

    def on_start(self, event: Any) -> None:
        """Numba begins to compile a function, which need not be ours."""
        if not self.is_made and event.data["dispatcher"].__module__.startswith("rlmem."):
            self.is_made = True
            if sys.stderr.isatty():
                print("rlmem compiles its kernels for this machine, once: about a minute", file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        """Numba has compiled it."""


@cache
def _announce_compilation() -> None:
    numba.core.event.register("numba:compile", _Announcement())  # type: ignore[no-untyped-call]


def _compiled(function: Kernel, *, is_cached: bool, is_parallel: bool) -> Kernel:
    """The function, compiled, its machine code kept.

    Numba reads its cache folder as it decorates. Ours depends on all kernels' sources, for Numba itself looks at the
    file of a function, not at those of what it calls, nor at what it was compiled for.
    """
    before = config.CACHE_DIR
    config.CACHE_DIR = str(_cache_folder(before, "threads" if is_parallel else "thread"))
    relaxed = {"contract", "reassoc", "nsz", "arcp"}
    try:
        options: dict[str, Any] = {
            "nogil": True,
            "cache": is_cached,
            "error_model": "numpy",
            "fastmath": relaxed,
            "parallel": is_parallel,
        }
        if is_cached:
            options["pipeline_class"] = SelfContainedCompiler
        kernel: Kernel = numba.njit(**options)(function)
    finally:
        config.CACHE_DIR = before
    return kernel


def _cache_folder(given: str, name: str) -> Path:
    """Where the machine code of these sources is kept: in Numba's own folder where the user has named one."""
    folder = Path(given or os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser(), "rlmem")
    return folder / f"kernels-{_source_digest()}" / name


@cache
def _source_digest() -> str:
    sources = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        sources.update(path.read_bytes())
    return sources.hexdigest()[:16]
