"""PG-19 (Rae et al. 2020): books published before 1919, character by character, scored in bits per character.

The vocabulary is every character of the training books (3,506 in the whole corpus, the paper's 4.3) and one symbol for
any other character. Books follow one another by file name, with nothing between them and bytes as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlmem.errors import UsageError, check
from rlmem.experiments.lm.block import Split
from rlmem.experiments.lm.text import Text, TextMetric, TextOptions, not_the_whole
from rlmem.experiments.lm.text_files import TextDataError, data_path, read_text
from rlmem.experiments.lm.token_cache import TokenWriter, cache_root, cached_tokens
from rlmem.experiments.lm.tokeniser import learn_characters, make_encoder
from rlmem.experiments.lm.vocabulary import Vocabulary

METRIC: TextMetric = "bpc"
_FOLDERS: dict[Split, str] = {"train": "train", "valid": "validation", "test": "test"}
_WHOLE: dict[Split, int] = {"train": 28_602, "valid": 50, "test": 100}  # books
_HOLDS = "the folder that holds PG-19's folders train, validation and test, each with its books as .txt"

Books = dict[Split, Sequence[Path]]


@dataclass(frozen=True)
class Pg19Options(TextOptions):
    """Old books, character by character. --data is the folder with train, validation and test, and *.txt in them."""


PAPER_OPTIONS = Pg19Options(whole=True)
"""All 28,602 / 50 / 100 books."""


def open_text(options: Pg19Options) -> Text:
    """The corpus; the first time, all books are read and their symbols cached.

    Raises:
        UsageError: it is not there, or the options ask for all of it and this is a sample.
        TextDataError: a book is no UTF-8, or a split holds no character.
        TokenCacheError: the cache cannot be written, or is damaged.
    """
    path = data_path(options.data, "pg19", _HOLDS)
    check(path.is_dir(), f"--data {options.data} is a file; give {_HOLDS}")
    books = _find_books(path)
    notices = _notices(options, path, books)

    def build(writer: TokenWriter) -> Vocabulary:
        vocabulary = learn_characters(_texts(books["train"]))
        encode = make_encoder(vocabulary)
        for split, paths in books.items():
            writer.write(split, vocabulary, map(encode, _texts(paths)))
            if writer.length(split) == 0:
                raise TextDataError(f"the books in {path / _FOLDERS[split]} are empty; give books with text in them")
        return vocabulary

    tokens = cached_tokens(
        cache_root(options.cache), "pg19", [book for paths in books.values() for book in paths], build
    )
    return Text(tokens.vocabulary, {split: tokens.arrays[split] for split in _FOLDERS}, notices)


def _find_books(data: Path) -> Books:
    books: Books = {split: sorted((data / name).glob("*.txt")) for split, name in _FOLDERS.items()}
    missing = [data / _FOLDERS[split] / "*.txt" for split, paths in books.items() if not paths]
    if missing:
        raise UsageError(f"found no books: looked for {' and '.join(map(str, missing))}; give {_HOLDS}")
    return books


def _texts(paths: Sequence[Path]) -> Iterator[str]:
    for path in paths:
        yield from read_text(path)


def _notices(options: Pg19Options, path: Path, books: Books) -> tuple[str, ...]:
    counts = {split: len(paths) for split, paths in books.items()}
    if counts == _WHOLE:
        return ()
    there, whole = (" / ".join(f"{number:,}" for number in sizes.values()) for sizes in (counts, _WHOLE))
    return not_the_whole(options, f"{path} is not the whole PG-19: {there} books of {whole}")
