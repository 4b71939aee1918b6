"""enwik8: the first 100,000,000 bytes of a Wikipedia dump, byte by byte, scored in bits per byte.

Split by position, 90M / 5M / 5M bytes; any other size, such as the first megabytes of it, 90 / 5 / 5 per cent. The
vocabulary is all 256 bytes, not the 205 that occur in the whole file: nothing is then unknown in any sample, and bytes
that never come cost few parameters and, soon, no bits.

The raw file is memory-mapped as it is; a zip is unpacked into the token cache.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlmem.errors import check
from rlmem.experiments.lm.block import Split
from rlmem.experiments.lm.text import Text, TextMetric, TextOptions, not_the_whole
from rlmem.experiments.lm.text_files import TextDataError, data_path, first_that_exists
from rlmem.experiments.lm.token_cache import TokenWriter, cache_root, cached_tokens
from rlmem.experiments.lm.tokeniser import Symbols
from rlmem.experiments.lm.vocabulary import BYTES, Vocabulary

METRIC: TextMetric = "bpb"
_WHOLE = 100_000_000  # bytes
_HOLDS = "the file enwik8 or enwik8.zip (mattmahoney.net/dc/enwik8.zip), or the folder that holds it"
_PIECE = 1 << 20  # bytes unpacked at once


@dataclass(frozen=True)
class Enwik8Options(TextOptions):
    """Wikipedia byte by byte. --data is a folder that holds enwik8 or enwik8.zip, or such a file, or a part of one."""


PAPER_OPTIONS = Enwik8Options(whole=True)
"""The whole file, 90M / 5M / 5M bytes."""


def open_text(options: Enwik8Options) -> Text:
    """The corpus.

    Raises:
        UsageError: it is not there, it is too short to be split, or the options ask for all of it and this is a sample.
        TextDataError: the zip is damaged, cut short, or holds no enwik8.
        TokenCacheError: the zip cannot be unpacked into the cache.
    """
    path = data_path(options.data, "enwik8", _HOLDS)
    if path.is_dir():
        path = first_that_exists([path / "enwik8", path / "enwik8.zip"], "enwik8", _HOLDS)
    is_zip = path.suffix == ".zip"
    symbols = _unpacked(path, options.cache) if is_zip else _mapped(path)
    check(
        len(symbols) >= 40, f"{path} has {len(symbols)} bytes, too few to be split 90 / 5 / 5 per cent; give more text"
    )
    valid, test = len(symbols) * 90 // 100, len(symbols) * 95 // 100
    splits: dict[Split, Symbols] = {"train": symbols[:valid], "valid": symbols[valid:test], "test": symbols[test:]}
    return Text(BYTES, splits, _notices(options, path, splits))


def _notices(options: Enwik8Options, path: Path, splits: dict[Split, Symbols]) -> tuple[str, ...]:
    sizes = [len(split) for split in splits.values()]
    if sum(sizes) == _WHOLE:
        return ()
    parts = " / ".join(f"{size:,}" for size in sizes)
    return not_the_whole(
        options,
        f"{path} is not the whole enwik8: {sum(sizes):,} bytes of {_WHOLE:,}, split 90 / 5 / 5 per cent into {parts}",
    )


def _mapped(path: Path) -> Symbols:
    if path.stat().st_size == 0:  # cannot be mapped
        return np.zeros(0, np.uint8)
    try:
        return np.memmap(path, dtype=np.uint8, mode="r")
    except OSError as error:
        raise TextDataError(f"{path} cannot be read: {error.strerror}") from error


def _unpacked(path: Path, cache: str) -> Symbols:
    def build(writer: TokenWriter) -> Vocabulary:
        writer.write("enwik8", BYTES, _unzip(path))
        return BYTES

    return cached_tokens(cache_root(cache), "enwik8", [path], build).arrays["enwik8"]


def _unzip(path: Path) -> Iterator[Symbols]:
    try:
        with zipfile.ZipFile(path) as archive:
            member = _member(path, archive)
            with archive.open(member) as file:
                while piece := file.read(_PIECE):
                    yield np.frombuffer(piece, np.uint8)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise TextDataError(f"{path} is damaged or was cut short ({error}); get it again") from error
    except OSError as error:
        raise TextDataError(f"{path} cannot be read: {error.strerror}") from error
    except (NotImplementedError, RuntimeError) as error:  # packed by other means, encrypted
        raise TextDataError(f"{path} cannot be unpacked ({error}); unpack it yourself and give the file") from error


def _member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    for member in archive.infolist():
        if Path(member.filename).name == "enwik8":
            return member
    names = ", ".join(archive.namelist()[:5]) or "nothing"
    raise TextDataError(f"{path} holds no file enwik8, but {names}; give the archive of enwik8, or the file itself")
