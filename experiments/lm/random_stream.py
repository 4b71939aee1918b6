"""Symbols without meaning, for measuring speed."""

from __future__ import annotations

import torch
from torch import Tensor

from rlmem.experiments.lm.block import Block


class RandomStream:
    """Endless rows of one story each, every symbol drawn evenly; all targets count.

    Args:
        batch: number of rows.
        num_symbols: to be drawn from.
    """

    def __init__(self, batch: int, num_symbols: int) -> None:
        self.batch, self._num_symbols = batch, num_symbols
        self._generator = torch.Generator().manual_seed(0)

    def next_block(self, length: int) -> Block:
        """The next `length` symbols of every row."""
        drawn = torch.randint(self._num_symbols, (self.batch, length + 1), generator=self._generator)
        is_all = torch.ones(self.batch, length, dtype=torch.bool)
        item = torch.zeros(self.batch, length, dtype=torch.int64)
        return Block(drawn[:, :-1], drawn[:, 1:], is_all, item, torch.zeros_like(is_all))

    def state(self) -> dict[str, Tensor]:
        """Of the generator."""
        return {"generator": self._generator.get_state()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from where `state` stood."""
        self._generator.set_state(state["generator"])
