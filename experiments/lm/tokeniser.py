"""From text to symbols and back, and which symbols a training text gives.

Bytes      the text's UTF-8.
Characters Unicode code points, as they are in the file.
Words      what whitespace separates; the end of each line, also of an empty one, is the word <eos>.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from rlmem.experiments.lm.vocabulary import END_OF_LINE, UNKNOWN, Unit, Vocabulary

VERSION = 1
"""Raise it whenever the same text would give other symbols: caches of the old ones are then made anew."""

Symbols = npt.NDArray[np.unsignedinteger[Any]]
_NUM_CODE_POINTS = 0x110000


def symbol_dtype(num_symbols: int) -> np.dtype[np.unsignedinteger[Any]]:
    """The smallest unsigned dtype that holds every symbol: uint8, uint16 or uint32."""
    return np.dtype(np.min_scalar_type(num_symbols - 1))


def learn_characters(texts: Iterable[str]) -> Vocabulary:
    """All characters of a training text, by code point, behind one symbol for every other character."""
    is_used = np.zeros(_NUM_CODE_POINTS, dtype=bool)
    for text in texts:
        is_used[_code_points(text)] = True
    return Vocabulary("character", (UNKNOWN, *map(chr, np.flatnonzero(is_used))), 0)


def learn_words(texts: Iterable[str]) -> Vocabulary:
    """All words of a training text, the most frequent first, equally frequent ones in alphabetical order.

    The word <unk>, which such corpora write for rare words, is the unknown one too; it comes last if the text has none.

    Args:
        texts: pieces that end with a line's end.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_words(text))
    counts.setdefault(UNKNOWN, 0)
    words = sorted(counts, key=lambda word: (-counts[word], word))
    return Vocabulary("word", tuple(words), words.index(UNKNOWN))


def make_encoder(vocabulary: Vocabulary) -> Callable[[str], Symbols]:
    """What turns a text into its symbols.

    Returns:
        A function from text to (length,) symbols of `symbol_dtype`. A text of words gets an <eos> at each line's end
        and nowhere else, so that pieces of a file can be encoded one by one if each ends with a line's end.
    """
    return _ENCODERS[vocabulary.unit](vocabulary)


def decode(vocabulary: Vocabulary, symbols: Iterable[int]) -> str:
    """The text that symbols stand for; the inverse of `make_encoder` but for the amount of whitespace between words.

    Args:
        vocabulary: whose symbols they are.
        symbols: numbers of symbols. Bytes that are no UTF-8, as in half a character, become U+FFFD.
    """
    if vocabulary.unit == "byte":
        return bytes(map(int, symbols)).decode("utf-8", errors="replace")
    names = [vocabulary.symbols[int(symbol)] for symbol in symbols]
    if vocabulary.unit == "character":
        return "".join(names)
    return re.sub(" ?\n ?", "\n", " ".join("\n" if name == END_OF_LINE else name for name in names))


def _code_points(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


def _words(text: str) -> list[str]:
    return text.replace("\n", f" {END_OF_LINE} ").split()


def _byte_encoder(vocabulary: Vocabulary) -> Callable[[str], Symbols]:
    return lambda text: np.frombuffer(text.encode(), dtype=np.uint8)


def _character_encoder(vocabulary: Vocabulary) -> Callable[[str], Symbols]:
    assert vocabulary.unknown is not None, "characters have an unknown symbol"
    table = np.full(_NUM_CODE_POINTS, vocabulary.unknown, dtype=symbol_dtype(vocabulary.num_symbols))
    for symbol, character in enumerate(vocabulary.symbols):
        if symbol != vocabulary.unknown:
            table[ord(character)] = symbol
    return lambda text: table[_code_points(text)]


def _word_encoder(vocabulary: Vocabulary) -> Callable[[str], Symbols]:
    assert vocabulary.unknown is not None, "words have an unknown symbol"
    dtype, unknown = symbol_dtype(vocabulary.num_symbols), vocabulary.unknown
    symbol_of = {word: symbol for symbol, word in enumerate(vocabulary.symbols)}

    def encode(text: str) -> Symbols:
        words = _words(text)
        return np.fromiter(map(symbol_of.get, words, repeat(unknown)), dtype, len(words))

    return encode


_ENCODERS: dict[Unit, Callable[[Vocabulary], Callable[[str], Symbols]]] = {
    "byte": _byte_encoder,
    "character": _character_encoder,
    "word": _word_encoder,
}
