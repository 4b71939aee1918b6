"""Observations made of words: each cell of the view is a set of words, each word at each cell an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from rlmem.compilable import is_compilable
from rlmem.errors import check
from rlmem.kernels.compiling import bounds_of_threads
from rlmem.kernels.word_sum import return_words, sum_words

_BYTES = (torch.uint8, torch.bool)
_OBSERVATIONS_WORTH_A_THREAD = 512


class _WordSum(torch.autograd.Function):
    """words @ embedding on a CPU, at the cost of the words in view."""

    @staticmethod
    def forward(ctx: Any, words: Tensor, embedding: Tensor) -> Tensor:
        """(rows, model) from words (rows, words) uint8 and embedding (words, model)."""
        out = embedding.new_zeros(len(words), embedding.shape[1])
        sum_words(words.numpy(), embedding.detach().numpy(), out.numpy(), _bounds(words))
        ctx.save_for_backward(words)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        """To the embedding."""
        (words,) = ctx.saved_tensors
        bounds = _bounds(words)
        to_embedding = grads[0].new_zeros(len(bounds) - 1, words.shape[1], grads[0].shape[1])
        return_words(words.numpy(), grads[0].contiguous().numpy(), to_embedding.numpy(), bounds)
        return None, to_embedding.sum(0)


def _bounds(words: Tensor) -> NDArray[np.int64]:
    return bounds_of_threads(len(words), torch.get_num_threads(), _OBSERVATIONS_WORTH_A_THREAD)


class WordEncoder(nn.Module):
    """The sum of the embeddings of the words in view, one embedding for each word and cell.

    Args:
        words: the vocabulary; stored with the weights, so that another vocabulary is matched word by word.
        cells: how many cells an observation has (9 for a 3 x 3 view).
        model: width of the result.
    """

    def __init__(self, words: Sequence[str], cells: int, model: int) -> None:
        super().__init__()
        self.words = tuple(words)
        self.embedding = nn.Parameter(torch.randn(cells, len(self.words), model) / cells**0.5)

    def forward(self, observation: Tensor) -> Tensor:
        """Embed observations.

        Args:
            observation: (..., rows, columns, words) uint8 or bool, 1 where a cell holds a word.

        Returns:
            (..., model).
        """
        words = observation.flatten(-3)  # (..., cells * words)
        embedding = self.embedding.flatten(0, 1)
        if words.dtype in _BYTES and is_compilable(embedding):
            rows = words.reshape(-1, words.shape[-1]).contiguous().view(torch.uint8)
            summed: Tensor = _WordSum.apply(rows, embedding)  # type: ignore[no-untyped-call]
            return summed.view(*words.shape[:-1], embedding.shape[1])
        return words.to(embedding.dtype) @ embedding


def match_words(embedding: Tensor, old_words: Sequence[str], new_words: Sequence[str], initial: Tensor) -> Tensor:
    """Embeddings for another vocabulary, taken over word by word.

    Args:
        embedding: (cells, old words, model), learned with the old vocabulary.
        old_words: its words, in the order of the rows.
        new_words: the vocabulary to come.
        initial: (cells, new words, model), fresh rows, which words unknown to the old vocabulary keep.

    Returns:
        (cells, new words, model) with `initial`'s dtype and device.

    Raises:
        UsageError: the observations have another number of cells or the models another width, or a list of words is
            not as long as its embedding.
    """
    for name, rows, words in (("old", embedding, old_words), ("new", initial, new_words)):
        check(
            rows.shape[1] == len(words),
            f"the {name} embedding has {rows.shape[1]} words, but {len(words)} came with it; give its own words",
        )
    check(
        (embedding.shape[0], embedding.shape[2]) == (initial.shape[0], initial.shape[2]),
        f"embeddings of {embedding.shape[0]} cells and width {embedding.shape[2]} cannot serve {initial.shape[0]} "
        f"cells and width {initial.shape[2]}; only the words may differ: use the same view and model",
    )
    old_rows = {word: row for row, word in enumerate(old_words)}
    pairs = [(row, old_rows[word]) for row, word in enumerate(new_words) if word in old_rows]
    matched = initial.detach().clone()
    matched[:, [new for new, _ in pairs]] = embedding.detach()[:, [old for _, old in pairs]].to(matched)
    return matched
