"""Words and binary observations, there and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlmem.envs.vocabulary import OBSERVATION_SHAPE, WORD_INDEX, WORDS, decode_words, describe, encode_words

cell = st.sets(st.sampled_from(WORDS), max_size=4)
cells_3x3 = st.lists(st.lists(cell, min_size=3, max_size=3), min_size=3, max_size=3)


def test_words_are_what_the_design_lists() -> None:
    assert WORDS[:6] == ("agent", "block", "door", "object", "red", "blue")
    assert WORDS[6:] == tuple(f"room-{number}" for number in range(1, 51))
    assert len(set(WORDS)) == len(WORDS)
    assert [WORD_INDEX[word] for word in WORDS] == list(range(len(WORDS)))


@given(cells_3x3)
def test_decode_inverts_encode(cells: list[list[set[str]]]) -> None:
    observation = encode_words(cells)
    assert observation.dtype == np.uint8
    assert observation.shape == OBSERVATION_SHAPE
    assert [[set(words) for words in row] for row in decode_words(observation)] == cells


def test_encode_puts_the_north_west_cell_first() -> None:
    cells: list[list[tuple[str, ...]]] = [[() for _ in range(3)] for _ in range(3)]
    cells[0][2] = ("door", "blue")
    ones = np.argwhere(encode_words(cells))
    assert {tuple(one) for one in ones.tolist()} == {(0, 2, WORD_INDEX["door"]), (0, 2, WORD_INDEX["blue"])}


def test_describe_reads_like_a_map() -> None:
    block: tuple[str, ...] = ("block",)
    observation = encode_words([[block, ("object", "red"), block], [block, ("agent",), ()], [block, block, block]])
    assert describe(observation) == "block | red object | block\nblock | agent      | -\nblock | block      | block"


def test_unknown_word_is_refused() -> None:
    with pytest.raises(ValueError, match="'green', which is not in the vocabulary"):
        encode_words([[("green",)] * 3] * 3)


def test_wrong_number_of_cells_is_refused() -> None:
    with pytest.raises(ValueError, match="three rows of three"):
        encode_words([[("block",)] * 3] * 2)


def test_a_batch_is_not_described() -> None:
    with pytest.raises(ValueError, match=r"one observation is \(3, 3, 56\)"):
        describe(np.zeros((2, *OBSERVATION_SHAPE), dtype=np.uint8))
