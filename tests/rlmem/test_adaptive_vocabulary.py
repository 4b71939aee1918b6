"""Adaptive input and softmax against slow versions that are written out symbol by symbol."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rlmem.adaptive_vocabulary import AdaptiveInput, AdaptiveOutput, cluster_bounds, cluster_widths
from rlmem.errors import UsageError

MODEL = 16
CUTOFFS = [(3,), (3, 8), (1, 2, 3), (19,)]  # the last two with clusters of one symbol


def output_for(cutoffs: tuple[int, ...], divide_by: float = 2.0) -> AdaptiveOutput:
    torch.manual_seed(0)
    return AdaptiveOutput(MODEL, 20, cutoffs, divide_by).double()


def dense_log_softmax(output: AdaptiveOutput, hidden: Tensor, cutoffs: tuple[int, ...]) -> Tensor:
    """log p of all 20 symbols for one hidden state (model,), by definition: p(cluster) times p(symbol | cluster)."""
    weights = dict(output.softmax.named_parameters())
    first = torch.stack([(row @ hidden).exp() for row in weights["head.weight"]])
    p_first = first / first.sum()
    log_p = [p_first[symbol].log() for symbol in range(cutoffs[0])]
    for cluster, (low, high) in enumerate(zip(cutoffs, (*cutoffs[1:], 20), strict=True)):
        scores = (weights[f"tail.{cluster}.1.weight"] @ (weights[f"tail.{cluster}.0.weight"] @ hidden)).exp()
        assert len(scores) == high - low
        log_p += [(p_first[cutoffs[0] + cluster] * score / scores.sum()).log() for score in scores]
    return torch.stack(log_p)


@pytest.mark.parametrize("cutoffs", CUTOFFS)
def test_the_loss_is_the_dense_one_for_every_symbol(cutoffs: tuple[int, ...]) -> None:
    output = output_for(cutoffs)
    hidden = torch.randn(4, 5, MODEL, dtype=torch.float64)
    targets = torch.randperm(20).reshape(4, 5)  # every symbol, the ends of each cluster among them
    dense = torch.stack([dense_log_softmax(output, one, cutoffs) for one in hidden.flatten(0, 1)])
    torch.testing.assert_close(dense.exp().sum(1), torch.ones(20, dtype=torch.float64))
    expected = -dense[torch.arange(20), targets.flatten()].reshape(4, 5)
    loss = output.loss(hidden, targets)
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=1e-10)
    parameters = list(output.parameters())
    weight = torch.rand(4, 5, dtype=torch.float64)
    for fast, slow in zip(
        torch.autograd.grad((loss * weight).sum(), parameters),
        torch.autograd.grad((expected * weight).sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("cutoffs", CUTOFFS)
def test_predictions_are_the_most_probable_symbols(cutoffs: tuple[int, ...]) -> None:
    output = output_for(cutoffs)
    hidden = 20 * torch.randn(30, 20, MODEL, dtype=torch.float64)  # more than are predicted together; all clusters win
    dense = torch.stack([dense_log_softmax(output, one, cutoffs) for one in hidden.flatten(0, 1)])
    predictions = output.predictions(hidden)
    assert torch.equal(predictions, dense.argmax(1).reshape(30, 20))
    assert (predictions >= cutoffs[-1]).any()
    assert (predictions < cutoffs[-1]).any()


def test_the_loss_is_float32_under_autocast() -> None:
    output = output_for((3, 8)).float()
    hidden, targets = torch.randn(3, 7, MODEL), torch.randint(20, (3, 7))
    with torch.autocast("cpu", torch.bfloat16):
        loss = output.loss(hidden.bfloat16(), targets)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, output.loss(hidden, targets), rtol=0.02, atol=0.05)


def test_a_target_out_of_range_is_refused() -> None:
    with pytest.raises(RuntimeError, match="Target values should be in"):
        output_for((3, 8)).loss(torch.zeros(1, 1, MODEL, dtype=torch.float64), torch.tensor([[20]]))


@pytest.mark.parametrize("cutoffs", CUTOFFS)
def test_input_is_each_symbols_own_row_projected(cutoffs: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    adaptive = AdaptiveInput(20, MODEL, cutoffs, 2.0).double()
    weights, rows = dict(adaptive.named_parameters()), []
    symbols = torch.randperm(20).reshape(4, 5)
    for symbol in symbols.flatten().tolist():
        cluster = sum(symbol >= cutoff for cutoff in cutoffs)
        row = weights[f"embeddings.{cluster}.weight"][symbol - (0, *cutoffs)[cluster]]
        rows.append(weights[f"projections.{cluster}.weight"] @ row)
    torch.testing.assert_close(adaptive(symbols), torch.stack(rows).reshape(4, 5, MODEL))


def test_widths_fall_and_parameters_are_few() -> None:
    adaptive = AdaptiveInput(20, MODEL, (3, 8), 4.0)
    assert [tuple(weight.shape) for weight in adaptive.embeddings.parameters()] == [(3, 16), (5, 4), (12, 1)]
    assert cluster_widths(1024, 3, 4.0) == [1024, 256, 64]
    assert cluster_bounds(20, (3, 8)) == [(0, 3), (3, 8), (8, 20)]
    tail = AdaptiveOutput(MODEL, 20, (3, 8), 4.0).softmax.tail
    assert [tuple(weight.shape) for weight in tail.parameters()] == [(4, 16), (5, 4), (1, 16), (12, 1)]


def test_clusters_that_a_batch_leaves_out_get_zero_gradients() -> None:
    adaptive = AdaptiveInput(20, MODEL, (3, 8), 2.0)
    adaptive(torch.tensor([[0, 1, 2]])).sum().backward()
    is_moved = [parameter.grad is not None and bool(parameter.grad.any()) for parameter in adaptive.parameters()]
    assert is_moved == [True, False, False] * 2
    assert all(parameter.grad is not None for parameter in adaptive.parameters())


def test_input_under_autocast_keeps_the_parameters_dtype() -> None:
    adaptive = AdaptiveInput(20, MODEL, (3, 8), 2.0)
    symbols = torch.arange(20).reshape(2, 10)
    with torch.autocast("cpu", torch.bfloat16):
        embedded = adaptive(symbols)
    assert embedded.dtype == torch.float32
    torch.testing.assert_close(embedded, adaptive(symbols), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("symbol", [-1, 20])
def test_a_symbol_out_of_range_is_refused(symbol: int) -> None:
    with pytest.raises(IndexError):
        AdaptiveInput(20, MODEL, (3, 8), 2.0)(torch.tensor([[symbol]]))


@pytest.mark.parametrize(
    ("cutoffs", "divide_by", "message"),
    [
        ((), 4.0, "no cutoffs"),
        ((0, 5), 4.0, "each larger than the one before"),
        ((5, 5), 4.0, "each larger than the one before"),
        ((8, 3), 4.0, "each larger than the one before"),
        ((3, 20), 4.0, "no symbol for the last cluster: the vocabulary has 20 symbols; use cutoffs of at most 19"),
        ((3, 8), 0.5, "divide_by is 0.5"),
        ((3, 8, 12), 4.0, "has nothing left for cluster 4"),
    ],
)
def test_clusters_that_cannot_be(cutoffs: tuple[int, ...], divide_by: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        AdaptiveInput(20, MODEL, cutoffs, divide_by)
    with pytest.raises(UsageError, match=message):
        AdaptiveOutput(MODEL, 20, cutoffs, divide_by)
