"""`python -m rlmem` is the command `rlmem`."""

from __future__ import annotations

import sys

from rlmem.experiments.cli import main

if __name__ == "__main__":
    sys.exit(main())
