"""One environment of a batch that reports its failures instead of raising them.

Gymnasium's worker processes send an exception through a queue: one that cannot be pickled never arrives and the main
process waits for ever; a percent sign in its traceback raises another error; none names the environment. A guarded
environment puts the failure into its info, where `CheckedVectorEnv` finds it, and its worker stays alive.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces

FAILURE = "rlmem_failure"
"""The info that says how an environment failed, a sentence."""

TRACEBACK = "rlmem_traceback"
"""The info with the failure's traceback, text."""


class GuardedEnv(gym.Wrapper[Any, Any, Any, Any]):
    """Passes everything on; where the environment raises, or its observation has a wrong shape, says so in the info.

    Args:
        env: the environment.
        index: its row in the batch.
    """

    def __init__(self, env: gym.Env[Any, Any], index: int) -> None:
        super().__init__(env)
        self._index = index
        self._space = env.observation_space  # read at every step, and a wrapper's own property is slow
        self._steps = 0
        self._last: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; see `gymnasium.Env.reset`."""
        try:
            observation, info = self.env.reset(seed=seed, options=options)
            self._check_shape(observation)
        except (Exception, SystemExit) as error:
            return self._any_observation(), self._failure(f"in reset, after {self._steps} steps", error)
        self._last = observation
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take a step; see `gymnasium.Env.step`."""
        self._steps += 1
        try:
            observation, reward, terminated, truncated, info = self.env.step(action)
            self._check_shape(observation)
            reward = float(reward)
        except (Exception, SystemExit) as error:
            return self._any_observation(), 0.0, False, False, self._failure(f"in step {self._steps}", error)
        self._last = observation
        return observation, reward, terminated, truncated, info

    def _check_shape(self, observation: Any) -> None:
        misfit = find_misfit(self._space, observation)
        if misfit:
            raise ValueError(misfit)

    def _any_observation(self) -> Any:
        """Something to return beside a failure; nobody looks at it."""
        return self._space.sample() if self._last is None else self._last

    def _failure(self, when: str, error: BaseException) -> dict[str, str]:
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{os.path.basename(frames[-1].filename)}, line {frames[-1].lineno}"
        text = f"environment {self._index} failed {when}: {type(error).__name__}: {error} ({where})"
        return {FAILURE: text, TRACEBACK: "".join(traceback.format_exception(error))}


def find_misfit(space: spaces.Space[Any], observation: Any, name: str = "the observation") -> str | None:
    """Say how an observation's shape differs from its space's.

    Args:
        space: the observation space.
        observation: of one environment.
        name: what to call the observation.

    Returns:
        A sentence, or None where the shape is right.
    """
    if isinstance(space, spaces.Dict):
        if not isinstance(observation, dict) or set(observation) != set(space.spaces):
            return f"{name} is {observation!r:.80}, but its space has the entries {sorted(space.spaces)}"
        parts = ((part, observation[key], f"{name}[{key!r}]") for key, part in space.spaces.items())
        return next((misfit for misfit in (find_misfit(*part) for part in parts) if misfit), None)
    if space.shape is None or np.shape(observation) == space.shape:
        return None
    return f"{name} has shape {np.shape(observation)}, but its space has {space.shape}"


@dataclass(frozen=True)
class GuardedMaker:
    """Makes the environment of one row; travels to the row's worker process.

    Args:
        make: makes the environment.
        index: its row in the batch.
        home: number of the main process.
    """

    make: Callable[[], gym.Env[Any, Any]]
    index: int
    home: int = field(default_factory=os.getpid)

    def __call__(self) -> GuardedEnv:
        """Make the environment; in a worker, leave signals to the main process, which closes the workers in order."""
        if os.getpid() != self.home:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.setpgid(0, 0)  # torchrun sends SIGTERM to the main process's whole group
        return GuardedEnv(self.make(), self.index)
