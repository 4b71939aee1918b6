"""Transformer-XL's memory: every step is kept for the same fixed number of steps."""

from __future__ import annotations

import torch
from torch import Tensor

from rlmem.memories.base import AgeRange, Memory, Ramp
from rlmem.model_config import ModelConfig


class TransformerXLMemory(Memory):
    """A query at time t sees the memories with 0 <= t - i <= L, whatever they hold.

    Source: Dai et al. 2019. Our deviation: the reach is counted per query, not per block, so that acting step by step
    and learning on windows of any length see the same memories.

    Args:
        max_span: L >= 1, in steps.
    """

    def __init__(self, max_span: int) -> None:
        super().__init__()
        self.max_span = max_span

    @classmethod
    def from_config(cls, config: ModelConfig, layer: int) -> TransformerXLMemory:
        """The memory that a model configuration asks for; the same in every layer."""
        return cls(config.max_span)

    def log_mask(self, age: Tensor, described: Tensor | None) -> Tensor:
        """0 up to L steps back, -inf beyond; shapes as `Memory.log_mask`."""
        return torch.zeros_like(age).masked_fill_(age > self.max_span, -torch.inf)[:, None]

    def as_ramp(self, described: Tensor | None) -> Ramp:
        """The same as a ramp; see `Memory.as_ramp`."""
        return Ramp(torch.full((1, 1, 1), float(self.max_span)))

    def is_kept(self, age: Tensor, described: Tensor | None) -> Tensor:
        """True while the slot is at most L steps old; shapes as `Memory.is_kept`."""
        return age <= self.max_span

    def seen_ages(self, described: Tensor | None) -> AgeRange:
        """0 to L; see `Memory.seen_ages`."""
        return 0, self.max_span

    def whole_ages(self, described: Tensor | None) -> AgeRange:
        """The same: a slot is seen fully or not at all."""
        return 0, self.max_span
