"""How training goes, for people: a live panel on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rlmem.experiments.tasks import TASKS

_PANEL_SECONDS = 0.25  # between two redraws
_LINE_SECONDS = 10.0  # between two plain lines


@dataclass(frozen=True)
class Shown:
    """What progress says of a kind of run.

    Args:
        unit: what a run's length is counted in.
        evaluate: the command that evaluates such a run.
        numbers: the metrics worth watching, as they come: name in the log, title, format.
        pace_unit: what the pace is counted in.
        pace_scale: how many of them a step is.
    """

    unit: str
    evaluate: str
    numbers: Sequence[tuple[str, str, str]]
    pace_unit: str
    pace_scale: float = 1.0


AGENT = Shown(
    "steps",
    "rlmem eval",
    (
        *((f"rollout/{task.score}", task.score.replace("_", " "), ".1f") for task in TASKS.values() if task.score),
        ("rollout/success_rate", "success", ".3f"),
        ("rollout/ep_rew_mean", "reward", ".2f"),
        ("eval/success_rate", "evaluation", ".3f"),
        ("memory/size_mean", "memory size", ".1f"),
        ("memory/span_mean", "span", ".1f"),
    ),
    "steps",
)
"""Of an agent's run, counted in environment steps."""


class Progress(Protocol):
    """Something that shows how training goes; steps are a run's own, see `Shown.unit`."""

    def update(self, step: int, metrics: dict[str, float]) -> None:
        """Show metrics.

        Args:
            step: steps done.
            metrics: of the last one, by their names in the log.
        """

    def close(self) -> None:
        """Show the last state and stop."""


def make_progress(title: str, total: int, start: int, shown: Shown, *, quiet: bool) -> Progress:
    """The kind of progress that standard output can show.

    Args:
        title: of the run.
        total: steps of the whole run.
        start: steps done before now.
        shown: what to say.
        quiet: show nothing.
    """
    if quiet:
        return SilentProgress()
    console = Console()
    if console.is_terminal:
        return PanelProgress(console, title, total, start, shown)
    return LineProgress(total, start, shown)


class SilentProgress:
    """Shows nothing."""

    def update(self, step: int, metrics: dict[str, float]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class LineProgress:
    """Prints a plain line every few seconds, and the last state.

    Args:
        total: steps of the whole run.
        start: steps done before now.
        shown: what to say.
    """

    def __init__(self, total: int, start: int, shown: Shown) -> None:
        self._total, self._pace, self._shown = total, Pace(start), shown
        self._printed_at = float("-inf")
        self._pending = ""

    def update(self, step: int, metrics: dict[str, float]) -> None:
        """Print the metrics unless the last line is younger than a few seconds."""
        numbers = ", ".join(describe(step, self._total, self._pace, metrics, self._shown))
        self._pending = f"{step:,} of {self._total:,} {self._shown.unit}, {numbers}"
        if time.monotonic() - self._printed_at >= _LINE_SECONDS:
            self.close()
            self._printed_at = time.monotonic()

    def close(self) -> None:
        """Print what has not been printed."""
        if self._pending:
            print(self._pending, flush=True)
            self._pending = ""


class PanelProgress:
    """Keeps a panel up to date in place.

    Args:
        console: a terminal.
        title: of the run.
        total: steps of the whole run.
        start: steps done before now.
        shown: what to say.
    """

    def __init__(self, console: Console, title: str, total: int, start: int, shown: Shown) -> None:
        self._title, self._total, self._pace, self._shown = title, total, Pace(start), shown
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()
        self._drawn_at = float("-inf")

    def update(self, step: int, metrics: dict[str, float]) -> None:
        """Redraw, at most a few times a second."""
        is_due = time.monotonic() - self._drawn_at >= _PANEL_SECONDS
        self._live.update(self._panel(step, metrics), refresh=is_due)
        if is_due:
            self._drawn_at = time.monotonic()

    def close(self) -> None:
        """Draw the last state and leave it on the screen."""
        self._live.stop()

    def _panel(self, step: int, metrics: dict[str, float]) -> Panel:
        share = Text(f"{step:,} of {self._total:,} {self._shown.unit} ({step / self._total:.0%})")
        numbers = Text(" · ".join(describe(step, self._total, self._pace, metrics, self._shown)))
        rows = Table.grid(expand=True)  # a bare bar ends no line
        for row in (share, ProgressBar(self._total, step), numbers):
            rows.add_row(row)
        return Panel(rows, title=Text(self._title))


class Pace:
    """Steps a second since this process began to train.

    Args:
        start: steps done before.
    """

    def __init__(self, start: int) -> None:
        self._start, self._began = start, time.monotonic()

    def steps_per_second(self, step: int) -> float:
        """The pace up to `step`."""
        return (step - self._start) / max(time.monotonic() - self._began, 1e-9)


def describe(step: int, total: int, pace: Pace, metrics: dict[str, float], shown: Shown) -> list[str]:
    """The few numbers worth watching, as short texts."""
    rate = pace.steps_per_second(step)
    texts = [f"{title} {metrics[name]:{form}}" for name, title, form in shown.numbers if name in metrics]
    texts.append(f"{rate * shown.pace_scale:,.0f} {shown.pace_unit}/s")
    texts.append(f"{format_duration(max(total - step, 0) / rate) if rate > 0 else '?'} left")
    return texts


def format_duration(seconds: float) -> str:
    """Seconds as `1:02:03` or `2:03`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
