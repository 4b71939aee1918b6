"""A word of a passage replaced by another: what becomes of its span, and of the spans elsewhere (paper, figure 9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlmem.errors import UsageError, check
from rlmem.experiments.lm.passage import NO_TARGET, Ints, Passage, Spelling
from rlmem.experiments.lm.text_trace import TextTrace

NO_COUNTERPART = -1

_Places = list[tuple[int, int]]


@dataclass(frozen=True)
class Replacement:
    """A passage with a word replaced.

    Args:
        old: the word.
        new: what stands in its place.
        passage: with it.
        old_places: (occurrences, 2) int64, first and one past the last symbol of each in the original.
        new_places: likewise in `passage`.
        original: (length of `passage`,) int64, the symbol of the original that each symbol is, `NO_COUNTERPART` where
            it stands in the word's place.
    """

    old: str
    new: str
    passage: Passage
    old_places: Ints
    new_places: Ints
    original: Ints


@dataclass(frozen=True)
class ChangedSymbol:
    """A symbol elsewhere: its place in the new passage and in the original, its span in both."""

    step: int
    original_step: int
    before: float
    after: float


@dataclass(frozen=True)
class ReplacedLayer:
    """What the replacement changed in one layer; spans in steps.

    Args:
        before: (occurrences,) the span of the longest-kept symbol of the word.
        after: (occurrences,) that of what stands in its place.
        elsewhere_mean: mean of |change| over all symbols after the first replaced one; 0 if there are none.
        elsewhere_largest: the symbols whose span changed most, those first.
    """

    before: tuple[float, ...]
    after: tuple[float, ...]
    elsewhere_mean: float
    elsewhere_largest: tuple[ChangedSymbol, ...]

    @property
    def before_mean(self) -> float:
        """Mean over occurrences."""
        return sum(self.before) / len(self.before)

    @property
    def after_mean(self) -> float:
        """Mean over occurrences."""
        return sum(self.after) / len(self.after)


def replace_word(spelling: Spelling, passage: Passage, old: str, new: str) -> Replacement:
    """Replace a word, or several that follow one another, wherever it stands as a whole.

    Args:
        spelling: of the run.
        passage: the original.
        old: what to replace.
        new: what to put in its place; of any length.

    Raises:
        UsageError: the passage has no such word, or the vocabulary lacks one of the two.
    """
    asked = f"--replace {f'{old}={new}'!r}"
    try:
        sought, put = spelling.encode(old), spelling.encode(new)
    except UsageError as error:
        raise UsageError(f"{asked}: {error}") from error
    for text, symbols in ((old, sought), (new, put)):
        check(
            spelling.count_unknown(symbols) == 0,
            f"{asked}: {text!r} is not in the run's vocabulary, which would read it as unknown; choose another word",
        )
    starts = _occurrences(passage, sought)
    check(
        len(starts) > 0,
        f"{asked}: the passage has no whole word {old!r}; choose a word that it has, or another passage",
    )
    pieces, original, begins = [], [], []
    done = length = 0
    for start in [*starts, passage.length]:
        pieces.append(passage.symbols[done:start])
        original.append(np.arange(done, start))
        length += start - done
        if start < passage.length:
            begins.append(length)
            pieces.append(put)
            original.append(np.full(len(put), NO_COUNTERPART))
            length += len(put)
            done = start + len(sought)
    counterpart = np.concatenate(original)
    return Replacement(
        old,
        new,
        _read_again(spelling, passage, np.concatenate(pieces), counterpart, list(zip(starts, begins, strict=True))),
        np.array([(start, start + len(sought)) for start in starts]),
        np.array([(start, start + len(put)) for start in begins]),
        counterpart,
    )


def compare_replacement(
    original: TextTrace, replaced: TextTrace, replacement: Replacement, num_listed: int = 8
) -> tuple[ReplacedLayer, ...]:
    """What a replacement changed, layer by layer.

    Args:
        original: the trace of the original.
        replaced: the trace of `replacement.passage`.
        replacement: what was replaced.
        num_listed: how many symbols elsewhere are listed.
    """
    step = np.flatnonzero(replacement.original != NO_COUNTERPART)
    step = step[step > replacement.new_places[0, 0]]  # none before it can change
    original_step = replacement.original[step]
    layers = []
    for old, new in zip(original.layers, replaced.layers, strict=True):
        before, after = old.span[original_step], new.span[step]
        change = np.abs(after - before)
        largest = [number for number in np.argsort(-change, kind="stable")[:num_listed] if change[number] > 0]
        layers.append(
            ReplacedLayer(
                tuple(float(old.span[start:stop].max()) for start, stop in replacement.old_places),
                tuple(float(new.span[start:stop].max()) for start, stop in replacement.new_places),
                float(change.mean()) if len(change) else 0.0,
                tuple(
                    ChangedSymbol(int(step[one]), int(original_step[one]), float(before[one]), float(after[one]))
                    for one in largest
                ),
            )
        )
    return tuple(layers)


def _occurrences(passage: Passage, sought: Ints) -> list[int]:
    """Where symbols stand in a passage, as whole words and without overlap."""
    width, found, free = len(sought), [], 0
    if width > passage.length:
        return []
    is_begin = np.append(True, np.diff(passage.word_of) > 0)
    is_end = np.append(np.diff(passage.word_of) > 0, True)
    is_match = np.ones(passage.length - width + 1, dtype=bool)
    for place, symbol in enumerate(sought):
        is_match &= passage.symbols[place : place + len(is_match)] == symbol
    for start in np.flatnonzero(is_match).tolist():
        if start >= free and is_begin[start] and is_end[start + width - 1]:
            found.append(start)
            free = start + width
    return found


def _read_again(spelling: Spelling, passage: Passage, symbols: Ints, original: Ints, places: _Places) -> Passage:
    """The new symbols as a passage: what is to be predicted and where stories begin follow the original."""
    is_kept = original != NO_COUNTERPART
    is_first = np.zeros(len(symbols), dtype=bool)
    is_first[is_kept] = passage.is_first[original[is_kept]]
    for old_start, start in places:  # a story that began with the word
        is_first[start] = passage.is_first[old_start]
    targets = np.full(len(symbols), NO_TARGET)
    if spelling.target_names is None:
        targets[:-1] = symbols[1:]
        targets[-1] = passage.targets[-1]
    targets[is_kept] = np.where(
        (passage.targets[original[is_kept]] == NO_TARGET) | (spelling.target_names is not None),
        passage.targets[original[is_kept]],
        targets[is_kept],
    )
    return spelling.passage(symbols, targets, is_first)
