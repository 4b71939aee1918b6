"""What a kind of memory decides: what a query sees of a slot, which slots survive a window, and what they cost."""

from __future__ import annotations

from torch import Tensor, nn

from rlmem.window import Window


class Memory(nn.Module):
    """One kind of memory in one layer: a small strategy beside the one attention.

    A kind never touches projections, positions or storage. Ages come from `Window.age_of`: steps as floats, infinity
    where a query must not see the slot, so every kind hides the infinitely old and thereby keeps episodes apart.
    """

    def describe(self, normed: Tensor) -> Tensor | None:
        """What the kind computes once from a slot's normed hidden state and consults later.

        Args:
            normed: (batch, memory, model).

        Returns:
            (batch, memory), for Expire-Span the span e_i in steps, or None if the kind needs nothing.
        """
        return None

    def log_mask(self, age: Tensor, described: Tensor | None) -> Tensor:
        """How much of a slot each query sees.

        Args:
            age: (batch, query, memory), steps, infinity where unseen.
            described: (batch, memory) from `describe`.

        Returns:
            (batch, query, memory), log of the soft mask m in [0, 1]: 0 fully visible, -inf not visible.
        """
        raise NotImplementedError

    def is_kept(self, age: Tensor, described: Tensor | None) -> Tensor:
        """Which slots some later query may still see.

        Args:
            age: (batch, memory), steps, at the next window's first query.
            described: (batch, memory) from `describe`.

        Returns:
            (batch, memory) bool, True where the slot must be kept.
        """
        raise NotImplementedError

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
