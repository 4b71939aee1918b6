"""Observations made of words: each cell of the view is a set of words, each word at each cell an embedding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

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
        if words.shape[:-1].numel() <= _FEW_OBSERVATIONS:
            return words.to(self.embedding.dtype) @ self.embedding.flatten(0, 1)
        present = words.reshape(-1, words.shape[-1]).amax(0).nonzero().squeeze(1)  # most words are in view nowhere
        embedding = self.embedding.flatten(0, 1)[present]
        return words[..., present].to(embedding.dtype) @ embedding
