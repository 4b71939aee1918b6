"""Attention in chunks against softmax, its dropout, and what it draws."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from rlmem.chunked_attention import Chunk, attend

CUTS = ((5, 9), (0, 2), (2, 5))


Given = tuple[Tensor, Tensor, Tensor, Tensor, nn.Parameter]


def make(dtype: torch.dtype = torch.float64) -> Given:
    """Queries, keys, values, what is said of the slots, and a parameter."""
    torch.manual_seed(0)
    queries = torch.randn(2, 3, 4, 5, dtype=dtype, requires_grad=True)
    keys = torch.randn(2, 3, 9, 5, dtype=dtype, requires_grad=True)
    values = torch.randn(2, 3, 9, 5, dtype=dtype, requires_grad=True)
    described = torch.randn(2, 9, dtype=dtype, requires_grad=True)
    return queries, keys, values, described, nn.Parameter(torch.randn(3, 1, 1, dtype=dtype))


def chunks_of(parameter: nn.Parameter) -> list[Chunk]:
    """One with everything and -inf, one bare, one that sees what is said of the slots alone."""

    def everything(queries: Tensor, described: Tensor | None) -> Tensor:
        assert described is not None
        hidden = torch.full((4, 4), -torch.inf, dtype=queries.dtype).triu(1)
        return queries.square().sum(3, keepdim=True) * parameter.exp() + described[:, None, None, 5:9].sin() + hidden

    def said(queries: Tensor, described: Tensor | None) -> Tensor:
        assert described is not None
        return described[:, None, None, 2:5].square()

    biases = (everything, None, said)
    return [
        Chunk(slice(*cut), bias, () if bias is None else (parameter,)) for cut, bias in zip(CUTS, biases, strict=True)
    ]


def read_chunks(given: Given, dropout: float = 0.0) -> Tensor:
    queries, keys, values, described, parameter = given
    return attend(queries, keys, values, described, chunks_of(parameter), dropout=dropout)


def dense(given: Given) -> Tensor:
    queries, keys, values, described, parameter = given
    logits = queries @ keys.transpose(2, 3)
    parts = []
    for chunk in sorted(chunks_of(parameter), key=lambda chunk: chunk.slots.start):
        some = logits[..., chunk.slots]
        parts.append(some if chunk.bias is None else some + chunk.bias(queries, described))
    return torch.softmax(torch.cat(parts, 3), 3) @ values


def test_equals_softmax_in_outputs_and_gradients() -> None:
    given = make()
    slope = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    read = read_chunks(given)
    expected = dense(given)
    torch.testing.assert_close(read, expected, rtol=0, atol=1e-13)
    for found, wanted in zip(
        torch.autograd.grad(read, given, slope), torch.autograd.grad(expected, given, slope), strict=True
    ):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def test_large_logits_do_not_overflow() -> None:
    queries, keys, values, described, parameter = make(torch.float32)
    read = attend(60 * queries.detach(), keys, values, described, chunks_of(parameter)[1:])
    assert torch.isfinite(read).all()


def test_the_gradient_is_that_of_the_weights_that_were_dropped() -> None:
    given = make()

    def seeded(*given: Tensor) -> Tensor:
        queries, keys, values, described, parameter = given
        torch.manual_seed(3)
        assert isinstance(parameter, nn.Parameter)
        return read_chunks((queries, keys, values, described, parameter), 0.4)

    assert torch.autograd.gradcheck(seeded, given)
    assert (seeded(*given) - dense(given)).abs().max() > 0.1


def test_dropout_changes_nothing_on_average() -> None:
    given = make()
    torch.manual_seed(4)
    with torch.no_grad():
        reads = torch.stack([read_chunks(given, 0.3) for _ in range(3000)])
    error = (reads.mean(0) - dense(given).detach()).abs() / (reads.std(0) / 3000**0.5).clamp(min=1e-9)
    assert error.max() < 5  # standard errors


@pytest.mark.parametrize(("dropout", "is_drawn"), [(0.0, False), (0.3, True)])
def test_the_global_generator_is_used_for_dropout_alone(dropout: float, is_drawn: bool) -> None:
    given = make()
    before = torch.get_rng_state()
    read = read_chunks(given, dropout)
    after = torch.get_rng_state()
    assert torch.equal(before, after) != is_drawn
    read.sum().backward()
    assert torch.equal(torch.get_rng_state(), after)
