"""Compressive memory: what is older than L steps is seen in groups, each the mean of its steps.

Symbols (Rae et al. 2020, "Compressive Transformers for Long-Range Sequence Modelling", with mean pooling):

    rate    c, steps in a group; groups are counted from the episode's start
    end     the last step of a group; the time of the pooled slot that stands for it
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlmem.memories.base import AgeRange, Memory, Ramp
from rlmem.memory_state import EMPTY_TIME, LayerMemory
from rlmem.model_config import ModelConfig

_POOLED = -1.0  # described of a pooled slot; of a single step, how many steps later its group ends, >= 0


class CompressiveMemory(Memory):
    """A group of c steps is seen step by step until its last is more than L steps old, then as one slot.

    At time t, of a group that ends at z: its steps while t - z <= L, also if they are not complete yet; its mean while
    L < t - z <= L + n c, which makes n pooled slots at most, the newest.

    Args:
        max_span: L >= 1, in steps.
        rate: c >= 2, steps in a group.
        num_compressed: n >= 1, pooled slots kept at most.

    Source: Rae et al. 2020, their mean pooling, which the Expire-Span paper compares with. Our deviations: groups and
    ages are counted per step and from the episode's start, not per block, so that acting step by step and learning on
    windows of any length see the same slots; and there is no reconstruction loss, for a mean has nothing to learn.
    """

    def __init__(self, max_span: int, rate: int, num_compressed: int) -> None:
        super().__init__()
        self.max_span, self.rate = max_span, rate
        self.max_pooled_age = max_span + num_compressed * rate

    @classmethod
    def from_config(cls, config: ModelConfig, layer: int) -> CompressiveMemory:
        """The memory that a model configuration asks for; the same in every layer."""
        return cls(config.max_span, config.compression_rate, config.num_compressed)

    def describe(self, normed: Tensor, phase: Tensor, steps: Tensor | None) -> Tensor:
        """How many steps after each slot its group ends, `_POOLED` for pooled slots; shapes as `Memory.describe`."""
        remaining = (self.rate - 1 - phase.remainder(self.rate)).to(normed.dtype)
        return remaining if steps is None else remaining.masked_fill(steps > 1, _POOLED)

    def log_mask(self, age: Tensor, described: Tensor | None) -> Tensor:
        """0 where the slot is seen, -inf elsewhere; (batch, 1, query, memory)."""
        assert described is not None, "the compressive mask needs the groups' ends from describe()"
        is_pooled = (described == _POOLED)[:, None]
        is_seen = torch.where(
            is_pooled, (age > self.max_span) & (age <= self.max_pooled_age), self._is_raw(age, described[:, None])
        )
        return torch.zeros_like(age).masked_fill_(~is_seen, -torch.inf)[:, None]

    def as_ramp(self, described: Tensor | None) -> Ramp:
        """The same as a ramp; see `Memory.as_ramp`."""
        lowest, highest = self.seen_ages(described)
        assert isinstance(highest, Tensor), "each slot has ages of its own"
        return Ramp(highest[:, None], lowest=lowest)

    def is_kept(self, age: Tensor, described: Tensor | None) -> Tensor:
        """True while a later query may see the slot, or the group that it belongs to, step by step."""
        assert described is not None, "compressive retention needs the groups' ends from describe()"
        return torch.where(described == _POOLED, age <= self.max_pooled_age, self._is_raw(age, described))

    def seen_ages(self, described: Tensor | None) -> AgeRange:
        """A step until its group is pooled, a pooled slot from then on; see `Memory.seen_ages`."""
        assert described is not None, "the compressive ages need the groups' ends from describe()"
        is_pooled = described == _POOLED
        first = torch.where(is_pooled, self.max_span + 1, 0)
        return first, torch.where(is_pooled, self.max_pooled_age, self.max_span + described)

    def whole_ages(self, described: Tensor | None) -> AgeRange:
        """The same: a slot is seen fully or not at all."""
        return self.seen_ages(described)

    def _is_raw(self, age: Tensor, remaining: Tensor) -> Tensor:
        """Whether a step's group is seen step by step, by queries that see it at all."""
        return age - remaining <= self.max_span

    def pool(self, slots: LayerMemory, phase: Tensor, since: Tensor, until: Tensor) -> LayerMemory:
        """The means of the groups whose end becomes more than L steps old after `since` and by `until`."""
        is_end = (phase >= 0) & (phase.remainder(self.rate) == self.rate - 1)
        oldest, youngest = since[:, None] - self.max_span, until[:, None] - self.max_span
        is_end &= (slots.time >= oldest) & (slots.time < youngest)
        width = int(is_end.sum(1).max()) if is_end.numel() else 0
        end = slots.time.masked_fill(~is_end, EMPTY_TIME).sort(dim=1).values[:, is_end.shape[1] - width :]
        age = end[:, :, None] - slots.time[:, None, :]  # (batch, pooled, memory)
        is_member = (age >= 0) & (age < self.rate)  # never a pooled slot: those are older than `oldest`
        hidden = torch.bmm(is_member.to(slots.hidden.dtype) / self.rate, slots.hidden)
        return LayerMemory(hidden, end, torch.full_like(end, self.rate))
