"""Reading a corpus: which files, and their text piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rlmem.errors import RlmemError, UsageError, check

_PIECE = 1 << 24  # bytes


class TextDataError(RlmemError):
    """A corpus is not what a task needs: missing, cut short, or not text."""


def data_path(data: str, task: str, holds: str) -> Path:
    """The path given as --data.

    Args:
        data: what was given.
        task: name of the task.
        holds: what should lie there, for the message.

    Raises:
        UsageError: nothing was given, or nothing is there.
    """
    check(bool(data), f"--data is missing: {task} reads a corpus that you have; give {holds}")
    path = Path(data).expanduser()
    check(path.exists(), f"--data {data} does not exist; give {holds}")
    return path


def first_that_exists(candidates: Sequence[Path], what: str, holds: str) -> Path:
    """The first of some files that is there.

    Args:
        candidates: where to look, in this order.
        what: is looked for, for the message.
        holds: what --data should be, for the message.

    Raises:
        UsageError: none is; the message lists all that was looked for.
    """
    for path in candidates:
        if path.is_file():
            return path
    raise UsageError(f"found no {what}: looked for {' and '.join(map(str, candidates))}; --data is {holds}")


def read_text(path: Path) -> Iterator[str]:
    """The text of a UTF-8 file in pieces that end with a line's end (the last one with the file's), bytes untouched.

    Raises:
        TextDataError: a byte is not UTF-8, or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            offset = 0
            while piece := file.read(_PIECE) + file.readline():
                yield _decoded(piece, path, offset)
                offset += len(piece)
    except OSError as error:
        raise TextDataError(f"{path} cannot be read: {error.strerror}") from error


def read_lines(path: Path) -> Iterator[str]:
    """As `read_text`, with a line's end added where the file's last line has none."""
    piece = ""
    for piece in read_text(path):
        yield piece
    if piece and not piece.endswith("\n"):
        yield "\n"


def _decoded(piece: bytes, path: Path, offset: int) -> str:
    try:
        return piece.decode("utf-8")
    except UnicodeDecodeError as error:
        place = offset + error.start
        raise TextDataError(
            f"{path} is no UTF-8 text: byte {place:,} is 0x{piece[error.start]:02x} ({error.reason}); "
            "convert the file, or take it out"
        ) from error
