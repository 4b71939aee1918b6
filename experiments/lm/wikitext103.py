"""WikiText-103 (Merity et al. 2016): Wikipedia articles, word by word, scored by perplexity.

Words are what whitespace separates, and <eos> at the end of each line, which counts as a word. The vocabulary is every
word of the training split, the most frequent first, as adaptive input and softmax want it; others become <unk>, which
the corpus itself writes for rare words.

Also reads any other files of that format, or one file, which is split 90 / 5 / 5 per cent by lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from rlmem.errors import check
from rlmem.experiments.lm.block import Split
from rlmem.experiments.lm.text import SPLITS, Text, TextMetric, TextOptions, not_the_whole
from rlmem.experiments.lm.text_files import TextDataError, data_path, first_that_exists, read_lines
from rlmem.experiments.lm.token_cache import TokenWriter, cache_root, cached_tokens
from rlmem.experiments.lm.tokeniser import Symbols, learn_words, make_encoder
from rlmem.experiments.lm.vocabulary import Vocabulary

METRIC: TextMetric = "ppl"
_WHOLE: dict[Split, int] = {"train": 103_227_021, "valid": 217_646, "test": 245_569}  # words and <eos>
_HOLDS = "the folder that holds wiki.train.tokens, wiki.valid.tokens and wiki.test.tokens (or .txt), or one text file"


@dataclass(frozen=True)
class Wikitext103Options(TextOptions):
    """Wikipedia articles word by word.

    --data is the folder that holds wiki.train.tokens, wiki.valid.tokens and wiki.test.tokens (or .txt), or one text
    file to be split 90 / 5 / 5 per cent.
    """

    train_file: str = ""
    """Training text, a path in --data or from here, instead of wiki.train.tokens; all three files go together."""
    valid_file: str = ""
    """Validation text, likewise."""
    test_file: str = ""
    """Test text, likewise."""

    def __post_init__(self) -> None:
        given = [self.train_file, self.valid_file, self.test_file]
        check(
            all(given) or not any(given),
            "--train-file, --valid-file and --test-file go together: give all three, or none and --data",
        )


PAPER_OPTIONS = Wikitext103Options(whole=True)
"""All 103,227,021 / 217,646 / 245,569 words."""


def open_text(options: Wikitext103Options) -> Text:
    """The corpus; the first time, its files are read and their symbols cached.

    Raises:
        UsageError: it is not there, or the options ask for all of it and this is a sample.
        TextDataError: a file is no UTF-8, or a split holds no word.
        TokenCacheError: the cache cannot be written, or is damaged.
    """
    files = _find_files(options)

    def build(writer: TokenWriter) -> Vocabulary:
        vocabulary = learn_words(_lines(files, "train"))
        encode = make_encoder(vocabulary)
        for split in SPLITS:
            writer.write(split, vocabulary, map(encode, _lines(files, split)))
            if writer.length(split) == 0:
                raise TextDataError(f"{files[split]} gives no {split} split: it is empty or too short; give more text")
        return vocabulary

    name = "wikitext103" if len(set(files.values())) > 1 else "wikitext103-one-file"
    tokens = cached_tokens(cache_root(options.cache), name, list(files.values()), build)
    splits: dict[Split, Symbols] = {split: tokens.arrays[split] for split in SPLITS}
    return Text(tokens.vocabulary, splits, _notices(options, files, splits))


def _find_files(options: Wikitext103Options) -> dict[Split, Path]:
    given = dict(zip(SPLITS, (options.train_file, options.valid_file, options.test_file), strict=True))
    if options.train_file:
        folder = data_path(options.data, "wikitext103", _HOLDS) if options.data else Path()
        paths = {split: folder / Path(name).expanduser() for split, name in given.items()}
        files = {split: first_that_exists([path], f"{split} text", _HOLDS) for split, path in paths.items()}
        tested_on = {files["valid"].resolve(), files["test"].resolve()}
        check(
            files["train"].resolve() not in tested_on,
            f"--train-file {options.train_file} is also a text to be tested on; give another one",
        )
        return files
    path = data_path(options.data, "wikitext103", _HOLDS)
    if path.is_file():
        return dict.fromkeys(SPLITS, path)
    names = {split: [path / f"wiki.{split}.{ending}" for ending in ("tokens", "txt")] for split in SPLITS}
    return {split: first_that_exists(candidates, f"{split} text", _HOLDS) for split, candidates in names.items()}


def _lines(files: dict[Split, Path], split: Split) -> Iterable[str]:
    if len(set(files.values())) > 1:
        return read_lines(files[split])
    return _share(files[split], split)


def _share(path: Path, split: Split) -> Iterator[str]:
    """The split's lines of a file that has them all, those that begin in its 90, 5 or 5 per cent of the characters."""
    length = sum(len(text) for text in read_lines(path))
    low, high = {"train": (0, 90), "valid": (90, 95), "test": (95, 100)}[split]
    begin = 0
    for text in read_lines(path):
        for line in StringIO(text, newline="\n"):
            if length * low <= begin * 100 < length * high:
                yield line
            begin += len(line)


def _notices(options: Wikitext103Options, files: dict[Split, Path], splits: dict[Split, Symbols]) -> tuple[str, ...]:
    counts = {split: len(symbols) for split, symbols in splits.items()}
    if counts == _WHOLE:
        return ()
    there, whole = (" / ".join(f"{number:,}" for number in sizes.values()) for sizes in (counts, _WHOLE))
    same = " (validation and test text are the same)" if files["valid"] == files["test"] != files["train"] else ""
    how = f"{files['train']}, split 90 / 5 / 5 per cent by lines," if len(set(files.values())) == 1 else files["train"]
    return not_the_whole(options, f"{how} is not the whole WikiText-103: {there} words of {whole}{same}")
