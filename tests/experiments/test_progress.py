"""What people see while a run trains."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlmem.experiments.progress import format_duration

Command = Callable[..., Any]


def test_panel_on_a_terminal(tiny: list[str], here: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "rlmem", "train", "corridor", *tiny, "--name", "run"],
        stdout=theirs, stderr=subprocess.PIPE, env=environment, cwd=here,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux's end of a terminal
            break
        if not part:
            break
        shown += part
    os.close(ours)
    _, err = process.communicate()
    assert process.returncode == 0, err
    text = shown.decode()
    assert "\x1b[" in text  # redrawn in place
    for words in ("640 of 640 steps (100%)", "success", "memory size", "span", "steps/s", "left", "runs/corridor/run"):
        assert words in text, text


def test_plain_lines_in_a_pipe(train: Command) -> None:
    finished = train("run")
    lines = finished.out.splitlines()
    assert lines[0].startswith("32 of 640 steps, ")
    assert lines[-2].startswith("640 of 640 steps, success ")
    assert lines[-1] == "done: 640 steps in runs/corridor/run; try: rlmem eval runs/corridor/run"
    assert len(lines) == 3  # a modest rate: the first and the last state, and none between them for ten seconds
    assert "\x1b" not in finished.out
    assert train("silent", "--quiet").out == ""


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (125, "2:05"), (3723, "1:02:03")])
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
