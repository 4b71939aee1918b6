"""Symbols of a corpus on disk, made once and memory-mapped after that.

A cache is a folder `<name>-<fingerprint>` with one raw array a file, `<array>.bin` in the machine's byte order, and
`cache.json`: the vocabulary, and each array's dtype and length. The fingerprint is over the source files' paths, sizes
and times of change and the tokeniser's version, so that a changed source has another folder. Folders are written under
a temporary name and renamed when whole. All of it may be deleted while nothing reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlmem.errors import RlmemError
from rlmem.experiments.atomic_files import sync, write_json
from rlmem.experiments.lm import tokeniser
from rlmem.experiments.lm.text_files import TextDataError
from rlmem.experiments.lm.tokeniser import Symbols, symbol_dtype
from rlmem.experiments.lm.vocabulary import Vocabulary

_INDEX = "cache.json"


class TokenCacheError(RlmemError):
    """The cache cannot be written, or what lies there is damaged."""


@dataclass(frozen=True)
class CachedTokens:
    """What a cache holds.

    Args:
        vocabulary: what the symbols stand for.
        arrays: (length,) each, memory-mapped and read-only, of the smallest unsigned dtype that holds the vocabulary.
    """

    vocabulary: Vocabulary
    arrays: Mapping[str, Symbols]


class TokenWriter:
    """Writes the arrays of a cache that is being made.

    Args:
        folder: where to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arrays: dict[str, dict[str, Any]] = {}  # by name: dtype and length

    def length(self, name: str) -> int:
        """How many symbols an array has that was written."""
        return int(self.arrays[name]["length"])

    def write(self, name: str, vocabulary: Vocabulary, pieces: Iterable[Symbols]) -> None:
        """Write one array, piece by piece.

        Args:
            name: of the array.
            vocabulary: what its symbols stand for.
            pieces: (length,) each.
        """
        dtype = symbol_dtype(vocabulary.num_symbols)
        length = 0
        with (self.folder / f"{name}.bin").open("wb") as file:
            for piece in pieces:
                file.write(np.ascontiguousarray(piece, dtype=dtype).data)
                length += len(piece)
            file.flush()
            os.fsync(file.fileno())
        self.arrays[name] = {"dtype": dtype.name, "length": length}


def cache_root(cache: str) -> Path:
    """The folder of all caches: the one given, else `rlmem` in $XDG_CACHE_HOME, else ~/.cache/rlmem."""
    if cache:
        return Path(cache).expanduser()
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".cache") / "rlmem"  # its specification says so


def cached_tokens(
    root: Path, name: str, sources: Sequence[Path], build: Callable[[TokenWriter], Vocabulary]
) -> CachedTokens:
    """The symbols of some files: from the cache if it has them, else made and put there.

    Processes that make the same cache at once do not disturb each other: the first to finish is kept.

    Args:
        root: folder of all caches.
        name: of the task, for people who look into the folder.
        sources: the files that the symbols come from.
        build: reads the sources, writes the arrays, and returns the vocabulary.

    Raises:
        TokenCacheError: the cache cannot be written, or is damaged.
        TextDataError: the sources changed while they were read.
    """
    fingerprint = _fingerprint(sources)
    folder = root / f"{name}-{fingerprint}"
    if not folder.exists():
        try:
            root.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", suffix=".tmp", dir=root))
        except OSError as error:
            raise TokenCacheError(
                f"the token cache {root} cannot be written ({error.strerror}); give another folder with --cache"
            ) from error
        try:
            _make(temporary, build)
            if _fingerprint(sources) != fingerprint:
                raise TextDataError(
                    f"the files of {name} changed while they were read; start again once they are still"
                )
            _put_in_place(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)  # gone already if it was put in place
    return _opened(folder)


def _fingerprint(sources: Sequence[Path]) -> str:
    files = []
    for path in sources:
        try:
            status = path.stat()
        except OSError as error:
            raise TextDataError(f"{path} cannot be read: {error.strerror}") from error
        files.append((str(path.resolve()), status.st_size, status.st_mtime_ns))
    return hashlib.sha256(json.dumps([tokeniser.VERSION, files]).encode()).hexdigest()[:16]


def _make(temporary: Path, build: Callable[[TokenWriter], Vocabulary]) -> None:
    writer = TokenWriter(temporary)
    try:
        vocabulary = build(writer)
        write_json(temporary / _INDEX, {"vocabulary": vocabulary.to_json(), "arrays": writer.arrays})
    except OSError as error:
        raise TokenCacheError(
            f"the token cache in {temporary.parent} could not be made ({error.strerror}); make room, or give another "
            "folder with --cache"
        ) from error


def _put_in_place(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.exists():  # not another process that finished first
            raise
    sync(folder.parent)


def _opened(folder: Path) -> CachedTokens:
    try:
        index = json.loads((folder / _INDEX).read_text())
        vocabulary = Vocabulary.from_json(index["vocabulary"])
        arrays = {name: _mapped(folder / f"{name}.bin", **entry) for name, entry in index["arrays"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TokenCacheError(f"the token cache {folder} is damaged ({error}); delete it, it is made anew") from error
    return CachedTokens(vocabulary, arrays)


def _mapped(path: Path, dtype: str, length: int) -> Symbols:
    size = length * np.dtype(dtype).itemsize
    if path.stat().st_size != size:
        raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes instead of {size:,}")
    if length == 0:  # cannot be mapped
        return np.zeros(0, dtype)
    return np.memmap(path, dtype=dtype, mode="r", shape=(length,))
