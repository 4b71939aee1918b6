"""A layer of the Transformer over a window on a CPU in compiled loops: what its operations in PyTorch give.

Neither logits nor masks nor weights of the whole window ever exist: `rlmem.kernels.window_attention` makes them for a
few queries at a time, forwards and again backwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from rlmem.compilable import is_compilable
from rlmem.kernels.compiling import bounds_of_threads
from rlmem.kernels.window_attention import LANES, Reading
from rlmem.kernels.window_layer import Matrices, Passed, Returned, Vectors, pass_window, return_window
from rlmem.memories import Ramp
from rlmem.window import Window

if TYPE_CHECKING:
    from rlmem.transformer import TransformerLayer

_ROWS_WORTH_A_THREAD = 2  # a row is a whole window
_OLDEST = 2**30  # steps; an age that an int32 holds, beyond every reach and twice that old still


@dataclass(frozen=True)
class Sight:
    """Which slots the queries of a window see, as the loops take it; ages are counted at the window's first query.

    Args:
        lowest: (batch, slots) int32, the age from which on a slot is seen.
        age: (batch, slots) int32; the slots are those from before the window, then its own steps.
        oldest: (batch, query) int32, the age of its episode's first step.
        farthest: the highest age that any query sees.
        length: R, over how many steps a slot fades.
    """

    lowest: Tensor
    age: Tensor
    oldest: Tensor
    farthest: int
    length: float

    @classmethod
    def of(cls, ramp: Ramp, slot_time: Tensor, window: Window) -> Sight:
        """What a window sees of slots made at some times, (batch, slots) int64, by a kind's ramp."""
        first = window.time[:, :1]
        lowest = torch.as_tensor(ramp.lowest).expand(slot_time.shape)
        age = (first - slot_time).clamp(max=_OLDEST).to(torch.int32)
        oldest = (first - window.episode_start).clamp(max=_OLDEST - 1).to(torch.int32)
        farthest = _OLDEST if window.reach is None else int(window.reach)
        return cls(lowest.to(torch.int32).clamp(min=0).contiguous(), age, oldest.contiguous(), farthest, ramp.length)


@dataclass(frozen=True)
class _Settings:
    """What is no tensor that gradients flow to.

    Args:
        sight: which slots the queries see.
        scale: what products of queries with keys and positions are multiplied by.
        reach: how many distances have a position.
        heads: of the attention.
        eps: what the feed-forward block's norm adds to a variance.
    """

    sight: Sight
    scale: float
    reach: int
    heads: int
    eps: float

    def reading(self, queries: Tensor, key_value: Tensor, positions: Tensor, span: Tensor) -> Reading:
        """What the attention's loops take."""
        sight = self.sight
        return Reading(
            queries=queries.numpy(),
            key_value=key_value.numpy(),
            positions=positions.numpy(),
            table=positions.t().contiguous().numpy(),
            span=span.numpy(),
            lowest=sight.lowest.numpy(),
            age=sight.age.numpy(),
            oldest=sight.oldest.numpy(),
            limits=np.array([sight.farthest, self.reach, key_value.shape[1] - queries.shape[1]]),
            scalars=np.array([self.scale, sight.length], np.float32),
        )


def is_compiled(layer: TransformerLayer, tensor: Tensor) -> bool:
    """Whether the loops serve a layer with such tensors: `is_compilable`, and nothing is dropped."""
    is_random = layer.training and (layer.dropout > 0 or layer.attention.dropout > 0)
    return is_compilable(tensor) and not is_random


def run_window(
    layer: TransformerLayer, hidden: Tensor, normed: Tensor, slot_time: Tensor, ramp: Ramp, window: Window
) -> Tensor:
    """What comes out of a layer; it can be differentiated once.

    Args:
        layer: one that `is_compiled`.
        hidden: (batch, query, model), what entered it.
        normed: (batch, slots, model), the slots from before the window and its own, behind the attention's norm.
        slot_time: (batch, slots) int64, when they were made.
        ramp: of the layer's memory.
        window: the queries.

    Returns:
        (batch, query, model).
    """
    attention = layer.attention
    embedding, reach = attention.positions.embedding, attention.positions.reach
    sight, eps = Sight.of(ramp, slot_time, window), layer.feedforward_norm.eps
    result: Tensor = _Layer.apply(  # type: ignore[no-untyped-call]
        _Settings(sight, attention.scale, reach, attention.heads, eps),
        hidden,
        normed,
        ramp.span.expand(len(slot_time), -1, slot_time.shape[1]),
        pad(embedding.flip(0), (0, 0, 0, LANES + -reach % LANES)),
        attention.query.weight,
        attention.key_value.weight,
        attention.output.weight,
        layer.expand.weight,
        layer.contract.weight,
        torch.stack([layer.feedforward_norm.weight, layer.feedforward_norm.bias]),
        layer.expand.bias,
        layer.contract.bias,
    )
    return result


class _Layer(torch.autograd.Function):
    """`run_window`; after the spans come positions, the fields of `Matrices`, and those of `Vectors`."""

    @staticmethod
    def forward(ctx: Any, settings: _Settings, *tensors: Tensor) -> Tensor:
        """Keeps what `Passed` names, and queries, keys and values."""
        tensors = tuple(tensor.detach().contiguous() for tensor in tensors)
        hidden, normed, span, positions, *weights = tensors
        batch, num_queries, model = hidden.shape
        queries, key_value = torch.empty_like(hidden), normed.new_empty(*normed.shape[:2], 2 * model)
        log_sum = hidden.new_empty(batch, settings.heads, num_queries)
        read, stream, out = (torch.empty_like(hidden) for _ in range(3))
        passed = log_sum, read, stream, hidden.new_empty(batch, num_queries, len(weights[3]))
        pass_window(
            (hidden.numpy(), normed.numpy(), out.numpy()),
            settings.reading(queries, key_value, positions, span),
            Matrices(*(matrix.t().contiguous().numpy() for matrix in weights[:5])),
            Vectors(*(vector.numpy() for vector in weights[5:])),
            Passed(*(tensor.numpy() for tensor in passed)),
            settings.eps,
            bounds_of_threads(batch, torch.get_num_threads(), _ROWS_WORTH_A_THREAD),
        )
        ctx.save_for_backward(normed, span, positions, *weights, queries, key_value, *passed)
        ctx.settings = settings
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """All attention weights once more."""
        saved = list(ctx.saved_tensors)
        normed, span, positions, weights = *saved[:3], saved[3:11]
        queries, key_value, passed = *saved[11:13], saved[13:]
        bounds = bounds_of_threads(len(queries), torch.get_num_threads(), _ROWS_WORTH_A_THREAD)
        of_rows = torch.empty_like(queries), torch.empty_like(normed), torch.zeros_like(span)
        shared = [tensor.new_zeros(len(bounds) - 1, *tensor.shape) for tensor in (positions, *weights)]
        return_window(
            (grads[0].contiguous().numpy(), normed.numpy()),
            ctx.settings.reading(queries, key_value, positions, span),
            Matrices(*(matrix.numpy() for matrix in weights[:5])),
            Vectors(*(vector.numpy() for vector in weights[5:])),
            Passed(*(tensor.numpy() for tensor in passed)),
            Returned(*(tensor.numpy() for tensor in (*of_rows, *shared))),
            ctx.settings.eps,
            bounds,
        )
        return None, *of_rows, *(parts[0] if len(parts) == 1 else parts.sum(0) for parts in shared)
