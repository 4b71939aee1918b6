"""How the runs of an artefact go, for people: a line for each that ends, and now and then how far the others are."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rlmem.experiments.comparison_folder import last_logged_step
from rlmem.experiments.comparison_jobs import Ending
from rlmem.experiments.reproduce.planned_model import ModelRun

_LINE_SECONDS = 60.0


class RunProgress:
    """Watches jobs, see `run_jobs`.

    Args:
        runs: those at work, by key.
        num_done: runs that were done before.
        total: all runs of the artefact.
        quiet: print nothing.
    """

    def __init__(self, runs: Mapping[str, ModelRun], num_done: int, total: int, *, quiet: bool) -> None:
        self._runs, self.num_done, self._total, self._quiet = runs, num_done, total, quiet
        self._shown_at = time.monotonic()

    def tick(self, running: Sequence[str]) -> None:
        """Print how far the runs at work are, once a minute."""
        if self._quiet or not running or time.monotonic() - self._shown_at < _LINE_SECONDS:
            return
        self._shown_at = time.monotonic()
        print("; ".join(f"{key}: {self._share(key)}" for key in running), flush=True)

    def ended(self, name: str, ending: Ending) -> None:
        """Print how a run ended."""
        is_done = ending.error is None and not ending.was_stopped
        self.num_done += is_done
        if not self._quiet:
            how = f"failed: {ending.error}" if ending.error else "stopped" if ending.was_stopped else "done"
            print(f"{self.num_done} of {self._total}  {name}: {how}; {self._share(name)}", flush=True)

    def _share(self, key: str) -> str:
        run = self._runs[key]
        return f"{last_logged_step(run.path / 'metrics.jsonl'):,} of {run.config.run.all_updates:,} updates"
