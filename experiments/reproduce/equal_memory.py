"""The L at which a Transformer-XL has a wanted average memory on a task's test data.

A query a steps into its story sees min(a, L) memories, so that short stories pull the average below L. How long the
stories are the data alone says.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlmem.experiments.lm.block import Stream
from rlmem.experiments.lm.tasks import LANGUAGE_TASKS
from rlmem.experiments.lm.train_config import LanguageTrainConfig
from rlmem.experiments.lm.training_run import EVALUATION_SEED

_BLOCK = 256  # symbols of each row that are read at once


def equal_length(config: LanguageTrainConfig, wanted: float) -> int:
    """The smallest L, at least 1, whose average memory is as large as wanted; all of a story if none is.

    Args:
        config: of a run, whose task, options and rows of an evaluation count.
        wanted: average memory, in symbols.
    """
    task = LANGUAGE_TASKS[config.task]
    counts = count_ages(task.make_streams(config.options, "test", config.run.eval_rows, EVALUATION_SEED))
    # with L one larger, every query that is more than L steps into its story sees one memory more
    is_older = counts.sum() - np.cumsum(counts)
    average = np.cumsum(is_older) / counts.sum()  # at place L - 1: of this L
    enough = np.flatnonzero(average >= wanted)
    return int(enough[0]) + 1 if len(enough) else max(1, len(counts) - 1)


def count_ages(stream: Stream) -> NDArray[np.int64]:
    """How many queries of a stream stand so many steps into their story; from 0 on, (longest story,)."""
    age = np.full(stream.batch, -1)
    counts = np.zeros(0, np.int64)
    while (block := stream.next_block(_BLOCK)) is not None:
        is_first = block.is_first.numpy()
        ages = np.empty(is_first.shape, np.int64)
        for step in range(is_first.shape[1]):
            age = np.where(is_first[:, step], 0, age + 1)
            ages[:, step] = age
        new = np.bincount(ages.ravel(), minlength=len(counts))
        new[: len(counts)] += counts
        counts = new
    return counts
