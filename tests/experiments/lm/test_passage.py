"""What symbols show as, which words they make, and where a trace's passage comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rlmem.errors import UsageError
from rlmem.experiments.lm.block import NO_ITEM, Block
from rlmem.experiments.lm.passage import NO_TARGET, Spelling
from rlmem.experiments.lm.passage_source import stream_passage
from rlmem.experiments.lm.vocabulary import BYTES, Vocabulary

COPY = Spelling(Vocabulary("word", ("A", "B", "copy", "end"), None))
WORDS = Spelling(Vocabulary("word", ("the", "<eos>", "<unk>", "cat"), 2))
CHARACTERS = Spelling(Vocabulary("character", ("<unk>", "a", "b", " ", "\n"), 0))


def test_bytes_show_as_the_characters_that_they_make() -> None:
    read = "é\n".encode() + b"\xff\x00a"
    pieces = Spelling(BYTES).pieces(np.frombuffer(read, np.uint8))
    assert pieces == ("é", "", "\n", "\\xff", "\\x00", "a")


def test_the_passage_of_a_text_is_the_text() -> None:
    text = "Égypte: l'art,  12 ’x’\nend"
    passage = Spelling(BYTES).passage(Spelling(BYTES).encode(text))
    assert passage.text() == text
    assert passage.words == ("Égypte", ":", " ", "l'art", ",", "  ", "12", " ", "’", "x", "’", "\n", "end")
    assert [passage.words[word] for word in passage.word_of[:3]] == ["Égypte"] * 3
    assert passage.targets.tolist() == [*passage.symbols[1:].tolist(), NO_TARGET]


def test_words_are_symbols_and_lines_end() -> None:
    symbols = WORDS.encode("the cat\nthe dog")
    assert symbols.tolist() == [0, 3, 1, 0, 2]
    assert WORDS.pieces(symbols) == ("the", "cat", "\n", "the", "<unk>")
    assert WORDS.count_unknown(symbols) == 1
    assert WORDS.passage(symbols).text() == "the cat \n the <unk>"
    assert CHARACTERS.pieces(CHARACTERS.encode("ab c")) == ("a", "b", " ", "�")


def test_a_made_up_task_knows_its_names_alone() -> None:
    assert COPY.encode(" A A B\ncopy ").tolist() == [0, 0, 1, 2]
    with pytest.raises(UsageError, match=r"the text has 'C', which this task does not know; it knows A, B, copy, end"):
        COPY.encode("A C")
    with pytest.raises(UsageError, match="holds no word to read"):
        COPY.encode(" ")


def test_stories_begin_and_end() -> None:
    passage = COPY.passage([0, 1, 3, 0, 1], is_first=[False, False, False, True, False])
    assert passage.story_start.tolist() == [0, 0, 0, 3, 3]
    assert passage.story_end.tolist() == [3, 3, 3, 5, 5]


def test_where_targets_are_no_symbols_nothing_follows_from_the_text() -> None:
    asked = Spelling(COPY.vocabulary, ("north", "south"))
    assert asked.passage([0, 1]).targets.tolist() == [NO_TARGET] * 2
    assert asked.target_text(1) == "south"
    assert asked.target_text(NO_TARGET) == ""


def test_a_passage_is_cut_out_of_a_stream(written_stream: Callable[[Block], Any]) -> None:
    length = 2500
    number = torch.arange(length)[None]
    block = Block(
        inputs=number % 4,
        targets=(number + 1) % 4,
        is_trained=number % 3 == 0,
        item=torch.where(number % 5 == 0, number, NO_ITEM),
        is_first=number == 2103,
    )
    passage = stream_passage(COPY, written_stream(block), start=2100, length=100)
    place = np.arange(2100, 2200)
    is_asked = (place % 3 == 0) | (place % 5 == 0)
    assert passage.symbols.tolist() == (place % 4).tolist()
    assert passage.targets.tolist() == np.where(is_asked, (place + 1) % 4, NO_TARGET).tolist()
    assert np.flatnonzero(passage.is_first).tolist() == [3]
    assert stream_passage(COPY, written_stream(block), start=2450, length=100).length == 50
    with pytest.raises(UsageError, match=r"--start is 9,000, but the data has only 2,500 symbols"):
        stream_passage(COPY, written_stream(block), start=9000, length=10)
