"""How a comparison goes, for people: a line for each run that ends, and how far all of them are."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.text import Text

from rlmem.experiments.comparison_folder import ComparisonFolder, read_evaluation
from rlmem.experiments.comparison_jobs import Ending
from rlmem.experiments.comparison_plan import PlannedRun
from rlmem.experiments.comparison_score import score_of
from rlmem.experiments.progress import Pace, format_duration

_LIVE_SECONDS = 1.0  # between two live lines on a terminal
_LINE_SECONDS = 60.0  # between two plain lines elsewhere


class ComparisonProgress:
    """Watches the jobs of a comparison; a context, so that the terminal is given back.

    Args:
        folder: of the runs.
        runs: all of them.
        done: names of those that were finished before.
        quiet: show nothing.
    """

    def __init__(
        self, folder: ComparisonFolder, runs: Sequence[PlannedRun], done: Sequence[str], *, quiet: bool
    ) -> None:
        self._folder, self._runs, self._quiet = folder, {run.name: run for run in runs}, quiet
        self._steps = {run.name: folder.saved_steps(run) for run in runs}
        self._total, self._num_ended = sum(run.num_steps for run in runs), len(done)
        self._pace = Pace(sum(self._steps.values()))
        console = Console()
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal and not quiet else None
        self._shown_at = time.monotonic()

    def __enter__(self) -> ComparisonProgress:
        """Begin to show."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state on the screen."""
        if self._live is not None:
            self._live.stop()

    def ended(self, name: str, ending: Ending) -> None:
        """Print the run's line."""
        self._num_ended += not ending.was_stopped and not ending.retry
        self._read([name])
        if self._quiet:
            return
        count = f"{self._num_ended} of {len(self._runs)}"
        self._console.print(Text(f"{count}  {name}: {self._state(name, ending)}"), soft_wrap=True)

    def tick(self, running: Sequence[str]) -> None:
        """Show how far all runs are, when it is time to."""
        interval = _LINE_SECONDS if self._live is None else _LIVE_SECONDS
        if self._quiet or time.monotonic() - self._shown_at < interval:
            return
        self._shown_at = time.monotonic()
        self._read(running)
        line = self.line(len(running))
        if self._live is None:
            print(line, flush=True)
        else:
            self._live.update(Text(line), refresh=True)

    def line(self, num_running: int) -> str:
        """How far all runs are, in a line; `num_running` of them are at work."""
        steps = sum(self._steps.values())
        pace = self._pace.steps_per_second(steps)
        left = format_duration((self._total - steps) / pace) if pace > 0 else "?"
        return (
            f"{self._num_ended} of {len(self._runs)} runs ended, {num_running} at work, "
            f"{steps:,} of {self._total:,} steps ({steps / self._total:.0%}), {pace:,.0f} steps/s, {left} left"
        )

    def _state(self, name: str, ending: Ending) -> str:
        steps = f"{self._steps[name]:,} steps"
        if ending.retry:
            saved = self._folder.saved_steps(self._runs[name])
            return f"{ending.error}; it goes on from its checkpoint at {saved:,} steps, retry {ending.retry}"
        if ending.error is not None:
            return f"failed: {ending.error}; {steps}"
        evaluation = None if ending.was_stopped else read_evaluation(self._folder.path / name, {})
        if evaluation is None:
            return f"stopped; {steps}"
        score = score_of(self._runs[name].config.task)
        size = evaluation["memory_size_mean"]
        return f"done: {score.label} {evaluation[score.name]:.3f}, average memory {size:.1f}; {steps}"

    def _read(self, names: Sequence[str]) -> None:
        for name in names:
            run = self._runs[name]
            self._steps[name] = max(self._folder.logged_steps(run), self._folder.saved_steps(run))
