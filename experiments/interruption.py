"""Ctrl-C and SIGTERM while training: finish the window and save; a second one ends the process at once.

Processes that train together pass over further ones: torchrun, which hands a signal to all of them, may do so twice,
and kills those that have not ended half a minute later.
"""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

from rlmem.agents.ranks import ALONE, Ranks

_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Interruption:
    """A context in which the first signal is only noted.

    Args:
        ranks: that train together; a signal to one stops all.
    """

    def __init__(self, ranks: Ranks = ALONE) -> None:
        self.ranks = ranks
        self.signal: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    @property
    def is_requested(self) -> bool:
        """True once a signal came."""
        return self.signal is not None

    def is_agreed(self) -> bool:
        """True once a signal came to any rank; all ranks ask together."""
        number = self.ranks.highest(0 if self.signal is None else self.signal)
        if number == 0:
            return False  # also where a signal has come meanwhile, of which the others do not know yet
        self.signal = signal.Signals(number)
        return True

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM, 0 after neither."""
        return 0 if self.signal is None else _EXIT_CODES[self.signal]

    def __enter__(self) -> Interruption:
        """Take over the two signals."""
        self._previous = {number: signal.signal(number, self._note) for number in _EXIT_CODES}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give them back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        if self.ranks.size == 1:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
