"""Which key does which action when a person plays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import EnumMeta
from typing import Any

import gymnasium as gym
from gymnasium import spaces

from rlmem.errors import UsageError
from rlmem.experiments.trace_env import action_names

QUIT_KEYS = ("q", "escape")
RESTART_KEY = "r"

_ARROWS = {"up": "↑", "down": "↓", "left": "←", "right": "→"}
_OUR_KEYS = {"north": ("up",), "south": ("down",), "west": ("left",), "east": ("right",)}
_MINIGRID_KEYS = {  # as in minigrid.manual_control
    "left": ("left",),
    "right": ("right",),
    "forward": ("up",),
    "toggle": ("space",),
    "pickup": ("page up", "tab"),
    "drop": ("page down", "left shift"),
    "done": ("return",),
}


@dataclass(frozen=True)
class Keys:
    """The keys of an environment.

    Args:
        action_of_key: the action's number for each key, by pygame's name.
        name_of_action: the action's name for its number.
        unreachable: actions that have no key.
    """

    action_of_key: Mapping[str, int]
    name_of_action: Mapping[int, str]
    unreachable: tuple[int, ...]

    def help(self) -> list[tuple[str, str]]:
        """Key and action, as people read them; the first key of each action."""
        keys: dict[int, str] = {}
        for key, action in self.action_of_key.items():
            keys.setdefault(action, _ARROWS.get(key, key))
        names = {number: f"action {name}" if name.isdecimal() else name for number, name in self.name_of_action.items()}
        return [(key, names[action]) for action, key in keys.items()]


def keys_of(env: gym.Env[Any, Any]) -> Keys:
    """The keys that an environment is played with.

    Ours: arrows. MiniGrid's: those of its own manual control. All: the digit that is an action's number, where no other
    key means it.

    Raises:
        UsageError: its actions are not Discrete.
    """
    space = env.action_space
    if not isinstance(space, spaces.Discrete):
        name = "this environment" if env.spec is None else env.spec.id
        raise UsageError(
            f"{name} has the actions {space}, which no key can say; a person can play environments with Discrete "
            "actions, such as rlmem/Corridor-v0"
        )
    numbers = range(int(space.start), int(space.start + space.n))
    names = _names(env, numbers)
    known = {**_MINIGRID_KEYS, **_OUR_KEYS}
    action_of_key = {key: number for number in numbers for key in known.get(names[number], ())}
    bound = set(action_of_key.values())
    action_of_key |= {str(number): number for number in numbers if number not in bound and 0 <= number <= 9}
    return Keys(action_of_key, names, tuple(set(numbers) - set(action_of_key.values())))


def _names(env: gym.Env[Any, Any], numbers: range) -> dict[int, str]:
    names = dict(zip(numbers, action_names(env) or (), strict=True))
    named = getattr(env.unwrapped, "actions", None)
    members: Mapping[str, Any] = named.__members__ if isinstance(named, EnumMeta) else {}
    if set(_MINIGRID_KEYS) <= set(members) and all(name.isdecimal() for name in names.values()):
        # some of MiniGrid's environments take the first few of its actions alone
        names |= {int(member.value): name for name, member in members.items() if int(member.value) in numbers}
    return names
