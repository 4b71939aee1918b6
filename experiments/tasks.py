"""The tasks that an agent can be trained on: one entry a task, with its keywords and its environments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlmem.envs.corridor_specification import CorridorRules

if TYPE_CHECKING:
    import gymnasium as gym


@dataclass(frozen=True)
class TaskOptions:
    """Keywords of a task's environment; each task has its own subclass."""


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
class Task:
    """One task.

    Args:
        env_id: Gymnasium's id, with a vector entry point.
        options: the environment's keywords.
        word: the word that an agent must remember; spans of the steps that show it are logged apart.
        summary: one line for people.
    """

    env_id: str
    options: type[TaskOptions]
    word: str | None
    summary: str


TASKS: dict[str, Task] = {
    "corridor": Task(
        "rlmem/Corridor-v0", CorridorOptions, "object", "remember a colour along a corridor of up to 200 cells"
    ),
}


def make_envs(task: str, options: TaskOptions, num_envs: int) -> gym.vector.VectorEnv[Any, Any, Any]:
    """The vector environment of a task.

    Args:
        task: a name of `TASKS`.
        options: the environment's keywords.
        num_envs: how many environments.
    """
    import gymnasium as gym

    import rlmem  # noqa: F401  (registers the ids)

    return gym.make_vec(TASKS[task].env_id, num_envs=num_envs, vectorization_mode="vector_entry_point", **vars(options))
