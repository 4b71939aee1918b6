"""Rollout, returns, losses, learner, evaluation and tracing; environments come in as arguments."""

if __name__ != "rlmem.agents":
    raise ImportError(
        f"this package was imported as {__name__!r}, which would make a second copy of every class in it: "
        "write `import rlmem.agents` instead"
    )
