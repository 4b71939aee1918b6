"""How an error looks on the command line."""

from __future__ import annotations

import sys


def print_error(message: str) -> None:
    """Print an error, one sentence, for people."""
    print(f"rlmem: error: {message}", file=sys.stderr, flush=True)
