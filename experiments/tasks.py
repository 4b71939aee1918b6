"""The tasks that an agent can be trained on: one entry a task, with its keywords and its environments."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from rlmem.envs.corridor_specification import CorridorRules
from rlmem.envs.portal_specification import PortalRules
from rlmem.errors import UsageError

if TYPE_CHECKING:
    import gymnasium as gym

    from rlmem.agents.first_episodes import Player

GYMNASIUM = "gymnasium"
"""The task that plays any environment."""

_JSON_ADVICE = "write it like '{\"size\": 9}'"


@dataclass(frozen=True)
class TaskOptions:
    """Keywords of a task's environment; each task has its own subclass, whose further fields are handed to it."""

    previous_action: bool = False
    """Show the agent its last action, beside the observation."""
    previous_reward: bool = False
    """Show the agent its last reward, beside the observation."""

    def keywords(self) -> dict[str, Any]:
        """What the environment is made with."""
        own = {one.name for one in fields(self)} - {one.name for one in fields(TaskOptions)}
        return {name: getattr(self, name) for name in sorted(own)}


@dataclass(frozen=True)
class CorridorOptions(TaskOptions):
    """See a colour at one end of a corridor, take the door of that colour at the other."""

    min_length: int = 3
    """Shortest corridor, in cells, at least 3."""
    max_length: int = 200
    """Longest corridor, in cells."""
    max_episode_steps: int = 1000
    """Steps after which an episode is cut off."""

    def __post_init__(self) -> None:
        CorridorRules(self.min_length, self.max_length, self.max_episode_steps)  # refuses what makes no corridor


@dataclass(frozen=True)
class PortalOptions(TaskOptions):
    """Find out which door leads on in each room, and remember it: a mistake leads back to the first room."""

    num_rooms: int = 50
    """Rooms in sequence; entering the last one ends the episode."""
    room_size: int = 5
    """Side of a room's interior, in cells, odd, at least 3."""
    max_episode_steps: int = 1000
    """Steps after which an episode is cut off."""

    def __post_init__(self) -> None:
        PortalRules(self.num_rooms, self.room_size, self.max_episode_steps)  # refuses what makes no rooms


@dataclass(frozen=True)
class GymnasiumOptions(TaskOptions):
    """Any environment that is registered with Gymnasium; MiniGrid's observations become words."""

    env_id: str = ""
    """Gymnasium's id, such as MiniGrid-MemoryS7-v0, or mymodule:MyEnv-v0 for one that `import mymodule` registers."""
    env_kwargs: str = "{}"
    """The environment's own keywords, as a JSON object."""
    vectorization: Literal["sync", "async"] = "sync"
    """Play environments without a batch version in turn, or each in a process of its own."""

    def __post_init__(self) -> None:
        self.keywords()  # refuses what is no JSON object

    def keywords(self) -> dict[str, Any]:
        """The environment's own keywords."""
        try:
            keywords = json.loads(self.env_kwargs)
        except json.JSONDecodeError as error:
            raise UsageError(
                f"--env-kwargs {self.env_kwargs!r} is no JSON ({error}); write '{{\"size\": 9}}'"
            ) from error
        if not isinstance(keywords, dict):
            raise UsageError(f"--env-kwargs {self.env_kwargs!r} is no JSON object; {_JSON_ADVICE}")
        return keywords


@dataclass(frozen=True)
class Task:
    """One task.

    Args:
        env_id: Gymnasium's id, with a vector entry point; None where the options name it.
        options: the environment's keywords.
        summary: one line for people.
        word: the word that an agent must remember; spans of the steps that show it are logged apart. None: no one word.
        players: names of its scripted players, see `make_player`.
        score: the number in the environment's `info` at an episode's end that says how far the agent came, or None.
    """

    env_id: str | None
    options: type[TaskOptions]
    summary: str
    word: str | None = None
    score: str | None = None
    players: tuple[str, ...] = ()


TASKS: dict[str, Task] = {
    "corridor": Task(
        "rlmem/Corridor-v0",
        CorridorOptions,
        "remember a colour along a corridor of up to 200 cells",
        word="object",
        players=("oracle", "memoryless", "random"),
    ),
    "portal": Task(
        "rlmem/MultiRoomPortal-v0",
        PortalOptions,
        "remember the right doors of up to 50 rooms",
        score="rooms_visited",
        players=("oracle", "oracle:50", "random"),
    ),
    GYMNASIUM: Task(None, GymnasiumOptions, "any other environment: rlmem train --env-id ID"),
}


def make_envs(task: str, options: TaskOptions, num_envs: int) -> gym.vector.VectorEnv[Any, Any, Any]:
    """The vector environment of a task, with SAME_STEP autoreset.

    Args:
        task: a name of `TASKS`.
        options: the environment's keywords.
        num_envs: how many environments.

    Raises:
        UsageError: there is no such environment, or it cannot be made with these keywords.
    """
    import rlmem  # noqa: F401  (registers the ids)
    from rlmem.envs.previous_action import VectorPreviousActionReward
    from rlmem.envs.vectorise import make_vector_env

    if isinstance(options, GymnasiumOptions):
        envs = make_vector_env(options.env_id, num_envs, vectorization=options.vectorization, **options.keywords())
    else:
        envs = make_vector_env(str(TASKS[task].env_id), num_envs, **options.keywords())
    if options.previous_action or options.previous_reward:
        envs = VectorPreviousActionReward(envs, action=options.previous_action, reward=options.previous_reward)
    return envs


def make_player(task: str, options: TaskOptions, name: str, seed: int) -> Player:
    """A scripted player of a task.

    Args:
        task: a name of `TASKS`.
        options: the environment's keywords.
        name: of the player; `oracle:50` remembers the last 50 steps.
        seed: of its choices.

    Raises:
        UsageError: the task has no such player, or it cannot read what the options show.
    """
    from rlmem.envs.players import MemorylessPlayer, OraclePlayer, RandomPlayer
    from rlmem.envs.portal_players import PortalOracle

    if options.previous_action or options.previous_reward:
        raise UsageError("scripted players read plain observations; leave out --previous-action and --previous-reward")
    kind, _, steps = name.partition(":")
    if task == "portal" and kind == "oracle" and steps.isdecimal():
        return PortalOracle(seed, int(steps))
    known: dict[tuple[str, str], Callable[[], Player]] = {
        ("corridor", "oracle"): OraclePlayer,
        ("corridor", "memoryless"): lambda: MemorylessPlayer(seed),
        ("corridor", "random"): lambda: RandomPlayer(seed),
        ("portal", "oracle"): lambda: PortalOracle(seed),
        ("portal", "random"): lambda: RandomPlayer(seed),
    }
    if (task, name) not in known:
        players = ", ".join(TASKS[task].players) or "none"
        raise UsageError(f"the player {name!r} is unknown for {task}; its players: {players}")
    return known[task, name]()
