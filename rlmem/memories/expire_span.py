"""Expire-Span: each memory predicts from its own content for how long it will be kept.

Symbols, with the paper's names ("Not All Memories are Created Equal: Learning to Forget by Expiring", section 4):

    span  (batch, memory)         e_i = L * sigmoid((w . h_i + b) / pre_divisor), steps
    age   (batch, query, memory)  t - i, steps
    mask  (batch, query, memory)  m_ti = clamp(1 + (e_i - (t - i)) / R, 0, 1)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from rlmem.full_precision import full_precision
from rlmem.kernels.span_step import Predictor, add_spans
from rlmem.memories.base import AgeRange, CompiledStep, Memory, Ramp
from rlmem.memories.span_features import RandomFeatures
from rlmem.model_config import ModelConfig
from rlmem.window import Window


def _log_of_mask(span: Tensor, age: Tensor, ramp: float) -> tuple[Tensor, Tensor]:
    """log m_ti, and m_ti with 1 in place of 0 (whose logarithm is right but slow); both (..., query, memory)."""
    mask = torch.sub((span + ramp).unsqueeze(-2), age).div_(ramp)
    is_dead = mask <= 0
    mask.masked_fill_(is_dead, 1).clamp_(max=1)
    return mask.log().masked_fill_(is_dead, -torch.inf), mask


class _LogRamp(torch.autograd.Function):
    """log m_ti and its gradient to the span, which exists on the ramp 0 < m < 1 alone."""

    @staticmethod
    def forward(ctx: Any, span: Tensor, age: Tensor, ramp: float) -> Tensor:
        """`log_ramp`, keeping the mask."""
        log_mask, mask = _log_of_mask(span, age, ramp)
        ctx.save_for_backward(mask)
        ctx.ramp, ctx.shape = ramp, span.unsqueeze(-2).shape
        return log_mask

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        """d log m / d e = 1 / (m R) on the ramp, summed over all that share e."""
        (mask,) = ctx.saved_tensors
        slope = grads[0].masked_fill(mask == 1, 0).div_(mask)  # 1 where fully visible and where dead
        return slope.sum_to_size(ctx.shape).squeeze(-2).div_(ctx.ramp), None, None


def log_ramp(span: Tensor, age: Tensor, ramp: float) -> Tensor:
    """The log of the soft mask m = clamp(1 + (span - age) / ramp, 0, 1), safe where m is 0.

    Args:
        span: (..., memory), e_i >= 0 in steps; a dimension may be 1 and serve all, as for a span per head.
        age: (..., query, memory), t - i in steps; infinity hides the slot.
        ramp: R >= 1 in steps.

    Returns:
        (..., query, memory), -inf where m = 0. The gradient to `span` is that of `log m` on the open ramp
        0 < m < 1 and exactly 0 elsewhere; nothing flows to `age`.

    Source: the paper, equation 5, in the form softmax(logits + log m), which needs no renormalisation.
    """
    if not torch.is_grad_enabled():
        return _log_of_mask(span, age, ramp)[0]
    result: Tensor = _LogRamp.apply(span, age, ramp)  # type: ignore[no-untyped-call]
    return result


def ramp_cost(
    span: Tensor, slot_time: Tensor, window: Window, ramp: float, *, is_charged_at_end: bool = True
) -> Tensor:
    """The auxiliary loss of one layer at alpha = 1, in closed form.

    `1/(R T) sum_t sum_i [0 < m_ti < 1] (e_i - (t - i))` over the queries t of memory i's own episode; and, so that
    every memory is charged once, `1/T (e_i - (t_end - i))` for each memory that is still at m = 1 on the last step of
    its episode. The queries that see i on its ramp are the integers strictly between i + e_i and i + e_i + R, cut to
    the window and the episode: counting them needs no (batch, query, memory) tensor.

    Args:
        span: (batch, memory), e_i in steps.
        slot_time: (batch, memory) int64; the window's own steps are the last `window.num_queries` slots.
        window: the queries.
        ramp: R in steps.
        is_charged_at_end: charge a memory that outlives its episode (ours, beyond the paper).

    Returns:
        (batch,), whose gradient to span is n_i / (R T), n_i counting the queries on the ramp, plus 1/T where i is
        charged at its episode's end. The value itself is usually negative.

    Source: the paper, equation 6, and "charge every memory once" (ours).
    """
    num_queries = window.num_queries
    first_age, last_age, is_ended = _seen_ages(slot_time, window)
    with torch.no_grad():
        low = torch.maximum(torch.floor(span) + 1, first_age)  # youngest age on the ramp
        high = torch.minimum(torch.ceil(span + ramp) - 1, last_age)  # oldest age on the ramp
        count = (high - low + 1).clamp_(min=0)
    cost = count * (span - (low + high) / 2) / ramp
    if is_charged_at_end:
        outlives = is_ended & (span >= last_age)
        cost = cost + torch.where(outlives, span - last_age, 0.0)
    return cost.sum(1) / num_queries


def _seen_ages(slot_time: Tensor, window: Window) -> tuple[Tensor, Tensor, Tensor]:
    """For each slot, its age at the first and the last query of its own episode, and whether the episode ends then.

    A slot that no query of the window may see (empty, or of an episode that was over before the window) gets the
    ages 0 and -1, an empty range. All results are (batch, memory); ages are floats.
    """
    num_queries = window.num_queries
    num_before = slot_time.shape[1] - num_queries
    query = torch.arange(num_queries, device=slot_time.device)
    first_query = torch.cat([query.new_zeros(num_before), query]).expand_as(slot_time)
    first_time = window.time.gather(1, first_query)
    last_query = window.last_query.gather(1, first_query)
    first_age = first_time - slot_time
    last_age = window.time.gather(1, last_query) - slot_time
    is_seen = slot_time >= window.episode_start.gather(1, first_query)
    is_ended = is_seen & window.is_ended.gather(1, first_query)
    return first_age.where(is_seen, 0).float(), last_age.where(is_seen, -1).float(), is_ended


class ExpireSpanMemory(Memory):
    """Each memory is kept for its own learned span, then fades over R steps and is deleted.

    The span is always computed in float32 (float64 where the model is), whatever autocast does. `weight` starts at 0
    and `bias` so that every span starts at `initial_fraction * max_span`, for every `pre_divisor`.

    Args:
        model: width of a hidden state.
        max_span: L >= 1, the longest span, in steps.
        ramp: R >= 1, over how many steps a memory fades, in steps.
        initial_fraction: p in (0, 1), the initial span as a fraction of L.
        pre_divisor: what the predictor's output is divided by before the sigmoid; slows the span for long L.
        is_charged_at_end: see `ramp_cost`.
        num_features: of `RandomFeatures`, from which the span is then predicted, with a bias that stays as it began;
            0: from the hidden state, with a learned bias (the paper).
    """

    def __init__(
        self,
        model: int,
        max_span: int,
        ramp: int,
        *,
        initial_fraction: float = 0.5,
        pre_divisor: float = 1.0,
        is_charged_at_end: bool = True,
        num_features: int = 0,
    ) -> None:
        super().__init__()
        self.max_span, self.ramp, self.pre_divisor = max_span, ramp, pre_divisor
        self.is_charged_at_end = is_charged_at_end
        self.weight = nn.Parameter(torch.zeros(num_features or model))
        bias = torch.tensor(pre_divisor * math.log(initial_fraction / (1 - initial_fraction)))
        self.bias = nn.Parameter(bias, requires_grad=num_features == 0)
        self.features = RandomFeatures(model, num_features) if num_features else None

    @classmethod
    def from_config(cls, config: ModelConfig, layer: int) -> ExpireSpanMemory:
        """The memory that a model configuration asks for in a layer, 0 being the first."""
        return cls(
            config.model,
            config.max_span,
            config.ramp,
            initial_fraction=config.initial_span_fraction_of(layer),
            pre_divisor=config.span_pre_divisor,
            is_charged_at_end=config.charge_at_episode_end,
            num_features=config.span_features,
        )

    def describe(self, normed: Tensor, phase: Tensor, steps: Tensor | None) -> Tensor:
        """`spans`; shapes as `Memory.describe`."""
        return self.spans(normed)

    def spans(self, normed: Tensor) -> Tensor:
        """The spans e_i in [0, L]: (batch, memory) from normed (batch, memory, model)."""
        if torch.is_autocast_enabled(normed.device.type):
            with torch.autocast(normed.device.type, enabled=False):
                return self.spans(normed.float())
        with full_precision():
            return self._spans(normed, *self._predictor())

    def describer(self) -> Callable[[Tensor, Tensor], Tensor]:
        """`spans` of single steps; see `Memory.describer`."""
        weight, bias = (tensor.detach() for tensor in self._predictor())

        def spans(normed: Tensor, phase: Tensor) -> Tensor:
            if torch.is_autocast_enabled(normed.device.type):
                return self.spans(normed)
            with full_precision():
                return self._spans(normed, weight, bias)

        return spans

    @torch.no_grad()
    def compiled_step(self) -> CompiledStep:
        """Spans and log m by `rlmem.kernels.span_step`; see `Memory.compiled_step`."""
        weight, bias = self._predictor()
        if self.features is None:
            projection, phase = weight.new_zeros(len(weight), 0), weight.new_zeros(0)
        else:
            projection, phase = self.features.get_buffer("projection").t(), self.features.get_buffer("phase")
        scalars = torch.cat([bias, bias.new_tensor([self.max_span, self.ramp])])
        arrays = (projection.contiguous(), phase, weight, scalars)
        return partial(add_spans, Predictor(*(tensor.detach().numpy() for tensor in arrays)))

    def _predictor(self) -> tuple[Tensor, Tensor]:
        """Weight (inputs,) and bias (1,) of the predictor, with all that they are to be multiplied by."""
        scale = 1.0 if self.features is None else self.features.scale
        return self.weight * (scale / self.pre_divisor), self.bias[None] / self.pre_divisor

    def _spans(self, normed: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        looked_at = normed @ weight if self.features is None else self.features.weighted(normed, weight)
        return self.max_span * torch.sigmoid(looked_at + bias)

    def log_mask(self, age: Tensor, described: Tensor | None) -> Tensor:
        """log m_ti; shapes as `Memory.log_mask`."""
        assert described is not None, "Expire-Span's mask needs the spans from describe()"
        return log_ramp(described, age, self.ramp)[:, None]

    def as_ramp(self, described: Tensor | None) -> Ramp:
        """The same as a ramp; see `Memory.as_ramp`."""
        assert described is not None, "Expire-Span's ramp needs the spans from describe()"
        return Ramp(described[:, None], self.ramp)

    def is_kept(self, age: Tensor, described: Tensor | None) -> Tensor:
        """True until r_i <= t - R, after which no query sees the slot again; shapes as `Memory.is_kept`."""
        assert described is not None, "Expire-Span's retention needs the spans from describe()"
        return described + self.ramp > age

    def seen_ages(self, described: Tensor | None) -> AgeRange:
        """0 to where the slot's ramp ends, e_i + R itself left out; see `Memory.seen_ages`."""
        assert described is not None, "Expire-Span's ages need the spans from describe()"
        return 0, torch.ceil(described + self.ramp) - 1

    def whole_ages(self, described: Tensor | None) -> AgeRange:
        """0 to where the slot's ramp begins; see `Memory.whole_ages`."""
        assert described is not None, "Expire-Span's ages need the spans from describe()"
        return 0, torch.floor(described)

    def auxiliary_loss(self, slot_time: Tensor, described: Tensor | None, window: Window) -> Tensor:
        """`ramp_cost` of the layer's slots, (batch,)."""
        assert described is not None, "Expire-Span's cost needs the spans from describe()"
        return ramp_cost(described, slot_time, window, self.ramp, is_charged_at_end=self.is_charged_at_end)
