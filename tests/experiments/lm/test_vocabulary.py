"""A vocabulary goes to JSON and back, and a checkpoint's must be the data's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rlmem.errors import UsageError
from rlmem.experiments.lm.vocabulary import BYTES, Vocabulary

WORDS = Vocabulary("word", ("the", "<unk>", "of", "é\u2028"), 1)


@pytest.mark.parametrize("vocabulary", [WORDS, BYTES])
def test_json_there_and_back(vocabulary: Vocabulary) -> None:
    assert Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json()))) == vocabulary


def test_every_byte_has_its_own_name() -> None:
    assert BYTES.num_symbols == len(set(BYTES.symbols)) == 256
    assert (BYTES.symbols[0x41], BYTES.symbols[0x0A], BYTES.symbols[0x5C]) == ("A", "\\x0a", "\\x5c")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (BYTES, "the data's symbols are words, but the checkpoint's are bytes"),
        (
            replace(WORDS, symbols=("the", "<unk>", "and", "or")),
            "differs from the checkpoint's: symbol 2 is 'of' in the data and 'and' in the checkpoint",
        ),
        (replace(WORDS, symbols=WORDS.symbols[:3]), "has 4 symbols, but the checkpoint's has 3"),
        (replace(WORDS, unknown=0), "symbol 1 for what is unknown, but the checkpoint's has 0"),
    ],
)
def test_a_vocabulary_that_differs_from_the_checkpoints(other: Vocabulary, message: str) -> None:
    WORDS.check_same(replace(WORDS))
    with pytest.raises(UsageError, match=message):
        WORDS.check_same(other)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "no vocabulary"),
        ({"unit": "word"}, "no vocabulary .KeyError: 'unknown'"),
        ({"unit": "syllable", "unknown": None, "symbols": []}, "'syllable' is unknown"),
        ({"unit": "word", "unknown": None, "symbols": [1]}, "no text"),
        ({"unit": "word", "unknown": None, "symbols": ["a", "a"]}, "twice"),
        ({"unit": "word", "unknown": 1, "symbols": ["a"]}, "none of its symbols"),
    ],
)
def test_json_that_is_no_vocabulary(value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Vocabulary.from_json(value)
