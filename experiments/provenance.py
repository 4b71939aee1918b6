"""Where a result was made: versions, commit and machine, without names of hosts or people."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rlmem import __version__

_SOURCE = Path(__file__).resolve().parents[1]


def provenance() -> dict[str, Any]:
    """What to write beside a result, JSON-able."""
    return {"rlmem": __version__, "commit": commit(), "machine": machine()}


def machine() -> dict[str, Any]:
    """Processor, cores and the versions that arithmetic depends on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def commit() -> str | None:
    """The commit that this code is a checkout of, with `-dirty` if it was changed since; None where installed."""
    if not (_SOURCE / ".git").exists():
        return None
    words = ["git", "-C", str(_SOURCE), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
