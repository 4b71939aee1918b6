"""Attention that keeps no weights for the backward pass: slots are taken chunk by chunk and gone through twice.

Shapes and symbols:

    queries, read     (batch, heads, query, head)   scaled queries; what they read, o_t
    keys, values      (batch, heads, memory, head)
    bias              (batch or 1, heads or 1, query or 1, slots of the chunk), -inf where a query sees nothing
    log_sum           (batch, heads, query, 1)      log sum_i exp(logit_ti), over all slots

Forward merges the chunks by their largest logit and their sum. Backward computes each chunk's bias and weights again,
and from `a_ti (do_t . v_i - do_t . o_t)`, the gradient to a logit, the gradients to all that made the logit. A bias is
thus a function and not a tensor: its gradient goes to the few numbers that it was made of. To Expire-Span's e_i, on the
ramp, comes `1/(m_ti R)` of it: the ramp correction of multiply-and-renormalise attention, without a second pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_LOG2_E = math.log2(math.e)
Bias = Callable[[Tensor, Tensor | None], Tensor]
"""From the queries and what is said of the slots to the bias of a chunk: a fresh tensor, which may be overwritten."""


@dataclass(frozen=True)
class Chunk:
    """Some slots, side by side.

    Args:
        slots: which of `memory`.
        bias: what is added to their logits; None: nothing, every query sees them fully.
        parameters: which else the bias is made of.
    """

    slots: slice
    bias: Bias | None = None
    parameters: tuple[nn.Parameter, ...] = ()


def attend(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    described: Tensor | None,
    chunks: list[Chunk],
    *,
    dropout: float = 0.0,
) -> Tensor:
    """Softmax attention over all chunks, with memory for the largest chunk alone.

    Args:
        queries: (batch, heads, query, head), scaled.
        keys, values: (batch, heads, memory, head).
        described: (batch, …), what is said of the slots, for the biases; or None.
        chunks: every slot in one of them; each query sees at least one slot.
        dropout: share of the weights that are set to 0, the others being scaled up. Which ones is decided by a seed
            from PyTorch's global generator, from which nothing is drawn at 0.

    Returns:
        (batch, heads, query, head), in the values' dtype; logits and sums are float32 at least, also under autocast.
        It can be differentiated once.
    """
    seed = int(torch.randint(2**62, ())) if dropout else 0
    parameters = {id(parameter): parameter for chunk in chunks for parameter in chunk.parameters}.values()
    with torch.autocast(queries.device.type, enabled=False):
        arguments = (queries, keys, values, described, *parameters)
        read: Tensor = _Attend.apply(chunks, dropout, seed, *arguments)  # type: ignore[no-untyped-call]
    return read


class _Attend(torch.autograd.Function):
    """`attend`; the parameters stand among the arguments so that autograd asks for their gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        chunks: list[Chunk],
        dropout: float,
        seed: int,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        described: Tensor | None,
        *parameters: nn.Parameter,
    ) -> Tensor:
        """Chunk by chunk, keeping for each query the largest logit so far and sums relative to it."""
        exact = _accumulated(queries.dtype)
        peak = torch.full((*queries.shape[:3], 1), torch.finfo(exact).min / 2, dtype=exact, device=queries.device)
        total = torch.zeros_like(peak)
        read = torch.zeros(queries.shape, dtype=exact, device=queries.device)
        for chunk, kept in zip(chunks, _kept_weights(chunks, dropout, seed, queries), strict=True):
            bias = None if chunk.bias is None else chunk.bias(queries.to(exact), described)
            weights = _logits(queries, keys[:, :, chunk.slots], bias)
            highest = torch.maximum(peak, weights.amax(3, keepdim=True))
            weights = _exp(weights.sub_(highest))
            decay = _exp(peak.sub_(highest))
            total.mul_(decay).add_(weights.sum(3, keepdim=True))
            if kept is not None:
                weights.mul_(kept)
            read.mul_(decay).add_(torch.matmul(weights.to(values.dtype), values[:, :, chunk.slots]))
            peak = highest
        read.div_(total)
        ctx.save_for_backward(queries, keys, values, described, read, peak.add_(total.log_()))
        ctx.chunks, ctx.dropout, ctx.seed, ctx.parameters = chunks, dropout, seed, parameters
        return read.to(values.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Every chunk once more."""
        with torch.autocast(grads[0].device.type, enabled=False):
            gradients = _Gradients(grads[0].contiguous(), ctx.parameters, *ctx.saved_tensors)
            kept_weights = _kept_weights(ctx.chunks, ctx.dropout, ctx.seed, gradients.queries)
            for chunk, kept in zip(ctx.chunks, kept_weights, strict=True):
                gradients.add(chunk, kept)
        return None, None, None, *gradients.to_arguments()


class _Gradients:
    """The gradients to all arguments of `attend`, chunk after chunk.

    Args:
        grad: (batch, heads, query, head), to what was read.
        parameters: of the biases.
        queries, keys, values, described: as in `attend`.
        read: (batch, heads, query, head), in the dtype of the sums.
        log_sum: (batch, heads, query, 1).
    """

    def __init__(
        self,
        grad: Tensor,
        parameters: tuple[nn.Parameter, ...],
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        described: Tensor | None,
        read: Tensor,
        log_sum: Tensor,
    ) -> None:
        self.grad, self.queries, self.keys, self.values, self.log_sum = grad, queries, keys, values, log_sum
        self.exact = read.dtype
        self.mean_slope = (grad.to(self.exact) * read).sum(3, keepdim=True)  # do_t . o_t
        self.to_queries = torch.zeros_like(read)
        self.to_keys, self.to_values = torch.empty_like(keys), torch.empty_like(values)
        said = None if described is None else described.detach().requires_grad_(described.requires_grad)
        self._sources: list[Tensor | None] = [queries.detach().to(self.exact).requires_grad_(), said, *parameters]
        self._to_sources: list[Tensor | None] = [None for _ in self._sources]

    def add(self, chunk: Chunk, kept: Tensor | None) -> None:
        """What comes through a chunk.

        Args:
            chunk: some slots.
            kept: (batch, heads, query, slots), what the weights were multiplied by, or None.
        """
        keys, values = self.keys[:, :, chunk.slots], self.values[:, :, chunk.slots]
        bias = self._recorded_bias(chunk)
        weights = _exp(_logits(self.queries, keys, bias).sub_(self.log_sum))
        slope = torch.matmul(self.grad, values.transpose(2, 3)).to(self.exact)
        dropped = weights
        if kept is not None:
            slope, dropped = slope.mul_(kept), weights * kept
        self.to_values[:, :, chunk.slots] = torch.matmul(dropped.to(self.grad.dtype).transpose(2, 3), self.grad)
        slope.sub_(self.mean_slope).mul_(weights)  # now the gradient to the logits
        self.to_queries.add_(torch.matmul(slope.to(keys.dtype), keys))
        self.to_keys[:, :, chunk.slots] = torch.matmul(slope.to(keys.dtype).transpose(2, 3), self.queries)
        if bias is not None and bias.requires_grad:
            self._add_through(bias, slope)

    def _recorded_bias(self, chunk: Chunk) -> Tensor | None:
        """A chunk's bias, with the graph that leads back from it."""
        queries, described = self._sources[:2]
        assert queries is not None, "there are queries"
        with torch.enable_grad():
            return None if chunk.bias is None else chunk.bias(queries, described)

    def _add_through(self, bias: Tensor, slope: Tensor) -> None:
        """What comes through a bias, from the gradient to the logits (batch, heads, query, slots)."""
        wanted = [at for at, source in enumerate(self._sources) if source is not None and source.requires_grad]
        sources = [source for source in self._sources if source is not None and source.requires_grad]
        found = torch.autograd.grad(bias, sources, slope.sum_to_size(bias.shape), allow_unused=True)
        for at, gradient in zip(wanted, found, strict=True):
            if gradient is not None:
                so_far = self._to_sources[at]
                self._to_sources[at] = gradient if so_far is None else so_far + gradient

    def to_arguments(self) -> tuple[Tensor | None, ...]:
        """To the queries, keys, values, what is said of the slots, and the parameters."""
        by_position, *others = self._to_sources
        to_queries = self.to_queries if by_position is None else self.to_queries + by_position
        return to_queries.to(self.queries.dtype), self.to_keys, self.to_values, *others


def _accumulated(dtype: torch.dtype) -> torch.dtype:
    """In which dtype logits and sums are."""
    return torch.promote_types(dtype, torch.float32)


def _exp(tensor: Tensor) -> Tensor:
    """In place. On a CPU PyTorch's exp is five times slower than its exp2, and fifty times where half is -inf."""
    return tensor.mul_(_LOG2_E).exp2_()


def _logits(queries: Tensor, keys: Tensor, bias: Tensor | None) -> Tensor:
    """(batch, heads, query, slots), in the bias's own place where that is as large: what made it does not need it."""
    if bias is not None and bias.shape[:3] == queries.shape[:3] and bias.dtype == queries.dtype:
        flat = bias.detach().flatten(0, 1).baddbmm_(queries.flatten(0, 1), keys.flatten(0, 1).transpose(1, 2))
        return flat.view(bias.shape)
    logits = torch.matmul(queries, keys.transpose(2, 3)).to(_accumulated(queries.dtype))
    return logits if bias is None else logits.add_(bias.detach())


def _kept_weights(chunks: list[Chunk], dropout: float, seed: int, queries: Tensor) -> Iterator[Tensor | None]:
    """For each chunk what its weights are multiplied by, the same at every call with the same seed; None: by 1."""
    generator = torch.Generator(queries.device).manual_seed(seed) if dropout else None
    for chunk in chunks:
        if generator is None:
            yield None
            continue
        shape = (*queries.shape[:3], chunk.slots.stop - chunk.slots.start)
        kept = torch.empty(shape, dtype=_accumulated(queries.dtype), device=queries.device)
        yield kept.bernoulli_(1 - dropout, generator=generator).div_(1 - dropout)
