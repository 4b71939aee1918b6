"""Adaptive-Span: each head learns for how long it looks back, the same for every memory.

Symbols, with the names of Sukhbaatar et al. 2019 ("Adaptive Attention Span in Transformers"):

    span  (heads,)                       z_h = L * sigmoid(logit_h), steps
    mask  (batch, heads, query, memory)  m_z(t - i) = clamp(1 + (z_h - (t - i)) / R, 0, 1)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rlmem.memories.base import AgeRange, Memory, Ramp
from rlmem.memories.expire_span import log_ramp
from rlmem.model_config import ModelConfig
from rlmem.window import Window


class AdaptiveSpanMemory(Memory):
    """Each head sees the last z_h steps fully and fades over R more; z_h is learned and pays an L1 penalty.

    Args:
        heads: of the layer.
        max_span: L >= 1, the longest span, in steps.
        ramp: R >= 1, over how many steps a memory fades, in steps.
        initial_fraction: in (0, 1), the initial span as a fraction of L.

    Source: Sukhbaatar et al. 2019, equations 5 and 6. Our deviations: z_h comes from a sigmoid, as Expire-Span's does,
    where the authors clamp z_h / L to [0, 1] after every update; and the span alone decides, per query, where they also
    cut the block to the longest span.
    """

    def __init__(self, heads: int, max_span: int, ramp: int, *, initial_fraction: float = 0.5) -> None:
        super().__init__()
        self.max_span, self.ramp = max_span, ramp
        self.logit = nn.Parameter(torch.full((heads,), math.log(initial_fraction / (1 - initial_fraction))))

    @classmethod
    def from_config(cls, config: ModelConfig, layer: int) -> AdaptiveSpanMemory:
        """The memory that a model configuration asks for in a layer, 0 being the first."""
        return cls(config.heads, config.max_span, config.ramp, initial_fraction=config.initial_span_fraction_of(layer))

    def head_spans(self) -> Tensor:
        """The spans z_h in (0, L), in steps: (heads,)."""
        return self.max_span * torch.sigmoid(self.logit)

    def spans(self, normed: Tensor) -> Tensor:
        """The mean over heads of z_h, for every slot the same; shapes as `Memory.spans`."""
        return self.head_spans().mean().expand(normed.shape[:-1])

    def log_mask(self, age: Tensor, described: Tensor | None) -> Tensor:
        """log m_z, (batch, heads, query, memory) from age (batch, query, memory)."""
        return log_ramp(self.head_spans()[:, None], age[:, None], self.ramp)

    def as_ramp(self, described: Tensor | None) -> Ramp:
        """The same as a ramp; see `Memory.as_ramp`."""
        return Ramp(self.head_spans()[None, :, None], self.ramp)

    def is_kept(self, age: Tensor, described: Tensor | None) -> Tensor:
        """True while the head with the longest span sees the slot; shapes as `Memory.is_kept`."""
        return age < self.head_spans().max() + self.ramp

    def seen_ages(self, described: Tensor | None) -> AgeRange:
        """0 to where the ramp of the longest head ends; see `Memory.seen_ages`."""
        return 0, torch.ceil(self.head_spans().max() + self.ramp) - 1

    def whole_ages(self, described: Tensor | None) -> AgeRange:
        """0 to where the ramp of the shortest head begins; see `Memory.whole_ages`."""
        return 0, torch.floor(self.head_spans().min())

    def auxiliary_loss(self, slot_time: Tensor, described: Tensor | None, window: Window) -> Tensor:
        """The penalty 1/heads sum_h z_h, the same for each row: (batch,).

        At the same alpha it weighs as much as Expire-Span's, which charges each step's span once: alpha a step of the
        mean span.
        """
        return self.head_spans().mean().expand(slot_time.shape[0])
