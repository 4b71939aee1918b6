"""Where a trace's passage comes from: a run's own validation or test data, or a text that was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from rlmem.errors import UsageError, check
from rlmem.experiments.lm import collision, collision_easy
from rlmem.experiments.lm.block import NO_ITEM, Block, Stream
from rlmem.experiments.lm.passage import NO_TARGET, Passage, Spelling
from rlmem.experiments.lm.run_folder import LanguageRunFolder
from rlmem.experiments.lm.tasks import LANGUAGE_TASKS
from rlmem.experiments.lm.text import TextOptions
from rlmem.experiments.lm.text_files import read_text

_SKIPPED_AT_ONCE = 1024
_READ_AT_ONCE = 64

_TARGET_NAMES: dict[str, Any] = {"collision": collision.target_names, "collision-easy": collision_easy.target_names}
"""Of the tasks whose targets are no symbols."""


def run_spelling(run: LanguageRunFolder) -> Spelling:
    """How a run's symbols are written; a text's data need not be there.

    Raises:
        ConfigError: the run's vocabulary is missing or damaged.
    """
    config = run.config
    names = _TARGET_NAMES.get(config.task)
    target_names = None if names is None else tuple(names(config.options))
    if not isinstance(config.options, TextOptions):  # made-up data: the options say it all
        vocabulary = LANGUAGE_TASKS[config.task].open_corpus(config.options).vocabulary
        assert vocabulary is not None, "a corpus that was opened has a vocabulary"
        return Spelling(vocabulary, target_names)
    return Spelling(run.vocabulary())


def split_passage(
    run: LanguageRunFolder,
    spelling: Spelling,
    split: Literal["valid", "test"],
    start: int,
    length: int,
    *,
    data: str | None = None,
    seed: int = 0,
) -> Passage:
    """Some symbols of a run's validation or test data.

    Args:
        run: its folder.
        spelling: of the run.
        split: which data.
        start: the first symbol's number in it.
        length: how many; fewer where the data ends.
        data: where a text is, if not where it was when the run was made.
        seed: of data that is made up.

    Raises:
        UsageError: the data is not there, is not what the run was trained on, or ends before `start`.
    """
    config = run.config.with_data(data)
    task = LANGUAGE_TASKS[config.task]
    if isinstance(config.options, TextOptions):
        run.check_same_vocabulary(task.open_corpus(config.options))
    return stream_passage(spelling, task.make_streams(config.options, split, 1, seed), start, length)


def stream_passage(spelling: Spelling, stream: Stream, start: int, length: int) -> Passage:
    """Some symbols of a stream of one row, from where it stands.

    Args:
        spelling: of its symbols.
        stream: of one row.
        start: how many symbols to skip.
        length: how many to take; fewer where the stream ends.

    Raises:
        UsageError: the stream ends before that.
    """
    _skip(stream, start)
    blocks: list[Block] = []
    taken = 0
    while taken < length:
        block = stream.next_block(min(_READ_AT_ONCE, length - taken))
        if block is None:
            break
        blocks.append(block)
        taken += block.inputs.shape[1]
    check(bool(blocks), f"--start is {start:,}, but the data ends there; lower it")
    symbols, targets, is_trained, item, is_first = (
        np.concatenate([getattr(block, name)[0].numpy() for block in blocks])
        for name in ("inputs", "targets", "is_trained", "item", "is_first")
    )
    is_asked = is_trained | (item != NO_ITEM)
    return spelling.passage(symbols, np.where(is_asked, targets, NO_TARGET), is_first)


def _skip(stream: Stream, start: int) -> None:
    """Read on to a symbol.

    Raises:
        UsageError: the stream ends before that.
    """
    skipped = 0
    while skipped < start:
        try:
            block = stream.next_block(min(_SKIPPED_AT_ONCE, start - skipped))
        except UsageError as error:  # the data is shorter than this block, and so than all that is to be skipped
            raise UsageError(f"--start is {start:,}, but there is less data than that ({error}); lower it") from error
        if block is None:
            raise UsageError(f"--start is {start:,}, but the data has only {skipped:,} symbols; lower it")
        skipped += block.inputs.shape[1]


def text_passage(spelling: Spelling, text: str) -> Passage:
    """A text that was given, in the run's symbols.

    Raises:
        UsageError: it is empty, or has a word that a made-up task does not know.
    """
    return spelling.passage(spelling.encode(text))


def file_text(path: str) -> str:
    """The text of a file.

    Raises:
        UsageError: it is not there.
        TextDataError: it is no UTF-8.
    """
    check(Path(path).is_file(), f"--prompt-file {path} is no file; give one that holds the text to read")
    return "".join(read_text(Path(path)))
