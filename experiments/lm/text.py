"""A corpus as its task gives it: three splits of symbols, their vocabulary, and the options that all corpora share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rlmem.errors import UsageError
from rlmem.experiments.lm.block import Split
from rlmem.experiments.lm.text_stream import TextStream
from rlmem.experiments.lm.tokeniser import Symbols
from rlmem.experiments.lm.vocabulary import Vocabulary

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
TextMetric = Literal["bpb", "bpc", "ppl"]
"""What a text task is scored by: bits per byte, bits per character, perplexity."""


@dataclass(frozen=True)
class TextOptions:
    """Where a corpus lies."""

    data: str = ""
    """The corpus: see the task."""
    cache: str = ""
    """Folder for the memory-mapped symbols; by default rlmem in $XDG_CACHE_HOME, or else ~/.cache/rlmem."""
    whole: bool = False
    """Refuse a sample: the data must be the whole corpus, with the sizes that results are published for."""


@dataclass(frozen=True)
class Text:
    """A corpus.

    Args:
        vocabulary: what the symbols stand for; made from the training split alone.
        splits: (length,) symbols of each split, unsigned integers, memory-mapped where they are large.
        notices: what must be said beside any result, one sentence each, such as that the corpus is not the whole one.
    """

    vocabulary: Vocabulary
    splits: Mapping[Split, Symbols]
    notices: tuple[str, ...] = ()

    def stream(self, split: Split, batch: int, seed: int) -> TextStream:
        """The streams of a split, see `TextStream`."""
        return TextStream(self.splits[split], self.vocabulary.num_symbols, split, batch, seed)


def not_the_whole(options: TextOptions, difference: str) -> tuple[str, ...]:
    """The notice that a corpus is a sample.

    Args:
        options: the task's.
        difference: one sentence without its full stop, that says in what the corpus differs from the whole.

    Raises:
        UsageError: the options ask for the whole.
    """
    if options.whole:
        raise UsageError(f"{difference}, but --whole asks for all of it; give the whole corpus, or --no-whole")
    return (f"{difference}.",)
