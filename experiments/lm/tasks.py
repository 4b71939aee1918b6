"""The tasks that a language model can be trained on: one entry a task, with its options and its data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, Protocol

from rlmem.errors import UsageError
from rlmem.experiments.lm import collision, collision_easy, copy_task, enwik8, instruction, pg19, wikitext103
from rlmem.experiments.lm.block import Split, TaskStream
from rlmem.experiments.lm.text import Text, TextMetric, TextOptions
from rlmem.experiments.lm.vocabulary import Vocabulary

Metric = Literal["accuracy", "bpb", "bpc", "ppl"]


@dataclass(frozen=True)
class Corpus:
    """What a task's data consists of.

    Args:
        num_symbols: inputs are 0 <= symbol < num_symbols.
        num_targets: classes to be predicted.
        vocabulary: the symbols' names, to be saved with the run; None of a corpus that was not opened.
        notices: what must be said beside any result.
        chance: share of the answers that a guess without memory gets right, where that is known.
    """

    num_symbols: int
    num_targets: int
    vocabulary: Vocabulary | None = None
    notices: tuple[str, ...] = ()
    chance: float | None = None


@dataclass(frozen=True)
class LanguageTask:
    """One task.

    Args:
        options: its own dataclass.
        summary: one line for people.
        metric: what it is scored by: the share of right answers, bits per byte or character, or perplexity.
        make_streams: from options, split, rows and seed.
        open_corpus: from options; reads text from disk.
        whole: sizes of the whole corpus, for what is planned without data; None where no data is read.
    """

    options: type[Any]
    summary: str
    metric: Metric
    make_streams: Callable[[Any, Split, int, int], TaskStream]
    open_corpus: Callable[[Any], Corpus]
    whole: Corpus | None = None

    def planned(self, options: object) -> Corpus:
        """The corpus, or the whole one's sizes if no --data was given."""
        if self.whole is not None and not has_data(options):
            return self.whole
        return self.open_corpus(options)


class _MadeTask(Protocol):
    """A module of a task whose data is made up."""

    def make_streams(self, options: Any, split: Split, batch: int, seed: int) -> TaskStream: ...
    def symbol_names(self, options: Any) -> tuple[str, ...]: ...
    def target_names(self, options: Any) -> tuple[str, ...]: ...
    def chance(self, options: Any) -> float: ...


class _TextTask(Protocol):
    """A module of a task that reads text."""

    METRIC: TextMetric

    def open_text(self, options: Any) -> Text: ...


def has_data(options: object) -> bool:
    """True unless the options are those of a text without its files."""
    return not isinstance(options, TextOptions) or bool(options.data) or bool(getattr(options, "train_file", ""))


def _made(options: type[Any], summary: str, module: _MadeTask) -> LanguageTask:
    def open_corpus(chosen: Any) -> Corpus:
        names, targets = module.symbol_names(chosen), module.target_names(chosen)
        return Corpus(len(names), len(targets), Vocabulary("word", names, None), chance=module.chance(chosen))

    return LanguageTask(options, summary, "accuracy", module.make_streams, open_corpus)


def _text(options: type[Any], summary: str, module: _TextTask, whole: int) -> LanguageTask:
    def open_corpus(chosen: Any) -> Corpus:
        text = module.open_text(chosen)
        size = text.vocabulary.num_symbols
        return Corpus(size, size, text.vocabulary, text.notices)

    def make_streams(chosen: Any, split: Split, batch: int, seed: int) -> TaskStream:
        return module.open_text(chosen).stream(split, batch, seed)

    return LanguageTask(options, summary, module.METRIC, make_streams, open_corpus, Corpus(whole, whole))


LANGUAGE_TASKS: dict[str, LanguageTask] = {
    "copy": _made(copy_task.CopyOptions, "say how many A's there were, long ago", copy_task),
    "collision": _made(collision.CollisionOptions, "say where particles of two colours last collided", collision),
    "collision-easy": _made(
        collision_easy.CollisionEasyOptions, "say where two particles last collided", collision_easy
    ),
    "instruction": _made(
        instruction.InstructionOptions, "tell somebody what you were asked to tell them, long ago", instruction
    ),
    "enwik8": _text(enwik8.Enwik8Options, "Wikipedia, byte by byte", enwik8, 256),
    "pg19": _text(pg19.Pg19Options, "old books, character by character", pg19, 3_507),
    "wikitext103": _text(wikitext103.Wikitext103Options, "Wikipedia, word by word", wikitext103, 267_735),
}


def find_task(name: str) -> LanguageTask:
    """A task by its name.

    Raises:
        UsageError: there is none.
    """
    if name not in LANGUAGE_TASKS:
        raise UsageError(f"the task {name!r} is unknown; {suggest(name, list(LANGUAGE_TASKS))}")
    return LANGUAGE_TASKS[name]


def suggest(name: str, known: list[str]) -> str:
    """What to type instead of an unknown name."""
    near = get_close_matches(name, known, n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + f"choose one of {', '.join(known)}"


def unit_of(metric: Metric) -> str:
    """What a task's loss is shown in: `bits` or `perplexity`."""
    return "perplexity" if metric == "ppl" else "bits"


def in_unit(nats: float, metric: Metric) -> float:
    """A mean negative log-likelihood in the unit that `unit_of` names; infinite where it is too large a number."""
    if metric != "ppl":
        return nats / math.log(2)
    return math.exp(nats) if nats < 700 else math.inf
