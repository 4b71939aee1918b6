"""How the C library keeps memory that was freed."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # mallopt(3)


def keep_freed_memory() -> bool:
    """Let glibc keep what was freed instead of giving it back to the system and asking again.

    A window frees and asks for the same megabytes every few milliseconds; faulting the pages in anew costs a tenth of a
    training's time. Other C libraries are left alone.

    Returns:
        True if the settings were taken.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    settings = {_M_MMAP_THRESHOLD: 32 << 20, _M_TRIM_THRESHOLD: 1 << 30, _M_TOP_PAD: 64 << 20}
    return all(library.mallopt(name, value) == 1 for name, value in settings.items())
