"""How many processes train a run together: what can be divided among them, and the commands that start them."""

from __future__ import annotations

from pathlib import Path

from rlmem.errors import check


def check_division(flag: str, num_rows: int, processes: int) -> None:
    """Refuse rows that do not fall into equal parts, one for each process.

    Args:
        flag: that gives the rows' number.
        num_rows: of all processes together.
        processes: that train together.

    Raises:
        UsageError: there are fewer rows than processes, or some would be left over.
    """
    check(
        num_rows >= processes,
        f"{flag} {num_rows} is less than the {processes} processes that torchrun started, each of which needs one; "
        "raise it or start fewer",
    )
    check(
        num_rows % processes == 0,
        f"{flag} {num_rows} cannot be divided evenly among {processes} processes; make it a multiple of {processes}",
    )


def check_same_number(path: Path, made_with: int, came: int) -> None:
    """Refuse to go on with another number of processes than before: each has environments and a memory of its own.

    Args:
        path: of the run.
        made_with: processes that have trained it.
        came: processes now.

    Raises:
        UsageError: the numbers differ.
    """
    check(
        made_with == came,
        f"{path} was trained by {_counted(made_with)}, each with environments or rows and a memory of its own, and "
        f"cannot go on with {came}; use: {launch(made_with)} resume {path}",
    )


def launch(processes: int) -> str:
    """The command `rlmem` as it is started in so many processes on one machine."""
    return "rlmem" if processes == 1 else f"torchrun --nproc-per-node {processes} -m rlmem"


def _counted(processes: int) -> str:
    return "1 process" if processes == 1 else f"{processes} processes"
