"""For how long words are kept: a passage's words ranked by the spans of their symbols."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlmem.experiments.lm.passage import Passage
from rlmem.experiments.lm.text_trace import Floats


@dataclass(frozen=True)
class WordSpan:
    """A word in one layer.

    Args:
        word: its text.
        count: how often it occurs.
        mean: e_i of its longest-kept symbol in steps, mean over occurrences; blanks of any length count as one word.
        longest: that of the occurrence that is kept longest.
        step: the first symbol of that occurrence.
    """

    word: str
    count: int
    mean: float
    longest: float
    step: int


def word_spans(passage: Passage, span: Floats) -> list[WordSpan]:
    """The words of a passage, those that are kept longest on average first.

    A word is kept as long as one of its symbols is, so its span is that of its longest-kept one.

    Args:
        passage: what was read.
        span: (length,) of one layer, in steps.
    """
    kept = np.full(len(passage.words), -np.inf)
    np.maximum.at(kept, passage.word_of, span.astype(np.float64))
    first = np.searchsorted(passage.word_of, np.arange(len(passage.words)))
    occurrences: dict[str, list[int]] = {}
    for number, word in enumerate(passage.words):
        occurrences.setdefault(" " if word.isspace() and "\n" not in word else word, []).append(number)
    ranked = []
    for word, numbers in occurrences.items():
        longest = max(numbers, key=lambda number: kept[number])
        ranked.append(
            WordSpan(word, len(numbers), float(kept[numbers].mean()), float(kept[longest]), int(first[longest]))
        )
    return sorted(ranked, key=lambda one: (-one.mean, -one.longest, one.step))
