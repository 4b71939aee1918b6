"""What a language-model task gives to the learner: blocks of streams, one stream a row.

inputs, targets    (batch, block) int64
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

Split = Literal["train", "valid", "test"]
NO_ITEM = -1


@dataclass(frozen=True)
class Block:
    """A stretch of every row's stream. All tensors are (batch, block), on the CPU.

    Args:
        inputs: int64, the symbols read.
        targets: int64, what is to be predicted after each of them: in text the next symbol.
        is_trained: bool, True where the prediction counts in the training loss.
        item: int64, the number within its row of the answer that the target belongs to, `NO_ITEM` where nothing is
            scored. An answer is right only if all of its targets are predicted, also where it runs on into the next
            block; in text each symbol is one item.
        is_first: bool, True where a new story begins, whose symbols see nothing from before. Text is one story.
    """

    inputs: Tensor
    targets: Tensor
    is_trained: Tensor
    item: Tensor
    is_first: Tensor


class Stream(Protocol):
    """As many streams as rows, each block going on where the last one ended; endless in training."""

    @property
    def batch(self) -> int:
        """Number of rows."""
        ...

    def next_block(self, length: int) -> Block | None:
        """The next `length` symbols of every row, fewer where they end with it, or None when they have ended."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Where the stream stands, as tensors to be saved."""
        ...

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from where `state` stood, to the bit."""
        ...


class TaskStream(Stream, Protocol):
    """A task's stream, whose rows may be read apart: each is the same in any batch."""

    def only(self, rows: range) -> Stream:
        """Some of the rows alone, from where they stand; this stream must not be read on."""
        ...
