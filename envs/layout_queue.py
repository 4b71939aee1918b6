"""Layouts drawn beforehand for episodes that begin on a device, where NumPy's generators cannot be asked.

The generator draws blocks of equally many layouts. They lie in a ring of tensors, and the j-th episode to begin,
counted step by step and row by row, takes the j-th layout: nothing waits for the device until the queue is filled up.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rlmem.envs.grid_world import ArrayBatch

if TYPE_CHECKING:
    import torch

BLOCK = 1024
"""Layouts drawn at once: the unit in which a saved queue is drawn again."""


class LayoutQueue:
    """Layouts to come; `restart` gives it a generator.

    Args:
        draw: draws so many layouts with a generator.
        device: of the tensors.
    """

    def __init__(
        self,
        draw: Callable[[np.random.Generator, int], ArrayBatch],
        device: torch.device,
    ) -> None:
        import torch

        self._draw, self._device = draw, device
        self._generator: np.random.Generator | None = None
        self._first_number = 0  # of the oldest block that is held
        self._starts: deque[Any] = deque()  # the generator's state before each block that is held
        self._ring: dict[str, torch.Tensor] = {}  # (blocks * BLOCK, ...) each
        self._num_slots = 0  # of the ring, in blocks
        self._taken = torch.zeros((), dtype=torch.int64, device=device)

    @property
    def has_started(self) -> bool:
        """Whether there is a generator."""
        return self._generator is not None

    def restart(self, generator: np.random.Generator, num_taken: int = 0) -> None:
        """Begin anew, in the same tensors.

        Args:
            generator: the source; it runs ahead of what was taken.
            num_taken: how many layouts of its first block were taken already, as `state` gave it.
        """
        self._generator, self._first_number = generator, 0
        self._starts.clear()
        self._taken.fill_(num_taken)

    def fill(self, count: int) -> None:
        """Make sure that so many layouts can be taken. Waits for the device.

        The tensors that `take` reads stay the same ones, unless more layouts are asked for than ever before.
        """
        self._drop_taken()
        num_slots = -(-count // BLOCK) + 1  # the oldest block may be taken in part
        if num_slots > self._num_slots:
            self._rewind()
            self._num_slots, self._ring = num_slots, {}
        while len(self._starts) < self._num_slots:
            self._add_block()

    def take(self, is_taken: torch.Tensor) -> dict[str, torch.Tensor]:
        """A layout for each row that takes one; waits for nothing.

        Args:
            is_taken: (envs,) bool, on the device.

        Returns:
            The layouts' fields by name, (envs, ...); rows that take none hold any layout.
        """
        position = (self._taken + is_taken.cumsum(0) - 1).remainder(self._num_slots * BLOCK)
        self._taken.add_(is_taken.sum())
        return {name: values.index_select(0, position) for name, values in self._ring.items()}

    def state(self) -> tuple[dict[str, Any], int]:
        """The generator's state before the oldest block that is not used up, and how many of that block were taken."""
        self._drop_taken()
        start = self._starts[0] if self._starts else self._generator_state()
        return start, int(self._taken) - self._first_number * BLOCK

    def _drop_taken(self) -> None:
        """Forget blocks that are used up; reads from the device how many layouts were taken."""
        oldest = int(self._taken) // BLOCK
        while self._starts and self._first_number < oldest:
            self._starts.popleft()
            self._first_number += 1

    def _rewind(self) -> None:
        """Hold no block, to draw the same ones again."""
        if self._starts:
            self._source.bit_generator.state = self._starts[0]
            self._starts.clear()

    def _generator_state(self) -> dict[str, Any]:
        return copy.deepcopy(dict(self._source.bit_generator.state))

    @property
    def _source(self) -> np.random.Generator:
        assert self._generator is not None, "restart() came first"
        return self._generator

    def _add_block(self) -> None:
        import torch

        self._starts.append(self._generator_state())
        slot = (self._first_number + len(self._starts) - 1) % self._num_slots
        for name, values in vars(self._draw(self._source, BLOCK)).items():
            if name not in self._ring:
                shape = (self._num_slots * BLOCK, *values.shape[1:])
                self._ring[name] = torch.zeros(shape, dtype=torch.int64, device=self._device)
            self._ring[name][slot * BLOCK : (slot + 1) * BLOCK] = torch.as_tensor(values, device=self._device)
