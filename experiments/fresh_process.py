"""A measurement in a process of its own, so that its peak memory is its own, and nothing of an earlier one is warm."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from rlmem.errors import RlmemError


def measure_in_fresh_process(module: str, argument: str, what: str, advice: str) -> Any:
    """Run a module with one argument.

    Args:
        module: prints one JSON object, or an error as the command line does.
        argument: its only one.
        what: is measured, for the message.
        advice: what to do if memory ran out.

    Returns:
        What it printed.

    Raises:
        RlmemError: it failed.
    """
    words = [sys.executable, "-m", module, argument]
    finished = subprocess.run(words, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        said = finished.stderr.strip().splitlines() or [f"exit code {finished.returncode}"]
        reason = said[-1].removeprefix("rlmem: error: ")
        raise RlmemError(f"measuring {what} failed: {reason}; {advice} if memory ran out")
    return json.loads(finished.stdout)
