"""What a kind of memory decides: what a query sees of a slot, which slots survive a window, and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rlmem.memory_state import LayerMemory
from rlmem.window import Window

AgeRange = tuple[Tensor | float, Tensor | float]
"""The lowest and the highest age, both included, in steps."""


@dataclass(frozen=True)
class Ramp:
    """What queries see of slots, as compiled loops take it: m = clamp(1 + (span - age) / length, 0, 1).

    Args:
        span: up to which age a slot is seen fully, in steps; it broadcasts to (batch, 1 or heads, slots).
        length: over how many steps a slot fades then; 1 where ages, being whole, are seen fully or not at all.
        lowest: from which age on a slot is seen, in steps, for all or (batch, slots).
    """

    span: Tensor
    length: float = 1.0
    lowest: Tensor | float = 0


CompiledStep = Callable[[NDArray[Any], NDArray[Any], NDArray[Any], tuple[int, int], NDArray[Any]], None]
"""What a kind does at each step of acting; see `Memory.compiled_step`."""


class Memory(nn.Module):
    """One kind of memory in one layer: a small strategy beside the one attention.

    A kind never touches projections, positions or storage. Ages come from `Window.age_of`: steps as floats, infinity
    where a query must not see the slot, so every kind hides the infinitely old and thereby keeps episodes apart.
    """

    is_foreseeable = True
    """Whether `log_mask` depends on its arguments alone, so that acting may ask what later queries will see."""

    def describe(self, normed: Tensor, phase: Tensor, steps: Tensor | None) -> Tensor | None:
        """What the kind computes once of a slot and consults later.

        Args:
            normed: (batch, memory, model), the normed hidden states.
            phase: (batch, memory) int64, how many steps after its episode's first each slot was made; anything where no
                query sees the slot, and of a slot that stands for several steps.
            steps: (batch, memory) int64, how many steps each slot stands for; None: one each.

        Returns:
            (batch, memory), for Expire-Span the span e_i in steps, or None if the kind needs nothing.
        """
        return None

    def describer(self) -> Callable[[Tensor, Tensor], Tensor | None]:
        """`describe` for single steps, while the weights stay as they are.

        Returns:
            From normed (batch, model) and phase (batch,) int64 what `describe` gives of them, (batch,).
        """
        return lambda normed, phase: self.describe(normed, phase, None)

    def compiled_step(self) -> CompiledStep | None:
        """`describer` and `log_mask` for the slot that a step has just made, while the weights stay as they are.

        For a kind that describes slots, on a CPU in float32; None: PyTorch's operations do it.

        Returns:
            It takes normed (batch, model); (batch, slots) where what `describe` gives of slots is; (batch, heads,
            query, slots) where what queries see of them is, with any head by the first one's; the step's slot and its
            query, after which the queries 1, 2, ... steps later come; and each thread's first row with the number of
            rows behind, (threads + 1,) int64.
        """
        return None

    def spans(self, normed: Tensor) -> Tensor | None:
        """For how many steps the kind keeps a slot, where that is learned; for logs.

        Args:
            normed: (batch, memory, model).

        Returns:
            (batch, memory), in steps, or None.
        """
        return None

    def log_mask(self, age: Tensor, described: Tensor | None) -> Tensor:
        """How much of a slot each query sees.

        Args:
            age: (batch, query, memory), steps, infinity where unseen.
            described: (batch, memory) from `describe`.

        Returns:
            (batch, 1 or heads, query, memory), log of the soft mask m in [0, 1]: 0 fully visible, -inf not visible.
        """
        raise NotImplementedError

    def as_ramp(self, described: Tensor | None) -> Ramp | None:
        """What `log_mask` says, as a ramp; None: it cannot be said so, and PyTorch's operations ask `log_mask`.

        Args:
            described: (batch, memory) from `describe`.
        """
        return None

    def is_kept(self, age: Tensor, described: Tensor | None) -> Tensor:
        """Which slots some later query may still see, with any head.

        Args:
            age: (batch, memory), steps, at the next window's first query.
            described: (batch, memory) from `describe`.

        Returns:
            (batch, memory) bool, True where the slot must be kept.
        """
        raise NotImplementedError

    def seen_ages(self, described: Tensor | None) -> AgeRange:
        """Between which ages a query sees a slot at all, with any head: `log_mask` > -inf, as whole steps.

        Args:
            described: (batch, memory) from `describe`.

        Returns:
            The lowest and the highest such age, for every slot or (batch, memory).
        """
        raise NotImplementedError

    def whole_ages(self, described: Tensor | None) -> AgeRange:
        """Between which ages every head sees a slot fully: `log_mask` = 0; as `seen_ages`.

        A kind that does not say so gives none, and a long memory's layer then computes the mask of every slot.
        """
        return torch.inf, -torch.inf

    def pool(self, slots: LayerMemory, phase: Tensor, since: Tensor, until: Tensor) -> LayerMemory | None:
        """Slots that come into being while time passes, made of others.

        Args:
            slots: (batch, memory).
            phase: (batch, memory) int64, as in `describe`; negative where the slot's episode is over.
            since: (batch,) int64, a time; what a query there sees in place of others is among `slots` already.
            until: (batch,) int64, a later time.

        Returns:
            (batch, pooled), what a query after `since` and up to `until` may see in place of others that it no longer
            sees, or None if the kind makes nothing of anything.
        """
        return None

    def auxiliary_loss(self, slot_time: Tensor, described: Tensor | None, window: Window) -> Tensor | None:
        """What the memories of a window cost, per unit of the cost coefficient alpha.

        Args:
            slot_time: (batch, memory) int64, the time of every slot: those before the window, then its own steps.
            described: (batch, memory) from `describe`.
            window: the queries.

        Returns:
            (batch,), one loss a row, or None if the kind costs nothing.
        """
        return None
