"""The attention that the symbols of a passage receive, gathered block by block: a number a slot, never all weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from rlmem.attention import Attention
from rlmem.language_model import LanguageModel
from rlmem.memory_state import LayerMemory
from rlmem.transformer import TransformerLayer


@dataclass(frozen=True)
class Attended:
    """What a block's steps attended to in one layer, their own symbols left out; all tensors are (slots,).

    Args:
        total: sum over the block's steps of the weights, mean over heads.
        most: the largest of them.
        most_at: int64, at which step.
    """

    total: Tensor
    most: Tensor
    most_at: Tensor

    @classmethod
    def of(cls, weights: Tensor, start: int) -> Attended:
        """From weights (query, slots), whose last slots are the block's own; start: the block's first step."""
        query, slots = weights.shape
        step = torch.arange(query, device=weights.device)
        later = weights.index_put((step, step + slots - query), weights.new_zeros(()))
        most, most_at = later.max(0)
        return cls(later.sum(0).cpu(), most.cpu(), start + most_at.cpu())


class Received:
    """The attention that the symbols of a passage receive in one layer."""

    def __init__(self, length: int) -> None:
        self.total = torch.zeros(length, dtype=torch.float64)
        self.most = torch.zeros(length)
        self.most_at = torch.arange(length)

    def add(self, attended: Attended, time: Tensor, num_steps: Tensor) -> None:
        """Take in a block.

        Args:
            attended: of the block.
            time: (slots,) int64, the last symbol that each slot stands for; negative: none.
            num_steps: (slots,) int64, for how many it stands; each of them receives an equal share.
        """
        is_used, is_pooled = time >= 0, num_steps > 1
        self._add_to(time[is_used & ~is_pooled], 1, attended, is_used & ~is_pooled)
        for back in range(int(num_steps.max()) if is_pooled.any() else 0):
            chosen = is_used & is_pooled & (back < num_steps)
            self._add_to(time[chosen] - back, 1.0 / num_steps[chosen], attended, chosen)

    def _add_to(self, symbol: Tensor, share: Tensor | float, attended: Attended, chosen: Tensor) -> None:
        """Give each symbol, none of which comes twice, its share of what a slot received."""
        self.total.index_add_(0, symbol, (attended.total[chosen] * share).double())
        most = attended.most[chosen] * share
        is_more = most > self.most[symbol]
        self.most[symbol[is_more]] = most[is_more]
        self.most_at[symbol[is_more]] = attended.most_at[chosen][is_more]


def steps_of_slots(layer: TransformerLayer, before: LayerMemory, slots: int, query: int) -> Tensor:
    """For how many symbols each slot of a block stands, (slots,): those from before it, pooled ones and its own."""
    num_steps = torch.ones(slots, dtype=torch.int64)
    num_before = before.time.shape[1]
    if before.steps is not None:
        num_steps[:num_before] = before.steps[0].cpu()
    num_steps[num_before : slots - query] = getattr(layer.memory, "rate", 1)
    return num_steps


@contextmanager
def recorded_attention(model: LanguageModel, start: int) -> Iterator[list[Attended]]:
    """Collects, layer by layer, what the block that is read inside attends to; start: its first step."""
    attended: list[Attended] = []

    def record(attention: Attention, arguments: tuple[Tensor, ...]) -> None:
        attended.append(Attended.of(attention.weights(*arguments)[0].mean(0), start))

    hooks = [layer.attention.register_forward_pre_hook(record) for layer in model.core.layer_list()]
    try:
        yield attended
    finally:
        for hook in hooks:
            hook.remove()
