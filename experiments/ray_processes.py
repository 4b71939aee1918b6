"""Processes of a comparison on the machines of a Ray cluster, or on this one under a Ray of its own.

Every machine has to see the folder of runs under the same path and to have rlmem installed. Ray is imported on use.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from rlmem.errors import RlmemError, UsageError
from rlmem.experiments.comparison_jobs import LocalProcess, Start

_STOPPED = 143
_POLL_SECONDS = 0.2


def ray_start(
    address: str, command: Callable[[str], Sequence[str]], log: Callable[[str], Path], threads: int, gpus: int
) -> Start:
    """Something that starts runs on Ray.

    Args:
        address: of a cluster, `auto` for the one that this machine is part of, or `local` for one of our own.
        command: the words that start a run's process.
        log: the file that its output is added to.
        threads: cores that each run takes.
        gpus: GPUs that each run takes.

    Raises:
        UsageError: Ray is not installed.
        RlmemError: there is no cluster at the address.
    """
    ray = _import_ray()
    try:
        ray.init(address, log_to_driver=False, ignore_reinit_error=True)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise RlmemError(f"--cluster {address}: Ray does not answer ({str(error).splitlines()[0]})") from error
    task = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=0, max_calls=1)(_run)

    def start(name: str) -> RayProcess:
        output = str(log(name).resolve())
        _stop_file(output).unlink(missing_ok=True)
        return RayProcess(ray, task.remote(list(command(name))[1:], output, threads), _stop_file(output))

    return start


class RayProcess:
    """A run's process, somewhere on the cluster.

    Args:
        ray: the module.
        reference: to the exit code.
        stop_file: asks the process to stop, once it is there.
    """

    def __init__(self, ray: Any, reference: Any, stop_file: Path) -> None:
        self._ray, self._reference, self._stop_file = ray, reference, stop_file

    def poll(self) -> int | None:
        """See `Process`."""
        ready, _ = self._ray.wait([self._reference], timeout=0)
        if not ready:
            return None
        self._stop_file.unlink(missing_ok=True)
        try:
            return int(self._ray.get(self._reference))
        except self._ray.exceptions.RayError:  # the machine or Ray's worker died
            return 1

    def stop(self) -> None:
        """See `Process`."""
        self._stop_file.touch()


def _run(words: list[str], log: str, threads: int) -> int:
    """Inside Ray's worker: one process of this machine's Python; ends with it, and hands a stop on."""
    stop_file = _stop_file(log)
    if stop_file.exists():
        return _STOPPED
    process = LocalProcess([sys.executable, *words], Path(log), threads)
    is_stopping = False
    while (code := process.poll()) is None:
        time.sleep(_POLL_SECONDS)
        if stop_file.exists() and not is_stopping:
            process.stop()
            is_stopping = True
    return code


def _stop_file(log: str) -> Path:
    """Its presence asks the process to stop; `ray.cancel` was tried, and does not reach a worker that waits for one."""
    return Path(f"{log}.stop")


def _import_ray() -> Any:
    try:
        return import_module("ray")
    except ImportError as error:
        raise UsageError(
            "--cluster needs Ray, which is not installed: pip install 'rlmem[ray]', or leave --cluster out to use "
            "processes of this machine"
        ) from error
