"""From text to symbols and back."""

from __future__ import annotations

import numpy as np
import pytest

from rlmem.experiments.lm.tokeniser import decode, learn_characters, learn_words, make_encoder, symbol_dtype
from rlmem.experiments.lm.vocabulary import BYTES


def test_words_come_by_frequency_and_then_by_alphabet() -> None:
    vocabulary = learn_words(["b a b\n\n", " c b\ta\u00a0d \r\n"])
    assert vocabulary.symbols == ("<eos>", "b", "a", "c", "d", "<unk>")  # <eos> and b thrice; "<" is before "b"
    assert vocabulary.unknown == 5
    assert learn_words(["<unk> <unk> a\n"]).symbols == ("<unk>", "<eos>", "a")


def test_words_to_symbols_and_back() -> None:
    vocabulary = learn_words(["a b\n\nc\n"])
    symbols = make_encoder(vocabulary)("a  never b\n\nc")
    assert [vocabulary.symbols[symbol] for symbol in symbols] == ["a", "<unk>", "b", "<eos>", "<eos>", "c"]
    assert decode(vocabulary, symbols) == "a <unk> b\n\nc"


def test_characters_to_symbols_and_back() -> None:
    vocabulary = learn_characters(["bé\n", "b\U0001f600"])
    assert vocabulary.symbols == ("<unk>", "\n", "b", "é", "\U0001f600")
    symbols = make_encoder(vocabulary)("\U0001f600zé\r\n")
    assert symbols.tolist() == [4, 0, 3, 0, 1]
    assert decode(vocabulary, symbols) == "\U0001f600<unk>é<unk>\n"


def test_bytes_to_symbols_and_back() -> None:
    symbols = make_encoder(BYTES)("aé\n")
    assert symbols.tolist() == [0x61, 0xC3, 0xA9, 0x0A]
    assert decode(BYTES, symbols.astype(np.int64)) == "aé\n"
    assert decode(BYTES, symbols[:2]) == "a\ufffd"


@pytest.mark.parametrize(
    ("num_symbols", "name"), [(2, "uint8"), (256, "uint8"), (257, "uint16"), (65536, "uint16"), (65537, "uint32")]
)
def test_the_smallest_dtype(num_symbols: int, name: str) -> None:
    assert symbol_dtype(num_symbols).name == name


def test_more_than_256_symbols_are_kept_apart() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    symbols = make_encoder(learn_characters([text]))(text)
    assert symbols.dtype == np.uint16
    assert symbols.tolist() == list(range(1, 301))
