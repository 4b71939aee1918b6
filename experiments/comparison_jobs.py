"""The runs of a comparison at work: so many processes at once, started, watched and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rlmem.experiments.interruption import Interruption

_POLL_SECONDS = 0.2


class Process(Protocol):
    """A process of one run, here or elsewhere."""

    def poll(self) -> int | None:
        """The exit code, negative after a signal, or None while it runs."""

    def stop(self) -> None:
        """Ask it to save and end; asked again, it ends at once."""


Start = Callable[[str], Process]
"""Starts the process of the run of that name."""


class Watcher(Protocol):
    """Someone who wants to know how it goes."""

    def tick(self, running: Sequence[str]) -> None:
        """Called a few times a second with the names of the runs at work."""

    def ended(self, name: str, ending: Ending) -> None:
        """Called when a run's process has ended."""


@dataclass(frozen=True)
class Ending:
    """How the process of a run ended.

    Args:
        code: its exit code.
        error: why it failed, in a line; None if it did not.
        was_stopped: it was asked to stop before it was done.
    """

    code: int
    error: str | None = None
    was_stopped: bool = False


def run_jobs(
    names: Sequence[str],
    start: Start,
    log: Callable[[str], Path],
    jobs: int,
    interruption: Interruption,
    watcher: Watcher,
) -> dict[str, Ending]:
    """Run the processes to their end, or stop them all when a signal comes; one that fails does not stop the others.

    Args:
        names: of the runs, in order.
        start: starts one.
        log: the file that a run's process prints to.
        jobs: how many at once.
        interruption: is asked whether to stop.
        watcher: is told how it goes.

    Returns:
        How each one that was started ended.
    """  # fmt: skip
    waiting, running, endings = deque(names), dict[str, Process](), dict[str, Ending]()
    starts: dict[str, int] = {}
    is_stopping = False
    try:
        while running or (waiting and not is_stopping):
            while waiting and len(running) < jobs and not is_stopping:
                name = waiting.popleft()
                starts[name] = log(name).stat().st_size if log(name).exists() else 0
                running[name] = start(name)
            for name, process in list(running.items()):
                code = process.poll()
                if code is not None:
                    del running[name]
                    endings[name] = _ending(code, log(name), starts[name], is_stopping)
                    watcher.ended(name, endings[name])
            if interruption.is_requested and not is_stopping:
                is_stopping = True
                for process in running.values():
                    process.stop()
            watcher.tick(list(running))
            time.sleep(_POLL_SECONDS)
    finally:
        for process in running.values():  # a second signal, or a fault of ours
            process.stop()
    return endings


def worker_command(folder: Path, name: str, episodes: int, seed: int) -> list[str]:
    """The words that start a run's process, see `comparison_worker`."""
    words = [sys.executable, "-m", "rlmem.experiments.comparison_worker", str(folder.resolve()), name]
    return [*words, str(episodes), str(seed)]


class LocalProcess:
    """A process on this machine, in a session of its own: Ctrl-C reaches it through its parent alone, once.

    Args:
        command: its words.
        log: the file that its output is added to.
        threads: for the arithmetic libraries.
    """

    def __init__(self, command: Sequence[str], log: Path, threads: int) -> None:
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,  # it closes when this process dies
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            )

    def poll(self) -> int | None:
        """See `Process`."""
        code = self._process.poll()
        if code is not None and self._process.stdin is not None:
            self._process.stdin.close()
        return code

    def stop(self) -> None:
        """See `Process`."""
        self._process.terminate()


def _ending(code: int, log: Path, start: int, is_stopping: bool) -> Ending:
    """What an exit code and the log from byte `start` on say."""
    if code == 0:
        return Ending(code)
    if is_stopping and code in (130, 143, -signal.SIGTERM, -signal.SIGINT):
        return Ending(code, was_stopped=True)
    with log.open("rb") as file:
        file.seek(start)
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    said = lines[-1].removeprefix("rlmem: error: ") if lines else "it printed nothing"
    if code < 0:
        return Ending(code, f"it was ended by {signal.Signals(-code).name}")
    return Ending(code, f"exit code {code}" if code > 1 and not lines else said)
