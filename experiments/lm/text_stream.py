"""Text as streams: each row reads a contiguous stretch of a split, block by block, and predicts the next symbol.

Training  Row r begins r/batch of the way round the split, from a first place that is drawn from the seed, and reads on
          for ever: past where the next row began, and from the split's end to its beginning. The prediction across
          that seam does not count.
Otherwise The split's predictions (of every symbol but the first, which nothing comes before) are cut into `batch` equal
          stretches, one a row, and each is made once. Where a stretch is one shorter than others its last place is
          filled up with symbol 0 and `NO_ITEM`. A row starts without memory: with one row all is seen in order.
"""

from __future__ import annotations

import copy

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rlmem.errors import UsageError, check
from rlmem.experiments.lm.block import NO_ITEM, Block, Split
from rlmem.experiments.lm.text_files import TextDataError
from rlmem.experiments.lm.tokeniser import Symbols

_Places = npt.NDArray[np.int64]


class TextStream:
    """Streams of one split; see above. Each symbol is one item, numbered by its place in its row's stream.

    Args:
        symbols: (length,) the split.
        num_symbols: size of the vocabulary.
        split: its name; `train` is endless.
        batch: number of rows.
        seed: of the place where training begins; the other splits do not depend on it.

    Raises:
        UsageError: the split is too short for the rows.
    """

    def __init__(self, symbols: Symbols, num_symbols: int, split: Split, batch: int, seed: int) -> None:
        check(batch >= 1, f"the batch is {batch} rows, but it must be at least 1")
        num_predictions = len(symbols) - 1
        check(
            num_predictions >= batch,
            f"the {split} split has {len(symbols):,} symbols, too few for a batch of {batch:,} rows; "
            "use fewer rows or more data",
        )
        self._symbols, self._num_symbols, self._split, self._batch = symbols, num_symbols, split, batch
        self._is_endless = split == "train"
        rows = np.arange(batch)
        if self._is_endless:
            first = int(np.random.default_rng(seed).integers(len(symbols)))
            self._start = (first + rows * len(symbols) // batch) % len(symbols)
            self._length = np.full(batch, len(symbols) // batch)
        else:
            self._start = rows * num_predictions // batch
            self._length = (rows + 1) * num_predictions // batch - self._start
        self._position = 0

    @property
    def batch(self) -> int:
        """Number of rows."""
        return self._batch

    def only(self, rows: range) -> TextStream:
        """Some of the rows alone, from where they stand; this stream must not be read on."""
        part = copy.copy(self)
        part._batch = len(rows)
        part._start, part._length = self._start[list(rows)], self._length[list(rows)]
        return part

    def next_block(self, length: int) -> Block | None:
        """The next symbols of every row.

        Args:
            length: how many; there are fewer where a split that is read once ends.

        Returns:
            A block, tensors (batch, length), or None once such a split has ended.

        Raises:
            UsageError: a block would be longer than the split, or than a row's share of it.
            TextDataError: a symbol is none of the vocabulary's.
        """
        self._check_length(length)
        if not self._is_endless:
            length = min(length, int(self._length.max()) - self._position)
            if length == 0:
                return None
        step = self._position + np.arange(length)  # (length,)
        place = self._start[:, None] + step  # (batch, length)
        self._position += length
        if self._is_endless:
            is_scored = place % len(self._symbols) != len(self._symbols) - 1
        else:
            is_scored = step < self._length[:, None]
        return self._block(place, step, is_scored)

    def state(self) -> dict[str, Tensor]:
        """Where the stream stands: scalars and `start` (batch,), all int64."""
        return {
            "position": torch.tensor(self._position),
            "num_symbols": torch.tensor(len(self._symbols)),
            "start": torch.from_numpy(self._start.copy()),
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from where `state` stood, to the bit.

        Args:
            state: what `state` gave, of a stream with as many rows over the same split.

        Raises:
            UsageError: the split now has another length, or the batch another number of rows.
        """
        saved = int(state["num_symbols"])
        check(
            saved == len(self._symbols),
            f"the {self._split} split has {len(self._symbols):,} symbols, but {saved:,} when the checkpoint was made; "
            "go on with the same data",
        )
        start = state["start"].numpy()
        check(
            len(start) == self._batch,
            f"the checkpoint has {len(start)} rows of the {self._split} split, but this run {self._batch}; "
            "go on with the same batch",
        )
        self._position, self._start = int(state["position"]), start.copy()

    def _check_length(self, length: int) -> None:
        check(length >= 1, f"a block of {length} symbols cannot be; it must have at least 1")
        if length > len(self._symbols):
            raise UsageError(
                f"a block of {length:,} symbols is longer than the whole {self._split} split, which has "
                f"{len(self._symbols):,}; use a shorter block or more data"
            )
        longest = int(self._length.max())
        check(
            length <= longest,
            f"a block of {length:,} symbols is longer than a row: each of the {self._batch:,} rows has {longest:,} of "
            f"the {self._split} split's {len(self._symbols):,} symbols; use a shorter block or fewer rows",
        )

    def _block(self, place: _Places, step: _Places, is_scored: npt.NDArray[np.bool_]) -> Block:
        """Read a block at places (batch, length) of the split, which are its rows' steps (length,)."""
        symbols = self._symbols
        inputs = symbols[place % len(symbols)].astype(np.int64)
        targets = symbols[(place + 1) % len(symbols)].astype(np.int64)
        largest = max(int(inputs.max()), int(targets.max()))
        if largest >= self._num_symbols:
            raise TextDataError(
                f"the {self._split} split has the symbol {largest:,}, but the vocabulary has {self._num_symbols:,} of "
                "them: its token cache is damaged; delete it (--cache, by default ~/.cache/rlmem), it is made anew"
            )
        if not self._is_endless:
            inputs, targets = np.where(is_scored, inputs, 0), np.where(is_scored, targets, 0)
        return Block(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(targets),
            is_trained=torch.from_numpy(is_scored),
            item=torch.from_numpy(np.where(is_scored, step, NO_ITEM)),
            is_first=torch.zeros(place.shape, dtype=torch.bool),
        )
