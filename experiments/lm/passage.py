"""What a trace reads: symbols, what to write for each of them, and the words that they make.

Piece  What a symbol shows as. Of a character of several bytes the first shows it and the others are empty; a byte that
       is no UTF-8, or a control character, is written as \\x and two digits; the end of a line, also the word <eos>, is
       a line's end.
Word   Of words, each symbol. Of characters and bytes, a run of letters and digits (an apostrophe between letters
       included), a run of blanks, or any other character alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlmem.errors import UsageError, check
from rlmem.experiments.lm.tokeniser import make_encoder
from rlmem.experiments.lm.vocabulary import END_OF_LINE, UNKNOWN, Vocabulary

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NO_TARGET = -1
"""Where nothing is to be predicted."""


@dataclass(frozen=True)
class Passage:
    """A stretch of one row, `length` symbols.

    Args:
        symbols: (length,) int64, what is read.
        targets: (length,) int64, what is to be predicted after each; `NO_TARGET` where nothing is.
        is_first: (length,) bool, True where a new story begins, whose symbols see nothing from before.
        pieces: (length,) what each symbol shows as.
        joiner: what stands between two pieces: nothing, or a space between words.
        word_of: (length,) int64, which of `words` each symbol belongs to, ascending.
        words: their texts, in order.
    """

    symbols: Ints
    targets: Ints
    is_first: Bools
    pieces: tuple[str, ...]
    joiner: str
    word_of: Ints
    words: tuple[str, ...]

    @property
    def length(self) -> int:
        """How many symbols it has."""
        return len(self.symbols)

    @property
    def story_end(self) -> Ints:
        """(length,), where the story of each symbol ends: the first symbol of the next one, or `length`."""
        firsts = np.append(np.flatnonzero(self.is_first), self.length)
        return firsts[np.searchsorted(firsts, np.arange(self.length), side="right")]

    @property
    def story_start(self) -> Ints:
        """(length,), where the story of each symbol begins; 0 if before the passage."""
        firsts = np.flatnonzero(self.is_first)
        return np.insert(firsts, 0, 0)[np.searchsorted(firsts, np.arange(self.length), side="right")]

    def text(self, start: int = 0, stop: int | None = None) -> str:
        """The text of some symbols."""
        return self.joiner.join(self.pieces[start:stop])


@dataclass(frozen=True)
class Spelling:
    """How symbols are written, and text is read as symbols.

    Args:
        vocabulary: the symbols' names.
        target_names: of the classes to be predicted; None where they are the symbols, and what follows is the target.
    """

    vocabulary: Vocabulary
    target_names: tuple[str, ...] | None = None

    @property
    def joiner(self) -> str:
        """What stands between two symbols of a text."""
        return " " if self.vocabulary.unit == "word" else ""

    def encode(self, text: str) -> Ints:
        """The symbols of a text, (length,).

        Raises:
            UsageError: it has none, or one that a made-up task does not know.
        """
        if self.vocabulary.unit == "word" and self.vocabulary.unknown is None:
            symbols = self._names_in(text)
        else:
            symbols = make_encoder(self.vocabulary)(text).astype(np.int64)
        check(len(symbols) > 0, f"the text {text!r} holds no {self.vocabulary.unit} to read; give a longer one")
        return symbols

    def count_unknown(self, symbols: Ints) -> int:
        """How many symbols stand for what the vocabulary lacks."""
        return 0 if self.vocabulary.unknown is None else int((symbols == self.vocabulary.unknown).sum())

    def pieces(self, symbols: ArrayLike) -> tuple[str, ...]:
        """What symbols (length,) show as."""
        numbers: list[int] = np.asarray(symbols).tolist()
        if self.vocabulary.unit == "byte":
            return _byte_pieces(bytes(numbers))
        shown = {END_OF_LINE: "\n"}
        if self.vocabulary.unit == "character":
            shown = {UNKNOWN: "\ufffd"}
        names = [self.vocabulary.symbols[number] for number in numbers]
        return tuple(shown[name] if name in shown else _visible(name) for name in names)

    def target_text(self, target: int) -> str:
        """What a target is called; "" where nothing is to be predicted."""
        if target == NO_TARGET:
            return ""
        if self.target_names is not None:
            return self.target_names[target]
        return self.vocabulary.symbols[target]

    def passage(
        self, symbols: ArrayLike, targets: ArrayLike | None = None, is_first: ArrayLike | None = None
    ) -> Passage:
        """Symbols with all that a trace shows of them.

        Args:
            symbols: (length,) integers.
            targets: (length,) integers, `NO_TARGET` where nothing is to be predicted; None: the symbols that follow,
                or nothing where targets are no symbols.
            is_first: (length,) bool; None: one story.
        """
        read = np.asarray(symbols, dtype=np.int64)
        following = np.full(len(read), NO_TARGET)
        if targets is not None:
            following = np.asarray(targets, dtype=np.int64)
        elif self.target_names is None:
            following[:-1] = read[1:]
        stories = np.zeros(len(read), bool) if is_first is None else np.asarray(is_first, dtype=bool)
        pieces = self.pieces(read)
        word_of = np.arange(len(read)) if self.joiner else group_words(pieces)
        words = [""] * (int(word_of[-1]) + 1 if len(read) else 0)
        for word, piece in zip(word_of.tolist(), pieces, strict=True):
            words[word] += piece
        return Passage(read, following, stories, pieces, self.joiner, word_of, tuple(words))

    def _names_in(self, text: str) -> Ints:
        number_of = {name: number for number, name in enumerate(self.vocabulary.symbols)}
        names = text.split()
        unknown = [name for name in names if name not in number_of]
        if unknown:
            known = ", ".join(self.vocabulary.symbols[:12]) + (", …" if len(number_of) > 12 else "")
            raise UsageError(f"the text has {unknown[0]!r}, which this task does not know; it knows {known}")
        return np.array([number_of[name] for name in names], dtype=np.int64)


def group_words(pieces: Sequence[str]) -> Ints:
    """Which word each character belongs to, (length,) ascending from 0; see the module."""
    word_of = np.zeros(len(pieces), dtype=np.int64)
    word, kind = -1, ""
    for place, piece in enumerate(pieces):
        found = _kind_of(piece, kind, pieces[place + 1 : place + 2])
        if place == 0 or not (piece == "" or found == kind in ("letter", "blank")):
            word += 1
        kind = kind if piece == "" else found
        word_of[place] = word
    return word_of


def _kind_of(piece: str, before: str, after: Sequence[str]) -> str:
    is_inner = piece in ("'", "’") and before == "letter" and bool(after) and after[0].isalnum()
    if piece.isalnum() or is_inner:
        return "letter"
    return "blank" if piece.isspace() and piece != "\n" else "other"


def _byte_pieces(read: bytes) -> tuple[str, ...]:
    pieces: list[str] = []
    for character in read.decode("utf-8", errors="surrogateescape"):
        if 0xDC80 <= ord(character) <= 0xDCFF:  # a byte that is no UTF-8
            pieces.append(f"\\x{ord(character) - 0xDC00:02x}")
        else:
            pieces += [_visible(character)] + [""] * (len(character.encode()) - 1)
    return tuple(pieces)


def _visible(piece: str) -> str:
    """A control character by its number, all else as it is; lines' ends and tabs are shown by whoever draws them."""
    is_control = len(piece) == 1 and (ord(piece) < 0x20 or ord(piece) == 0x7F) and piece not in "\n\t"
    return f"\\x{ord(piece):02x}" if is_control else piece
