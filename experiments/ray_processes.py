"""Processes of a comparison on the machines of a Ray cluster, or on this one under a Ray of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rlmem.experiments.comparison_jobs import Exit, LocalProcess, Start
from rlmem.experiments.ray_cluster import Cluster, Premise, last_line

_STOPPED = 143
_POLL_SECONDS = 0.2


def ray_start(
    cluster: Cluster, command: Callable[[str], Sequence[str]], log: Callable[[str], Path], threads: int, gpus: int
) -> Start:
    """Something that starts runs on a cluster, spread over its machines.

    Args:
        cluster: where.
        command: the words that start a run's process.
        log: the file that its output is added to.
        threads: cores that each run takes.
        gpus: GPUs that each run takes.
    """
    task = cluster.ray.remote(
        num_cpus=threads, num_gpus=gpus, max_retries=0, max_calls=1, scheduling_strategy="SPREAD"
    )(_run)

    def start(name: str) -> RayProcess:
        output = str(log(name).resolve())
        stop_file = _stop_file(output)
        stop_file.unlink(missing_ok=True)
        words = list(command(name))[1:]
        return RayProcess(cluster.ray, task.remote(cluster.premise, words, output, threads), stop_file)

    return start


class RayProcess:
    """A run's process, somewhere on the cluster.

    Args:
        ray: the module.
        reference: to its `Exit`.
        stop_file: asks the process to stop, once it is there.
    """

    def __init__(self, ray: Any, reference: Any, stop_file: Path) -> None:
        self._ray, self._reference, self._stop_file = ray, reference, stop_file

    def poll(self) -> Exit | None:
        """See `Process`."""
        ready, _ = self._ray.wait([self._reference], timeout=0)
        if not ready:
            return None
        self._stop_file.unlink(missing_ok=True)
        try:
            ending: Exit = self._ray.get(self._reference)
            return ending
        except self._ray.exceptions.RayTaskError as error:  # what was raised in `_run`, such as a folder that is gone
            return Exit(1, reason=last_line(error))
        except self._ray.exceptions.RayError as error:  # Ray's worker or the whole machine died
            return Exit(1, reason=f"its machine or Ray's worker there was lost ({type(error).__name__})", is_lost=True)

    def stop(self) -> None:
        """See `Process`."""
        self._stop_file.touch()


def _run(premise: Premise, words: list[str], log: str, threads: int) -> Exit:
    """Inside Ray's worker: one process of this machine's Python; ends with it, and hands a stop on."""
    missing = premise.missing_here()  # the machine may be newer than the comparison
    if missing is not None:
        return Exit(1, reason=f"a machine of the cluster cannot take runs: {missing}")
    stop_file = _stop_file(log)
    if stop_file.exists():
        return Exit(_STOPPED)
    process = LocalProcess([sys.executable, *words], Path(log), threads)
    is_stopping = False
    while (ending := process.poll()) is None:
        time.sleep(_POLL_SECONDS)
        if stop_file.exists() and not is_stopping:
            process.stop()
            is_stopping = True
    return ending


def _stop_file(log: str) -> Path:
    """Its presence asks the process to stop; `ray.cancel` was tried, and does not reach a worker that waits for one."""
    return Path(f"{log}.stop")
