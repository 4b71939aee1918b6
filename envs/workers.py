"""Environments in processes of their own: Gymnasium's AsyncVectorEnv with a sure end and a report of deaths."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from typing import Any

import gymnasium as gym
from gymnasium.vector import AsyncVectorEnv, AutoresetMode

from rlmem.errors import RlmemError

_DEATH_SECONDS = 5.0  # between a broken pipe and the process's exit code
_STOP_SECONDS = 2.0  # between asking a process to end and killing it


class EnvironmentFailedError(RlmemError):
    """An environment raised, returned what cannot be, or its process died; the message says which environment."""


def start_method() -> str:
    """How worker processes start: "forkserver", or "spawn" where there is none.

    Not "fork", the default on Linux before Python 3.14: a fork copies PyTorch's locks, but not the threads that would
    release them.
    """
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def preload() -> None:
    """Let the fork server import once what every worker needs; without effect where it runs already.

    16 MiniGrid workers start in 1.5 seconds with it and in 8 without, on two busy cores.
    """
    modules = [name for name in ("rlmem.envs.guarded", "minigrid") if name in sys.modules]
    # "__main__" is Python's own default.
    multiprocessing.get_context(start_method()).set_forkserver_preload(["__main__", *modules])


class WorkerVectorEnv(AsyncVectorEnv):  # without type arguments, which Gymnasium 1.1 refuses
    """One worker process an environment, SAME_STEP autoreset.

    Args:
        makers: one an environment; pickled with cloudpickle.

    Raises:
        EnvironmentFailedError: a worker died while it made its environment.
    """

    def __init__(self, makers: Sequence[Callable[[], gym.Env[Any, Any]]]) -> None:
        self.processes, self.parent_pipes = [], []
        preload()
        try:
            super().__init__(makers, context=start_method(), autoreset_mode=AutoresetMode.SAME_STEP)
        except (EOFError, OSError) as error:
            message = (
                f"{self.describe_death()} while it was made, and what it printed is above: if this is a script, start "
                "its work under `if __name__ == '__main__':`, which worker processes need"
            )
            self.stop()
            raise EnvironmentFailedError(message) from error
        except BaseException:
            self.stop()
            raise

    def describe_death(self) -> str:
        """Say which environment's process has ended, and how."""
        wait([process.sentinel for process in self.processes], timeout=_DEATH_SECONDS)
        for index, process in enumerate(self.processes):
            process.join(timeout=0)
            if process.exitcode is not None:
                return f"environment {index} died ({describe_exit(process.exitcode)})"
        return "an environment's process no longer answers"

    def stop(self) -> None:
        """End every worker process, whatever it is doing."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join(timeout=_STOP_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
        for pipe in self.parent_pipes:
            if pipe is not None:
                pipe.close()
        self.closed = True


def describe_exit(code: int) -> str:
    """A process's exit code for people; negative: the signal that killed it."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = ", as when memory runs out" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{hint}"
