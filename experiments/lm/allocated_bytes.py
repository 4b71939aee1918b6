"""How much memory a computation takes on the CPU at once, by PyTorch's own account of its allocations."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from torch.profiler import ProfilerActivity, profile


def extra_bytes(function: Callable[[], object]) -> int:
    """What a call allocates at once at most, beyond what there was before, in bytes.

    The process's resident memory would not tell: the allocator keeps what was freed, and so has it ready.

    Args:
        function: what it frees of earlier times does not count.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler reports its start and stop on the console
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        function()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        recorded.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    changes = [event["args"] for event in events if event.get("name") == "[memory]"]
    if not changes:
        return 0
    before = changes[0]["Total Allocated"] - changes[0]["Bytes"]  # what an earlier call left allocated
    most: int = max(change["Total Allocated"] for change in changes) - before
    return most
