"""A reader of the instruction task that remembers every request, by plain parsing."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from rlmem.experiments.lm import instruction_grammar as grammar
from rlmem.experiments.lm.generated_stream import NO_ANSWER
from rlmem.experiments.lm.instruction_options import InstructionOptions
from rlmem.experiments.lm.instruction_world import make_world

_TAIL = 32  # words that are kept to be parsed; a request is shorter
_REQUEST_BEGIN, _REQUEST_MIDDLE, _REQUEST_END = re.split(r"\{whom?\}", grammar.REQUEST)
_PRESENCE_END = grammar.PRESENCE.removeprefix("the {who}")


class InstructionOracle:
    """Remembers who is to be told what, and says so when they are here.

    Args:
        options: of the task.
        batch: number of rows.
    """

    def __init__(self, options: InstructionOptions, batch: int) -> None:
        self._words = make_world(options).words
        self._numbers = {word: number for number, word in enumerate(self._words)}
        self._readers = [_Reader() for _ in range(batch)]

    def predict(self, inputs: Tensor, is_first: Tensor) -> Tensor:
        """What follows each word, (batch, block) int64; `NO_ANSWER` where nothing is executed.

        Args:
            inputs: (batch, block) int64, the streams' next words.
            is_first: (batch, block) bool, where a story begins.
        """
        rows = zip(self._readers, inputs.tolist(), is_first.tolist(), strict=True)
        return torch.tensor([[self._predict(reader, *one) for one in zip(*row, strict=True)] for reader, *row in rows])

    def _predict(self, reader: _Reader, symbol: int, is_first: bool) -> int:
        answer = reader.read(self._words[symbol], is_first)
        return NO_ANSWER if answer is None else self._numbers[answer]


class _Reader:
    """Reads one row."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._tail: list[str] = []
        self._pending: dict[str, str] = {}  # who is to be told, and who wants to see them
        self._answer: list[str] = []  # words of an execution that are still to come

    def read(self, word: str, is_first: bool) -> str | None:
        """The word that follows, where it belongs to an execution."""
        if is_first:
            self._begin()
        self._tail = [*self._tail[1 - _TAIL :], word]
        text = " ".join(self._tail)
        if self._answer:
            self._answer.pop(0)
        elif text.endswith(_REQUEST_END):
            who, whom = text.removesuffix(_REQUEST_END).rpartition(_REQUEST_BEGIN)[2].split(_REQUEST_MIDDLE)
            self._pending[who] = whom
        elif text.endswith(_PRESENCE_END):
            who = text.removesuffix(_PRESENCE_END).rpartition("the ")[2]
            if who in self._pending:
                self._answer = grammar.EXECUTION.format(who=who, whom=self._pending.pop(who)).split()
        return self._answer[0] if self._answer else None
