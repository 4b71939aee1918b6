"""What a person who watches an agent can do: pause, single step, faster, slower, a new episode, quit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from rlmem.experiments.play_keys import QUIT_KEYS, RESTART_KEY

Command = Literal["none", "step", "restart", "quit"]

SLOWEST, FASTEST = 1, 64
"""Steps a second."""

HELP = "space pause · → step · + − speed · R new · Q quit"


@dataclass(frozen=True)
class Controls:
    """How the agent is watched.

    Args:
        steps_per_second: from `SLOWEST` to `FASTEST`.
        is_paused: it waits for keys.
    """

    steps_per_second: int = 8
    is_paused: bool = False

    def after(self, key: str) -> tuple[Controls, Command]:
        """The controls after a key, and what is to be done; `key` is a name of pygame's."""
        if key in QUIT_KEYS:
            return self, "quit"
        if key == RESTART_KEY:
            return self, "restart"
        if key == "right":
            return replace(self, is_paused=True), "step"
        if key == "space":
            return replace(self, is_paused=not self.is_paused), "none"
        if key == "+":
            return replace(self, steps_per_second=min(FASTEST, self.steps_per_second * 2)), "none"
        if key == "-":
            return replace(self, steps_per_second=max(SLOWEST, self.steps_per_second // 2)), "none"
        return self, "none"

    def describe(self) -> str:
        """How it is watched now, in words."""
        return "paused" if self.is_paused else f"{self.steps_per_second} steps/s"
