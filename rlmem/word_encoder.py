"""Observations made of words: each cell of the view is a set of words, each word at each cell an embedding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rlmem.errors import check

_FEW_OBSERVATIONS = 256  # so few are embedded faster with every column than after a search for those in use


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
        if words.device.type != "cpu" or words.shape[:-1].numel() <= _FEW_OBSERVATIONS:  # a search waits for a GPU
            return words.to(self.embedding.dtype) @ self.embedding.flatten(0, 1)
        present = words.reshape(-1, words.shape[-1]).amax(0).nonzero().squeeze(1)  # most words are in view nowhere
        embedding = self.embedding.flatten(0, 1)[present]
        return words[..., present].to(embedding.dtype) @ embedding


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
