"""The command line, run directories, tasks and their presets, language-model tasks and reports."""

if __name__ != "rlmem.experiments":
    raise ImportError(
        f"this package was imported as {__name__!r}, which would make a second copy of every class in it: "
        "write `import rlmem.experiments` instead"
    )
