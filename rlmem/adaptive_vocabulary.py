"""Large vocabularies: frequent symbols get wide embeddings, rare ones narrow ones, on the way in and on the way out.

Symbols are numbered by frequency, the most frequent one 0. The cutoffs cut them into clusters: with cutoffs (20000,
60000) cluster 0 is symbols 0 to 19999, cluster 1 is 20000 to 59999, and cluster 2 the rest. Cluster k has width
`model // divide_by**k`, and each cluster a matrix between its width and the model's.

batch, block    rows and positions
model           width of a hidden state
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from rlmem.errors import check

_PREDICTED_TOGETHER = 256  # hidden states; each may need a log-probability for every symbol at once


def cluster_bounds(num_symbols: int, cutoffs: Sequence[int]) -> list[tuple[int, int]]:
    """The clusters that cutoffs make.

    Args:
        num_symbols: size of the vocabulary.
        cutoffs: first symbol of every cluster but the first, increasing.

    Returns:
        For each cluster its first symbol and the one after its last.

    Raises:
        UsageError: the cutoffs are none, do not increase, or leave a cluster without symbols.
    """
    given = " ".join(map(str, cutoffs))
    check(len(cutoffs) > 0, "an adaptive vocabulary got no cutoffs, but it needs one at least; use a plain one instead")
    check(
        all(low < high for low, high in pairwise((0, *cutoffs))),
        f"the cutoffs {given} cannot be: they must be positive and each larger than the one before",
    )
    check(
        cutoffs[-1] < num_symbols,
        f"the cutoffs {given} leave no symbol for the last cluster: the vocabulary has {num_symbols} symbols; "
        f"use cutoffs of at most {num_symbols - 1}",
    )
    return list(pairwise((0, *cutoffs, num_symbols)))


def cluster_widths(model: int, num_clusters: int, divide_by: float) -> list[int]:
    """Width of each cluster, `model // divide_by**k` for cluster k.

    Raises:
        UsageError: `divide_by` is below 1, or the last cluster would have no width.
    """
    check(
        divide_by >= 1, f"divide_by is {divide_by}, but rare symbols cannot be wider than frequent ones: use 1 or more"
    )
    widths = [int(model // divide_by**cluster) for cluster in range(num_clusters)]
    check(
        widths[-1] >= 1,
        f"a model of width {model} has nothing left for cluster {num_clusters}, each {divide_by:g} times narrower than "
        "the one before; use fewer cutoffs, a smaller divide_by or a wider model",
    )
    return widths


class AdaptiveInput(nn.Module):
    """Embeddings of a width that falls with the symbol's frequency, projected to the model's width.

    Embeddings start normal with variance 1/width, projections Glorot-uniform. A cluster that a batch does not use gets
    a gradient of zeros, not none.

    Source: Baevski & Auli (2019), section 3.

    Args:
        num_symbols: size of the vocabulary.
        model: width of the result.
        cutoffs: first symbol of every cluster but the first.
        divide_by: how much narrower each cluster is than the one before.

    Raises:
        UsageError: such clusters cannot be.
    """

    def __init__(self, num_symbols: int, model: int, cutoffs: Sequence[int], divide_by: float = 4.0) -> None:
        super().__init__()
        self.bounds = cluster_bounds(num_symbols, cutoffs)
        widths = cluster_widths(model, len(self.bounds), divide_by)
        self.model = model
        self.embeddings = nn.ModuleList(
            nn.Embedding(high - low, width) for (low, high), width in zip(self.bounds, widths, strict=True)
        )
        self.projections = nn.ModuleList(nn.Linear(width, model, bias=False) for width in widths)
        for width, embedding, projection in zip(widths, self.embeddings, self.projections, strict=True):
            nn.init.normal_(embedding.weight, std=width**-0.5)  # type: ignore[arg-type]
            nn.init.xavier_uniform_(projection.weight)  # type: ignore[arg-type]

    def forward(self, symbols: Tensor) -> Tensor:
        """Embed symbols.

        Args:
            symbols: (batch, block) int64, 0 <= symbol < num_symbols.

        Returns:
            (batch, block, model), of the parameters' dtype.

        Raises:
            IndexError: a symbol is out of range (on CUDA: a device assertion).
        """
        flat = symbols.reshape(-1).contiguous()  # bucketize warns of columns of a larger tensor
        cluster_of = torch.bucketize(flat, flat.new_tensor([low for low, _ in self.bounds[1:]]), right=True)
        rows = [(cluster_of == cluster).nonzero().squeeze(1) for cluster in range(len(self.bounds))]
        parts = [
            projection(embedding(flat[positions] - low))  # (rows of the cluster, model)
            for positions, (low, _), embedding, projection in zip(
                rows, self.bounds, self.embeddings, self.projections, strict=True
            )
        ]
        projected = torch.cat(parts).to(next(self.parameters()).dtype)  # autocast projects in its own
        embedded = projected.new_empty(projected.shape).index_copy(0, torch.cat(rows), projected)
        return embedded.reshape(*symbols.shape, self.model)


class AdaptiveOutput(nn.Module):
    """Log-probabilities of the next symbol by clusters: rare ones are computed only where they are the target.

    The first cluster is predicted along with which further cluster the symbol lies in; the symbols of those come from
    their own narrower matrices.

    Source: Grave et al. (2017); torch's `AdaptiveLogSoftmaxWithLoss`.

    Args:
        model: width of the hidden states.
        num_targets: size of the vocabulary.
        cutoffs: first symbol of every cluster but the first.
        divide_by: how much narrower each cluster is than the one before.

    Raises:
        UsageError: such clusters cannot be.
    """

    def __init__(self, model: int, num_targets: int, cutoffs: Sequence[int], divide_by: float = 4.0) -> None:
        super().__init__()
        cluster_widths(model, len(cluster_bounds(num_targets, cutoffs)), divide_by)  # refuses what cannot be
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(model, num_targets, list(cutoffs), divide_by)

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Negative log-likelihood of the targets.

        Args:
            hidden: (batch, block, model).
            targets: (batch, block) int64, 0 <= target < num_targets.

        Returns:
            (batch, block), in nats, float32 whatever autocast does (float64 for float64).

        Raises:
            RuntimeError: a target is out of range.
        """
        with _float32_on_cpu():
            logprob: Tensor = self.softmax(_wide(hidden).flatten(0, 1), targets.flatten()).output
        return -logprob.reshape(targets.shape)

    def predictions(self, hidden: Tensor) -> Tensor:
        """The most probable symbols.

        Args:
            hidden: (batch, block, model).

        Returns:
            (batch, block) int64.
        """
        parts = _wide(hidden).flatten(0, 1).split(_PREDICTED_TOGETHER)
        with _float32_on_cpu():
            return torch.cat([self.softmax.predict(part) for part in parts]).reshape(hidden.shape[:-1])


def _float32_on_cpu() -> torch.autocast:
    """Turns off the CPU's autocast, whose log-softmax, other than CUDA's, is in bf16 and does not fit the sums."""
    return torch.autocast("cpu", enabled=False)


def _wide(hidden: Tensor) -> Tensor:
    """In float32 at least: torch's module adds log-probabilities in the dtype of its input."""
    return hidden if hidden.dtype == torch.float64 else hidden.float()
