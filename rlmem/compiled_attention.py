"""Attention of a window on a CPU in compiled loops: what `Attention.forward` reads, and its gradients.

Neither logits nor masks nor weights of the whole window ever exist: `rlmem.kernels.window_attention` makes them for a
few queries at a time, forwards and again backwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from rlmem.kernels.compiling import bounds_of_threads
from rlmem.kernels.window_attention import LANES, Gradients, Reading, differentiate_window, read_window
from rlmem.memories import Ramp
from rlmem.window import Window

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
        lowest = torch.as_tensor(ramp.lowest, device=slot_time.device).expand(slot_time.shape)
        age = (first - slot_time).clamp(max=_OLDEST).to(torch.int32)
        oldest = (first - window.episode_start).clamp(max=_OLDEST - 1).to(torch.int32)
        farthest = _OLDEST if window.reach is None else int(window.reach)
        return cls(lowest.to(torch.int32).clamp(min=0).contiguous(), age, oldest.contiguous(), farthest, ramp.length)


def is_compilable(tensor: Tensor) -> bool:
    """Whether the loops take a tensor: on a CPU, in float32, outside autocast."""
    return tensor.device.type == "cpu" and tensor.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def read(queries: Tensor, key_value: Tensor, embedding: Tensor, span: Tensor, sight: Sight, scale: float) -> Tensor:
    """What the queries of all heads read.

    Args:
        queries: (batch, query, model).
        key_value: (batch, slots, 2 * model), all heads' keys, then all heads' values.
        embedding: (reach, head), of the distances.
        span: (batch, 1 or heads, slots), `Ramp.span`.
        sight: which slots they see.
        scale: what products of queries with keys and embeddings are multiplied by.

    Returns:
        (batch, query, model). It can be differentiated once.
    """
    reach = len(embedding)
    positions = pad(embedding.flip(0), (0, 0, 0, LANES + -reach % LANES))
    result: Tensor = _Read.apply(queries, key_value, positions, span, sight, scale, reach)  # type: ignore[no-untyped-call]
    return result


class _Read(torch.autograd.Function):
    """`read`, its positions laid out as `Reading.positions`."""

    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        key_value: Tensor,
        positions: Tensor,
        span: Tensor,
        sight: Sight,
        scale: float,
        reach: int,
    ) -> Tensor:
        """Keeps what was read, and the logarithm of each query's sum of weights."""
        batch, num_queries, model = queries.shape
        queries, key_value, positions, span = (each.contiguous() for each in (queries, key_value, positions, span))
        result, log_sum = queries.new_empty(queries.shape), queries.new_empty(batch, model // positions.shape[1], num_queries)
        ctx.save_for_backward(queries, key_value, positions, span, result, log_sum)
        ctx.sight, ctx.scale, ctx.reach = sight, scale, reach
        reading = _reading(queries, key_value, positions, span, sight, scale, reach)
        read_window(reading, result.numpy(), log_sum.numpy(), bounds_of_threads(batch, torch.get_num_threads()))
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """All weights once more."""
        *sources, result, log_sum = ctx.saved_tensors
        queries, key_value, positions, span = sources
        to_queries, to_key_value = torch.empty_like(queries), torch.zeros_like(key_value)
        to_positions, to_span = positions.new_zeros(len(queries), *positions.shape), torch.zeros_like(span)
        differentiate_window(
            _reading(*sources, ctx.sight, ctx.scale, ctx.reach),
            (result.numpy(), log_sum.numpy(), grads[0].contiguous().numpy()),
            Gradients(to_queries.numpy(), to_key_value.numpy(), to_positions.numpy(), to_span.numpy()),
            bounds_of_threads(len(queries), torch.get_num_threads()),
        )
        return to_queries, to_key_value, to_positions.sum(0), to_span, None, None, None


def _reading(
    queries: Tensor, key_value: Tensor, positions: Tensor, span: Tensor, sight: Sight, scale: float, reach: int
) -> Reading:
    limits = np.array([sight.farthest, reach, key_value.shape[1] - queries.shape[1]])
    arrays = (queries, key_value, positions, positions.t().contiguous(), span, sight.lowest, sight.age, sight.oldest)
    return Reading(
        *(tensor.detach().numpy() for tensor in arrays), limits, np.array([scale, sight.length], np.float32)
    )
