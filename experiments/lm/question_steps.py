"""Tasks of equal steps, each of several symbols whose last one asks a question."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from rlmem.experiments.lm.block import NO_ITEM
from rlmem.experiments.lm.generated_stream import NO_ANSWER, Bools, Chunk, Ints


def chunk_of_steps(entries: Ints, answer: Ints, is_answered: Bools, steps_back: Ints) -> Chunk:
    """Steps as a chunk: each step's answer is predicted on reading its last symbol, and nothing else is.

    Args:
        entries: (step, entry) int64, the symbols.
        answer: (step,) int64, the class to be predicted.
        is_answered: (step,) bool, False where there is no answer; nothing is trained or scored there.
        steps_back: (step,) int64, how many steps ago that happened which the answer depends on; any where none.
    """
    num_steps, num_entries = entries.shape

    def at_last_entry(values: Ints, elsewhere: int) -> Ints:
        spread = np.full((num_steps, num_entries), elsewhere, np.int64)
        spread[:, -1] = values
        return spread.ravel()

    item = np.where(is_answered, np.cumsum(is_answered) - 1, NO_ITEM)
    reach = np.where(is_answered, steps_back * num_entries + num_entries - 1, 0)
    return Chunk(
        inputs=entries.ravel(),
        targets=at_last_entry(np.where(is_answered, answer, 0), 0),
        is_trained=at_last_entry(is_answered.astype(np.int64), 0).astype(bool),
        item=at_last_entry(item, NO_ITEM),
        is_first=np.zeros(num_steps * num_entries, bool),
        remaining=np.zeros(num_steps * num_entries, np.int64),
        reach=at_last_entry(reach, 0),
    )


class StepOracle(ABC):
    """Reads streams of steps and answers each step's question.

    Args:
        num_entries: symbols a step.
        batch: number of rows.
    """

    def __init__(self, num_entries: int, batch: int) -> None:
        self._num_entries = num_entries
        self._steps: list[list[int]] = [[] for _ in range(batch)]

    @abstractmethod
    def answer(self, row: int, step: list[int]) -> int:
        """The class that answers a whole step's question, or `NO_ANSWER`."""

    def predict(self, inputs: Tensor, is_first: Tensor) -> Tensor:
        """What answers each symbol, (batch, block) int64; `NO_ANSWER` where there is no answer.

        Args:
            inputs: (batch, block) int64, the streams' next symbols.
            is_first: (batch, block) bool; not needed, a row is one story.
        """
        rows = [[self._read(row, symbol) for symbol in symbols] for row, symbols in enumerate(inputs.tolist())]
        return torch.tensor(rows)

    def _read(self, row: int, symbol: int) -> int:
        step = self._steps[row]
        step.append(symbol)
        if len(step) < self._num_entries:
            return NO_ANSWER
        self._steps[row] = []
        return self.answer(row, step)
