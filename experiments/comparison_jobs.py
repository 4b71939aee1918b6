"""The runs of a comparison at work: so many processes at once, started, watched and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from rlmem.experiments.interruption import Interruption

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Exit:
    """What is known of a process that ended.

    Args:
        code: its exit code, negative after a signal.
        reason: why it failed, where its log does not tell.
        is_lost: it did not end by itself: it was killed, or its machine died.
    """

    code: int
    reason: str | None = None
    is_lost: bool = False


class Process(Protocol):
    """A process of one run, here or elsewhere."""

    def poll(self) -> Exit | None:
        """How it ended, or None while it runs."""

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
        retry: the process was lost and the run is started again, for the first time, the second, ...; 0: it is not.
    """

    code: int
    error: str | None = None
    was_stopped: bool = False
    retry: int = 0


@dataclass(frozen=True)
class Jobs:
    """How runs are done.

    Args:
        start: starts the process of one.
        log: the file that a run's process prints to.
        at_once: how many at once.
        retries: how often a run whose process was lost is started again.
    """

    start: Start
    log: Callable[[str], Path]
    at_once: int
    retries: int = 0


@dataclass
class _Running:
    """A run at work: its process, and where that one's part of the log begins, in bytes."""

    process: Process
    log_start: int


def run_jobs(names: Sequence[str], jobs: Jobs, interruption: Interruption, watcher: Watcher) -> dict[str, Ending]:
    """Run the processes to their end, or stop them all when a signal comes; one that fails does not stop the others.

    Args:
        names: of the runs, in order.
        jobs: how.
        interruption: is asked whether to stop.
        watcher: is told how it goes.

    Returns:
        How the last process of each one that was started ended.
    """
    waiting, running, endings = deque(names), dict[str, _Running](), dict[str, Ending]()
    losses: Counter[str] = Counter()
    is_stopping = False
    try:
        while running or (waiting and not is_stopping):
            while waiting and len(running) < jobs.at_once and not is_stopping:
                name = waiting.popleft()
                log = jobs.log(name)
                log_start = log.stat().st_size if log.exists() else 0
                running[name] = _Running(jobs.start(name), log_start)
            for name, run in list(running.items()):
                exit_ = run.process.poll()
                if exit_ is None:
                    continue
                del running[name]
                ending = _ending(exit_, jobs.log(name), run.log_start, is_stopping)
                if exit_.is_lost and ending.error is not None and losses[name] < jobs.retries and not is_stopping:
                    losses[name] += 1
                    waiting.appendleft(name)
                    ending = replace(ending, retry=losses[name])
                endings[name] = ending
                watcher.ended(name, ending)
            if interruption.is_requested and not is_stopping:
                is_stopping = True
                for run in running.values():
                    run.process.stop()
            watcher.tick(list(running))
            time.sleep(_POLL_SECONDS)
    finally:
        for run in running.values():  # a second signal, or a fault of ours
            run.process.stop()
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

    def poll(self) -> Exit | None:
        """See `Process`."""
        code = self._process.poll()
        if code is None:
            return None
        if self._process.stdin is not None:
            self._process.stdin.close()
        return Exit(code, is_lost=code < 0)

    def stop(self) -> None:
        """See `Process`."""
        self._process.terminate()


def _ending(ended: Exit, log: Path, start: int, is_stopping: bool) -> Ending:
    """What is known of a process, and its log from byte `start` on, say."""
    code = ended.code
    if code == 0:
        return Ending(code)
    if is_stopping and code in (130, 143, -signal.SIGTERM, -signal.SIGINT):
        return Ending(code, was_stopped=True)
    if ended.reason is not None:
        return Ending(code, ended.reason)
    if code < 0:
        return Ending(code, f"it was ended by {signal.Signals(-code).name}")
    lines: list[str] = []
    if log.exists():
        with log.open("rb") as file:
            file.seek(start)
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    said = lines[-1].removeprefix("rlmem: error: ") if lines else "it printed nothing"
    return Ending(code, f"exit code {code}" if code > 1 and not lines else said)
