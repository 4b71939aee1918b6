"""Gymnasium environments and observation wrappers; importing this registers nothing and needs no torch."""

if __name__ != "rlmem.envs":
    raise ImportError(
        f"this package was imported as {__name__!r}, which would make a second copy of every class in it: "
        "write `import rlmem.envs` instead"
    )
