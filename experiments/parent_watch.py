"""For a process that works for another one: it saves and stops when that one dies."""

from __future__ import annotations

import os
import signal
import sys
import threading


def stop_with_the_parent() -> None:
    """Send this process SIGTERM once its standard input is closed, which is what happens when its parent dies."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
