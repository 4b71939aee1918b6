"""The sum of the embeddings of the words in view: most words are in view nowhere, and cost a look each."""

from __future__ import annotations

import numpy as np
from numba import float32, prange

from rlmem.kernels.compiling import compiled, compiled_for_threads
from rlmem.kernels.typing import Array


@compiled
def _add_words(words: Array, embedding: Array, out: Array, begin: int, end: int) -> None:
    """`sum_words` for the observations from `begin` up to `end`."""
    for row in range(begin, end):
        for word in range(words.shape[1]):
            if words[row, word]:
                factor = float32(words[row, word])
                for j in range(embedding.shape[1]):
                    out[row, j] += factor * embedding[word, j]


@compiled_for_threads
def sum_words(words: Array, embedding: Array, out: Array, bounds: Array) -> None:
    """The embeddings of some observations.

    Args:
        words: (rows, words) uint8, how often each word is in view; usually 0.
        embedding: (words, model).
        out: (rows, model), to which they are added.
        bounds: (threads + 1,) int64, each thread's first row; the last is the number of rows.
    """
    for part in prange(len(bounds) - 1):
        _add_words(words, embedding, out, bounds[part], bounds[part + 1])


@compiled
def _return_words(words: Array, grads: Array, to_embedding: Array, begin: int, end: int) -> None:
    """`return_words` for the observations from `begin` up to `end`."""
    for row in range(begin, end):
        for word in range(words.shape[1]):
            if words[row, word]:
                factor = float32(words[row, word])
                for j in range(grads.shape[1]):
                    to_embedding[word, j] += factor * grads[row, j]


@compiled_for_threads
def return_words(words: Array, grads: Array, to_embedding: Array, bounds: Array) -> None:
    """The gradient of `sum_words` to the embedding.

    Args:
        words: as there.
        grads: (rows, model), to what came out.
        to_embedding: (threads, words, model), added to.
        bounds: as there.
    """
    for part in prange(len(bounds) - 1):
        _return_words(words, grads, to_embedding[np.uintp(part)], bounds[part], bounds[part + 1])
