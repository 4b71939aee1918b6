"""All readings of a passage that one trace makes: as it is, with words replaced, with the span limited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlmem.errors import check
from rlmem.experiments.lm.passage import Passage, Spelling
from rlmem.experiments.lm.replacement import ReplacedLayer, Replacement, compare_replacement, replace_word
from rlmem.experiments.lm.span_limit import LimitEffect, limit_effect
from rlmem.experiments.lm.text_trace import TextTrace, trace_text
from rlmem.language_model import LanguageModel


@dataclass(frozen=True)
class ReplacedReading:
    """The passage with a word replaced.

    Args:
        replacement: what was replaced.
        trace: of the passage with it.
        layers: what changed in each.
    """

    replacement: Replacement
    trace: TextTrace
    layers: tuple[ReplacedLayer, ...]


@dataclass(frozen=True)
class LimitedReading:
    """The passage with the span limited; `effect` compares `trace` with the original."""

    trace: TextTrace
    effect: LimitEffect


@dataclass(frozen=True)
class Readings:
    """All readings of a passage.

    Args:
        spelling: of the run.
        original: the passage as it is.
        replaced: one for each replacement that was asked for.
        limited: with the span limited, or None.
    """

    spelling: Spelling
    original: TextTrace
    replaced: tuple[ReplacedReading, ...] = ()
    limited: LimitedReading | None = None

    @property
    def traces(self) -> tuple[TextTrace, ...]:
        """The original, the replaced ones, the limited one."""
        limited = () if self.limited is None else (self.limited.trace,)
        return (self.original, *(one.trace for one in self.replaced), *limited)

    @property
    def names(self) -> tuple[str, ...]:
        """What to call each of `traces`."""
        replaced = (f"{one.replacement.old} → {one.replacement.new}" for one in self.replaced)
        limited = () if self.limited is None else (f"nothing more than {self.limited.effect.steps:,} back",)
        return ("as it is", *replaced, *limited)


def read_passage(
    model: LanguageModel,
    spelling: Spelling,
    passage: Passage,
    *,
    replacements: Sequence[tuple[str, str]] = (),
    limit: int | None = None,
    block: int = 128,
) -> Readings:
    """Read a passage, and again with words replaced and the span limited.

    Args:
        model: the language model.
        spelling: of its run.
        passage: what to read.
        replacements: words and what to put in their place, each in a reading of its own.
        limit: no symbol is seen more than so many steps back in a last reading; None: no such reading.
        block: symbols read at once.

    Raises:
        UsageError: the passage is empty, or has no such word, or the vocabulary lacks one.
    """
    check(limit is None or limit >= 0, f"--limit is {limit}, but it is a number of steps: 0 or more")
    replaced = [replace_word(spelling, passage, old, new) for old, new in replacements]  # may be refused: first of all
    original = trace_text(model, passage, block=block)
    readings = []
    for one in replaced:
        trace = trace_text(model, one.passage, block=block)
        readings.append(ReplacedReading(one, trace, compare_replacement(original, trace, one)))
    limited = None
    if limit is not None:
        trace = trace_text(model, passage, block=block, reach=limit)
        limited = LimitedReading(trace, limit_effect(original, trace, limit))
    return Readings(spelling, original, tuple(readings), limited)
